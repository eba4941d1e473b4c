"""A post on vLLM and ChatGLM3-6B: the tool calls that it wanted. ChatGLM3 calls one tool a turn, so there is a loop."""

import json
import os

from openai import OpenAI

client = OpenAI(
    base_url=os.environ.get("BASE_URL", "http://localhost:8000/v1"),
    api_key="EMPTY",
)

tools = [
    {
        "type": "function",
        "function": {
            "name": "get_current_weather",
            "description": "Get the current weather in a given location",
            "parameters": {
                "type": "object",
                "properties": {
                    "location": {
                        "type": "string",
                        "description": "The city and state, e.g. San Francisco, CA",
                    },
                    "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                },
                "required": ["location"],
            },
        },
    }
]


def get_current_weather(location, unit="celsius"):
    return json.dumps({"location": location, "temperature": 18, "unit": unit})


messages = [{"role": "user", "content": "What's the weather like in San Francisco, Tokyo, and Paris?"}]
for _turn in range(6):
    response = client.chat.completions.create(
        model=os.environ.get("MODEL", "ChatGLM3-6B"),
        messages=messages,
        tools=tools,
        tool_choice="auto",
    )
    message = response.choices[0].message
    tool_calls = message.tool_calls
    if not tool_calls:
        print(message.content)
        break
    messages.append(message)
    for tool_call in tool_calls:
        print(tool_call.function.name, tool_call.function.arguments)
        result = get_current_weather(**json.loads(tool_call.function.arguments))
        messages.append({"role": "tool", "tool_call_id": tool_call.id, "content": result})
