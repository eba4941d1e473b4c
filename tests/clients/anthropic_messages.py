"""anthropic, Messages."""

import json

from anthropic import Anthropic
from travel import QUESTION, SCHEMAS, call, options, report

asked = options()
client = Anthropic(base_url=asked.base_url.removesuffix("/v1"), api_key="EMPTY")
tools = [
    {"name": schema["name"], "description": schema["description"], "input_schema": schema["parameters"]}
    for schema in SCHEMAS
]
messages = [{"role": "user", "content": QUESTION}]


def complete():
    request = {"model": asked.model, "max_tokens": 512, "messages": messages, "tools": tools}
    if not asked.stream:
        return client.messages.create(**request)
    with client.messages.stream(**request) as stream:
        return stream.get_final_message()


while True:
    message = complete()
    calls = [block for block in message.content if block.type == "tool_use"]
    if not calls:
        break
    messages.append({"role": "assistant", "content": message.content})
    results = [
        {"type": "tool_result", "tool_use_id": one.id, "content": call(one.name, json.dumps(one.input))}
        for one in calls
    ]
    messages.append({"role": "user", "content": results})
report("".join(block.text for block in message.content if block.type == "text"))
