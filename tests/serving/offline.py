"""`python offline.py CHECKPOINT ADAPTER RESULT`: a conversation with vLLM's LLM, random weights, and no server.

In a process of its own: vLLM leaves much behind. What the engine got and gave is written to RESULT as JSON.
"""

import json
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

from replies import tool
from vllm import LLM, SamplingParams
from vllm.sampling_params import StructuredOutputsParams

from chat_adapters.adapters import as_tools, get, read_message, read_template, stops, structural_tag
from chat_adapters.toolkit.writing import write_reply

__all__ = ["ANSWER", "CALL", "TEXT", "WEATHER"]

WEATHER = tool(
    "get_weather",
    {
        "type": "object",
        "properties": {
            "city": {"type": "string", "maxLength": 12},
            "days": {"type": "integer", "maximum": 9},
        },
        "required": ["city"],
    },
)
TEXT, ANSWER = "Let me check.", "22 degrees."
CALL = ("get_weather", '{"city": "海淀区", "days": 3}')


def main(checkpoint: str, name: str, result: str) -> None:
    adapter = get(name)
    llm = LLM(
        checkpoint,
        tokenizer_mode="chat_adapters",
        load_format="dummy",
        dtype="float32",
        enforce_eager=True,
        max_model_len=4096,
        logits_processors=["replay:Replay"],
    )
    tokenizer = llm.get_tokenizer()
    template = read_template(adapter)
    messages: list[Any] = [{"role": "user", "content": "海淀区天气"}]

    def ask(params: SamplingParams | list[SamplingParams], *conversations: list[Any]) -> list[Any]:
        return llm.chat(list(conversations), params, tools=[WEATHER], chat_template=template, use_tqdm=False)

    turns = []
    for reply in (
        write_reply(adapter.format, CALL, text=TEXT),
        write_reply(adapter.format, text=ANSWER, after_result=True),
    ):
        ids = tokenizer.encode(reply + adapter.stop_tokens[0], add_special_tokens=False)
        replayed = SamplingParams(
            max_tokens=1000, extra_args={"replay_ids": ids}, **stops(adapter, tokenizer)
        )
        (output,) = ask(replayed, messages)
        message = read_message(adapter, output.outputs[0].text, [WEATHER])
        messages.append(deepcopy(message))  # LLM.chat makes objects of the arguments in it
        for call in message.get("tool_calls", ()):
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": "22 degrees"})
        prompt = list(output.prompt_token_ids)
        turns.append(
            {
                "prompt": tokenizer.decode(prompt),
                "said": tokenizer.decode(prompt + ids[:-1]),
                "message": message,
            }
        )

    grammar = json.dumps(structural_tag(adapter.format, as_tools([WEATHER]), "required"))
    held = [
        SamplingParams(
            max_tokens=1000,
            seed=seed,
            structured_outputs=StructuredOutputsParams(structural_tag=grammar),
            **stops(adapter, tokenizer, grammar=True),
        )
        for seed in range(16)
    ]
    texts = [output.outputs[0].text for output in ask(held, *[messages[:1]] * len(held))]
    written = [read_message(adapter, text, [WEATHER]) for text in texts]
    Path(result).write_text(json.dumps({"turns": turns, "held": written}), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
