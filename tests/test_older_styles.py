"""Requests in older styles on the real server, through the middleware."""

import json
from collections import Counter
from copy import deepcopy
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_bodies import ODD, places
from openai import BadRequestError, InternalServerError
from server import Server

from chat_adapters.adapters import Adapter
from chat_adapters.toolkit.writing import write_reply

pytestmark = pytest.mark.server

USER: list[Any] = [{"role": "user", "content": "Weather in Paris?"}]
LISTED = [{"name": "city", "type": "str", "description": "a city", "required": True}]
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "a city"}},
    "required": ["city"],
}
PARIS = ("get_weather", '{"city": "Paris"}')
FUNCTION: dict[str, Any] = {"name": "get_weather", "description": "weather", "parameters": LISTED}


def prompt(server: Server, path: str, body: dict[str, Any]) -> list[int]:
    """The ids of the prompt that the server makes of a request."""
    ids: list[int] = server.post(f"{path}/render", {"model": server.name, **body})["token_ids"]
    return ids


def test_a_list_of_parameters_is_what_it_means(server: Server) -> None:
    """The model sees the same, on every route."""

    def chat(parameters: Any) -> dict[str, Any]:
        return {
            "messages": USER,
            "tools": [{"type": "function", "function": {**FUNCTION, "parameters": parameters}}],
        }

    def responses(parameters: Any) -> dict[str, Any]:
        return {"input": USER, "tools": [{"type": "function", **FUNCTION, "parameters": parameters}]}

    def messages(parameters: Any) -> dict[str, Any]:
        tool = {"name": "get_weather", "description": "weather", "input_schema": parameters}
        return {"messages": USER, "max_tokens": 9, "tools": [tool]}

    for path, body in (
        ("/v1/chat/completions", chat),
        ("/v1/responses", responses),
        ("/v1/messages", messages),
    ):
        assert prompt(server, path, body(LISTED)) == prompt(server, path, body(SCHEMA))


def test_functions_are_called_and_answered(server: Server, adapter: Adapter) -> None:
    """A program from before tools, as its author wrote it."""
    stop = adapter.stop_tokens[0]
    replay = server.replay(write_reply(adapter.format, PARIS) + stop)
    request: dict[str, Any] = {"model": server.name, "functions": [FUNCTION], "function_call": "auto"}
    create: Any = server.client.chat.completions.create
    messages = [*USER]
    whole = create(messages=messages, extra_body=replay, **request).choices[0]
    call = whole.message.function_call
    assert (call.name, call.arguments, whole.finish_reason) == (*PARIS, "function_call")
    assert not whole.message.tool_calls
    chunks = [
        choice
        for chunk in create(messages=messages, stream=True, extra_body=replay, **request)
        for choice in chunk.choices
    ]
    pieces = [choice.delta.function_call for choice in chunks if choice.delta.function_call]
    assert [piece.name for piece in pieces if piece.name] == [PARIS[0]]
    assert "".join(piece.arguments or "" for piece in pieces) == PARIS[1]
    assert chunks[-1].finish_reason == "function_call"
    assert not any(choice.delta.tool_calls for choice in chunks)

    messages += [whole.message, {"role": "function", "name": "get_weather", "content": "22 degrees"}]
    answer = write_reply(adapter.format, text="22 degrees.", after_result=True) + stop
    last = create(messages=messages, extra_body=server.replay(answer), **request).choices[0]
    assert (last.message.content, last.finish_reason) == ("22 degrees.", "stop")
    # The model saw its call and the result, as if they had been sent in today's style.
    tool_call = {"id": "c", "type": "function", "function": {"name": PARIS[0], "arguments": PARIS[1]}}
    today: list[Any] = [
        *USER,
        {"role": "assistant", "content": None, "tool_calls": [tool_call]},
        {"role": "tool", "tool_call_id": "c", "name": "get_weather", "content": "22 degrees"},
    ]
    path = "/v1/chat/completions"
    old = [message if isinstance(message, dict) else message.model_dump() for message in messages]
    assert prompt(server, path, {"messages": old, "functions": [FUNCTION]}) == prompt(
        server,
        path,
        {"messages": today, "tools": [{"type": "function", "function": {**FUNCTION, "parameters": SCHEMA}}]},
    )


