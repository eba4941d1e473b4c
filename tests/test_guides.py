"""The programs of the guides that people come from, line for line; only the address is ours, and the model's texts.

The weights are random, so the client adds to each request what a trained model writes.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from openai import OpenAI
from server import Server

from chat_adapters.adapters import get
from chat_adapters.toolkit.writing import write_reply

pytestmark = pytest.mark.server


@contextmanager
def client_of(server: Server, *replies: str) -> Iterator[Any]:
    """The program's client; the model gives these replies, one a request."""
    client: Any = OpenAI(api_key="YOUR_API_KEY", base_url=f"{server.url}/v1")
    create = client.chat.completions.create
    scripts = iter(replies)

    def replayed(**request: Any) -> Any:
        script = next(scripts) + get(server.adapter).stop_tokens[0]
        return create(**request, extra_body=server.replay(script))

    client.chat.completions.create = replayed
    with client:
        yield client


# LMDeploy's course, the exercise on function calls: `int` for a type, a content-only assistant message, the result
# under the role `environment`, and the answer executed as Python.


def add(a: int, b: int) -> int:
    return a + b


def mul(a: int, b: int) -> int:
    return a * b


def lmdeploy_tool(name: str, description: str) -> dict[str, Any]:
    number = {"type": "int", "description": "A number"}
    return {
        "type": "function",
        "function": {
            "name": name,
            "description": description,
            "parameters": {
                "type": "object",
                "properties": {"a": number, "b": number},
                "required": ["a", "b"],
            },
        },
    }


LMDEPLOY_TOOLS = [
    lmdeploy_tool("add", "Compute the sum of two numbers"),
    lmdeploy_tool("mul", "Calculate the product of two numbers"),
]


@pytest.mark.parametrize(
    ("thought", "more"),
    [("I will add first.", {}), ("", {}), ("", {"tool_choice": "required"})],
    ids=["as printed", "no thought", "required"],
)
@pytest.mark.parametrize("server", ["internlm2_5"], indirect=True, scope="session")
def test_lmdeploy_computes_16(server: Server, thought: str, more: dict[str, str]) -> None:
    format = get(server.adapter).format
    replies = (
        write_reply(format, ("add", '{"a": 3, "b": 5}'), text=thought),
        write_reply(format, ("mul", '{"a": 8, "b": 2}')),
    )
    with client_of(server, *replies) as client:
        assert lmdeploy(client, thought, more) == [8, 16]


def lmdeploy(client: Any, thought: str, more: dict[str, str]) -> list[int]:
    """What the program prints."""
    model_name = client.models.list().data[0].id
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Compute (3+5)*2"}]
    printed = []
    for step in range(2):
        response = client.chat.completions.create(
            model=model_name,
            messages=messages,
            temperature=0.8,
            top_p=0.8,
            stream=False,
            tools=LMDEPLOY_TOOLS,
            **more,
        )
        func_name = response.choices[0].message.tool_calls[0].function.name
        func_args = response.choices[0].message.tool_calls[0].function.arguments
        # The course's own way; programs should use json.loads. These arguments are the ones above.
        printed.append(eval(f"{func_name}(**{func_args})"))
        if step == 0:
            assert (response.choices[0].message.content or "") == thought
            messages.append({"role": "assistant", "content": response.choices[0].message.content})
            messages.append({"role": "environment", "content": "3+5=8", "name": "plugin"})
    return printed


# A post on ChatGLM3 and vLLM: it wanted tool calls for three cities. ChatGLM3 calls one tool a turn.


def get_current_weather(location: str, unit: str = "celsius") -> str:
    return json.dumps({"location": location, "temperature": len(location), "unit": unit})


CHATGLM3_TOOLS = [
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


@pytest.mark.parametrize("server", ["chatglm3"], indirect=True, scope="session")
def test_chatglm3_asks_for_three_cities(server: Server) -> None:
    format = get(server.adapter).format
    cities = ["San Francisco", "Tokyo", "Paris"]
    calls = [("get_current_weather", json.dumps({"location": city, "unit": "celsius"})) for city in cities]
    answer = "It is 13 degrees in San Francisco, 5 in Tokyo and Paris."
    replies = (
        write_reply(format, calls[0], text="I will look at each city."),
        write_reply(format, calls[1]),
        write_reply(format, calls[2]),
        write_reply(format, text=answer),
    )
    with client_of(server, *replies) as client:
        assert three_cities(client, server.name) == (cities, answer)


def three_cities(client: Any, model: str) -> tuple[list[str], str | None]:
    """The cities that were asked for, and the answer."""
    messages: list[Any] = [
        {"role": "user", "content": "What's the weather like in San Francisco, Tokyo, and Paris?"}
    ]
    called = []
    for _ in range(4):
        response = client.chat.completions.create(
            model=model, messages=messages, tools=CHATGLM3_TOOLS, tool_choice="auto"
        )
        response_message = response.choices[0].message
        tool_calls = response_message.tool_calls
        if not tool_calls:
            break
        messages.append(response_message)
        for tool_call in tool_calls:
            arguments = json.loads(tool_call.function.arguments)
            called.append(arguments["location"])
            messages.append(
                {
                    "tool_call_id": tool_call.id,
                    "role": "tool",
                    "name": tool_call.function.name,
                    "content": get_current_weather(**arguments),
                }
            )
    return called, response_message.content
