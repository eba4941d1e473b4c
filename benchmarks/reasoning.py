"""What a delta costs a server while a model thinks: `python benchmarks/reasoning.py`, which writes a table into docs/reasoning.md.

Reasoning of some length, then a call of 16 kB, four characters and one token a delta, read by the tool parser `qwen2_5` and, as the
least that any could cost, by the floor, beside our reasoning parser and vLLM's. In microseconds of this thread's CPU time, the
least of five rounds.
"""

import json
import logging
import sys
from pathlib import Path
from time import thread_time

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "tests" / "serving"))  # what writes into pages

from competitors import CHARACTERS_A_TOKEN, FLOOR, Vocabulary
from made import put
from tables import table
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.parser.parser_manager import ParserManager

from chat_adapters.adapters.qwen2_5 import QWEN2_5
from chat_adapters.toolkit.writing import write_reply
from chat_adapters.vllm_plugin import MODE

KILOBYTE = 1024
SIZES = (4, 16, 64, 128)
ROUNDS = 5
END = "</think>"
VOCABULARY = Vocabulary(("<think>", END, "<tool_call>", "</tool_call>", *QWEN2_5.tokens))
REQUEST = ChatCompletionRequest.model_validate(
    {
        "messages": [{"role": "user", "content": "?"}],
        "tools": [{"type": "function", "function": {"name": "save_note"}}],
    }
)


def main() -> None:
    logging.disable(logging.CRITICAL)
    rows = [
        [f"`{reasoning}`", f"`{name}`", *(f"{thought:.1f}, {called:.1f}" for thought, called in costs)]
        for reasoning in (MODE, "qwen3", "deepseek_r1")
        for name in (QWEN2_5.name, FLOOR.name)
        for costs in [[min_of(reasoning, name, size * KILOBYTE) for size in SIZES]]
    ]
    made = table(["reasoning parser", "tool parser", *(f"{size} kB of reasoning" for size in SIZES)], rows)
    put(made, HERE.parent / "docs" / "reasoning.md", "python benchmarks/reasoning.py")
    print(made)


def min_of(reasoning: str, name: str, size: int) -> tuple[float, float]:
    """Microseconds a delta of the reasoning, and of the call behind it."""
    rounds = [cost(reasoning, name, size) for _ in range(ROUNDS)]
    return min(thought for thought, _ in rounds), min(called for _, called in rounds)


def cost(reasoning: str, name: str, size: int) -> tuple[float, float]:
    made = ParserManager.get_parser(
        tool_parser_name=name, reasoning_parser_name=reasoning, enable_auto_tools=True
    )
    assert made is not None
    parser = made(VOCABULARY, REQUEST.tools)  # type: ignore[arg-type]
    call = write_reply(QWEN2_5.format, ("save_note", json.dumps({"text": "abc " * (4 * KILOBYTE)})))
    spent = []
    for text, last in ((("so, " * size)[:size], ""), (call, END)):
        deltas = [
            text[start : start + CHARACTERS_A_TOKEN] for start in range(0, len(text), CHARACTERS_A_TOKEN)
        ]
        if last:
            parser.parse_delta(
                last, [VOCABULARY.get_vocab()[last]], REQUEST, prompt_token_ids=[0], finished=False
            )
        began = thread_time()
        for delta in deltas:
            parser.parse_delta(delta, [0], REQUEST, prompt_token_ids=[0], finished=False)
        spent.append(1e6 * (thread_time() - began) / len(deltas))
    return spent[0], spent[1]


if __name__ == "__main__":
    main()
