"""openai, Responses."""

from openai import OpenAI
from travel import QUESTION, SCHEMAS, call, options, report

asked = options()
client = OpenAI(base_url=asked.base_url, api_key="EMPTY")
tools = [{"type": "function", "strict": False, **schema} for schema in SCHEMAS]
items = [{"role": "user", "content": QUESTION}]


def respond():
    if not asked.stream:
        return client.responses.create(model=asked.model, input=items, tools=tools)
    with client.responses.stream(model=asked.model, input=items, tools=tools) as stream:
        return stream.get_final_response()


while True:
    response = respond()
    calls = [item for item in response.output if item.type == "function_call"]
    if not calls:
        break
    items += [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in response.output]
    for one in calls:
        result = call(one.name, one.arguments)
        items.append({"type": "function_call_output", "call_id": one.call_id, "output": result})
report(response.output_text)
