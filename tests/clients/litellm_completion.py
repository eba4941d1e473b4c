"""litellm, its OpenAI-compatible provider."""

import litellm
from travel import QUESTION, SCHEMAS, call, options, report

asked = options()
tools = [{"type": "function", "function": schema} for schema in SCHEMAS]
messages = [{"role": "user", "content": QUESTION}]


def complete():
    answer = litellm.completion(
        model=f"openai/{asked.model}",
        api_base=asked.base_url,
        api_key="EMPTY",
        messages=messages,
        tools=tools,
        stream=asked.stream,
    )
    return litellm.stream_chunk_builder(list(answer), messages=messages) if asked.stream else answer


while True:
    message = complete().choices[0].message
    if not message.tool_calls:
        break
    messages.append(message)
    for one in message.tool_calls:
        result = call(one.function.name, one.function.arguments)
        messages.append({"role": "tool", "tool_call_id": one.id, "content": result})
report(message.content)