def test_there_is_one_function_call(server: Server, adapter: Adapter) -> None:
    """The answer has room for no more: the grammar ends the reply behind it."""
    two = write_reply(adapter.format, PARIS, ("get_weather", '{"city": "Rome"}')) + adapter.stop_tokens[0]
    create: Any = server.client.chat.completions.create
    with pytest.raises(InternalServerError):
        create(model=server.name, messages=USER, functions=[FUNCTION], extra_body=server.replay(two))
    assert "grammar rejected tokens" in server.log_text()
    choice = create(
        model=server.name,
        messages=USER,
        functions=[FUNCTION],
        function_call={"name": "get_weather"},
        extra_body=server.replay(write_reply(adapter.format, PARIS) + adapter.stop_tokens[0]),
    ).choices[0]
    assert (choice.message.function_call.name, choice.message.function_call.arguments) == PARIS
    assert choice.finish_reason == "stop"  # as OpenAI's: the caller knows that it is a call


def test_errors_reach_the_client(server: Server) -> None:
    create: Any = server.client.chat.completions.create
    with pytest.raises(BadRequestError, match="two words") as error:
        create(model=server.name, messages=USER, functions=[{"name": "two words"}])
    assert error.value.param == "functions"


# Anything at all


MODEL = {"model": "tiny", "temperature": 0}
TYPED = {**FUNCTION, "parameters": {"type": "dict", "properties": {"n": {"type": "int"}}}}
CALLED = {
    "role": "assistant",
    "content": None,
    "function_call": {"name": "get_weather", "arguments": "{}"},
}
NAMED = {"type": "function", "function": {"name": "get_weather"}}
SEEDS: list[tuple[str, dict[str, Any]]] = [
    ("/v1/chat/completions", {"messages": USER, "functions": [FUNCTION, TYPED], "function_call": "auto"}),
    (
        "/v1/chat/completions",
        {
            "messages": [*USER, CALLED, {"role": "function", "name": "get_weather", "content": "3"}],
            "functions": [TYPED],
            "function_call": {"name": "get_weather"},
            "stream": True,
        },
    ),
    ("/v1/chat/completions", {"messages": USER, "tools": [FUNCTION], "tool_choice": NAMED}),
    (
        "/v1/chat/completions",
        {"messages": USER, "tools": [{"type": "function", "function": TYPED}], "tool_choice": "required"},
    ),
    ("/v1/responses", {"input": USER, "tools": [{"type": "function", **FUNCTION}], "tool_choice": "auto"}),
    ("/v1/responses", {"input": "x", "tools": [{"type": "function", **TYPED}], "tool_choice": "required"}),
    (
        "/v1/messages",
        {"messages": USER, "tools": [{"name": "f", "input_schema": LISTED}], "tool_choice": {"type": "any"}},
    ),
    ("/tokenize", {"messages": USER, "tools": [FUNCTION]}),
]
KEYS = ["functions", "function_call", "tools", "tool_choice", "name", "type", "parameters", "function", "x"]


@st.composite
def bodies(draw: st.DrawFn) -> tuple[str, bytes]:
    """A route, and a request to it that somebody got wrong."""
    path, body = deepcopy(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 3))):
        if not (found := [*places(body)]):
            break
        node, key = draw(st.sampled_from(found))
        match draw(st.integers(0, 4)):
            case 0:
                del node[key]
            case 1:
                node[key] = deepcopy(draw(st.sampled_from(ODD)))
            case 2:
                node[key] = [node[key]]
            case 3 if isinstance(node, dict):
                node[draw(st.sampled_from(KEYS))] = node.pop(key)
            case _ if isinstance(node, list):
                node.append(deepcopy(node[key]))
    short = {"max_output_tokens" if path == "/v1/responses" else "max_tokens": 1}
    written = bytearray(json.dumps({**MODEL, **body, **short}).encode())
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 3]))):
        written[draw(st.integers(0, len(written) - 1))] = draw(st.integers(0, 255))
    return path, bytes(written)


@pytest.mark.parametrize("server", ["qwen2_5"], indirect=True, scope="session")
def test_whatever_is_sent_is_no_error_of_the_server(server: Server) -> None:
    answered: Counter[bool] = Counter()
    with httpx.Client(
        base_url=server.url,
        timeout=60,
        headers={"Content-Type": "application/json"},
        transport=httpx.HTTPTransport(retries=2),
    ) as client:

        @settings(max_examples=5 * settings().max_examples)
        @given(bodies())
        def check(request: tuple[str, bytes]) -> None:
            path, body = request
            answer = client.post(path, content=body)
            assert answer.status_code < 500, answer.text
            answered[answer.is_success] += 1
            if not answer.is_success:
                said = answer.json()
                # FastAPI's own words, where the body is no UTF-8.
                assert said.get("detail") or said["error"]["message"]

        check()
    assert answered[True] > answered[False] / 20  # most are wrong, not all
