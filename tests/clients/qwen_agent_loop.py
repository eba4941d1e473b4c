"""Qwen-Agent, with the server's own tool calls instead of its prompts."""

from qwen_agent.llm import get_chat_model
from travel import QUESTION, SCHEMAS, call, options, report

asked = options()
model = get_chat_model(
    {
        "model": asked.model,
        "model_type": "oai",
        "model_server": asked.base_url,
        "api_key": "EMPTY",
        "generate_cfg": {"use_raw_api": True},
    }
)
messages = [{"role": "user", "content": QUESTION}]


def complete():
    answer = model.chat(messages=messages, functions=SCHEMAS, stream=asked.stream)
    return list(answer)[-1] if asked.stream else answer


while True:
    said = complete()
    messages += said
    calls = [message for message in said if message.get("function_call")]
    if not calls:
        break
    for message in calls:
        one = message["function_call"]
        messages.append(
            {
                "role": "function",
                "name": one["name"],
                "content": call(one["name"], one["arguments"]),
                "extra": message.get("extra") or {},
            }
        )
report(said[-1]["content"])
