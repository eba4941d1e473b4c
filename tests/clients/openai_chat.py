"""openai, Chat Completions."""

from openai import OpenAI
from openai.lib.streaming.chat import ChatCompletionStreamState
from travel import QUESTION, SCHEMAS, call, options, report

asked = options()
client = OpenAI(base_url=asked.base_url, api_key="EMPTY")
tools = [{"type": "function", "function": schema} for schema in SCHEMAS]
messages = [{"role": "user", "content": QUESTION}]


def complete():
    if not asked.stream:
        return client.chat.completions.create(model=asked.model, messages=messages, tools=tools)
    state = ChatCompletionStreamState()
    for chunk in client.chat.completions.create(
        model=asked.model, messages=messages, tools=tools, stream=True
    ):
        state.handle_chunk(chunk)
    return state.get_final_completion()


while True:
    message = complete().choices[0].message
    if not message.tool_calls:
        break
    messages.append(message.model_dump(exclude_none=True, exclude={"parsed"}))
    for one in message.tool_calls:
        result = call(one.function.name, one.function.arguments)
        messages.append({"role": "tool", "tool_call_id": one.id, "content": result})
report(message.content)
