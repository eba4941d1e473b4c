"""The middleware: requests in older styles, and what of them must reach vLLM as it came.

What reaches vLLM is seen by an app in vLLM's place; what vLLM makes of it, on the real server.
"""

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded import FIXTURES, load, tools_of

from chat_adapters.vllm_plugin import OpenAICompat
from chat_adapters.vllm_plugin.openai_compat import LARGE
from chat_adapters.vllm_plugin.settings import Settings

CHAT = "/v1/chat/completions"
MAX_BODY = Settings().max_body
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
LISTED = [{"name": "city", "type": "str", "description": "a city", "required": True}]
MEANT = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "a city"}},
    "required": ["city"],
}
TYPED = {"type": "dict", "properties": {"n": {"type": "int"}}}
SPELLED = {"type": "object", "properties": {"n": {"type": "integer"}}}
USER = {"role": "user", "content": "Paris?"}


@dataclass
class App:
    """Stands behind the middleware: keeps what it gets, and answers what it was told to."""

    answer: Sequence[bytes] = (b"{}",)
    kind: bytes = b"application/json"
    bodies: list[bytes] = field(default_factory=list)
    headers: dict[bytes, bytes] = field(default_factory=dict)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            self.headers = dict(scope["headers"])
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return
                self.bodies.append(message["body"])
                if not message["more_body"]:
                    break
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", self.kind)]})
        for number, part in enumerate(self.answer, start=1):
            await send({"type": "http.response.body", "body": part, "more_body": number < len(self.answer)})


def send(
    app: App,
    parts: Iterable[bytes],
    path: str = CHAT,
    method: str = "POST",
    headers: Iterable[tuple[bytes, bytes]] = (),
    **scope: str,
) -> list[dict[str, Any]]:
    """What the client gets for a request that comes in these parts; without a last part, the client leaves."""
    *some, last = parts
    coming = [{"type": "http.request", "body": part, "more_body": True} for part in some]
    coming += [{"type": "http.request", "body": last, "more_body": False}] if last else []
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return coming.pop(0) if coming else {"type": "http.disconnect"}

    async def keep(message: Any) -> None:
        sent.append(message)

    connection = {"type": "http", "method": method, "path": path, "headers": [*headers], **scope}
    asyncio.run(OpenAICompat(app)(connection, receive, keep))
    return sent


def bytes_of(body: object) -> bytes:
    return json.dumps(body).encode()


def reached(body: object, path: str = CHAT) -> Any:
    """The request that vLLM gets."""
    app = App()
    send(app, [bytes_of(body)], path)
    return json.loads(b"".join(app.bodies))


def refusal(body: object, path: str = CHAT) -> tuple[int, Any]:
    """Status and body of the answer to a request that does not reach vLLM."""
    app = App()
    start, answer = send(app, [bytes_of(body)], path)
    assert not app.bodies
    headers = dict(start["headers"])
    assert headers[b"content-type"] == b"application/json"
    assert int(headers[b"content-length"]) == len(answer["body"])
    return start["status"], json.loads(answer["body"])


def tool(parameters: object, name: str = "get_weather", **more: object) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": parameters, **more}}


# The same tools as each route has them.


def chat(tools: list[Any]) -> dict[str, Any]:
    return {"tools": tools}


def responses(tools: list[Any]) -> dict[str, Any]:
    return {"tools": [{"type": "function", **one["function"]} for one in tools]}


def messages(tools: list[Any]) -> dict[str, Any]:
    words = [one["function"] for one in tools]
    return {"tools": [{"name": each["name"], "input_schema": each["parameters"]} for each in words]}


# What passes


def as_chat(folder: Path) -> bytes:
    """A recorded request as a client sends it today."""
    request = load(folder, "request")
    tools = {"tools": tools_of(folder)} if request.get("tools") else {}
    return json.dumps({**request, **tools}, ensure_ascii=False, indent=1).encode()


ODD = [
    b'{ "messages":[{"role":"user","content":"\\ud800 \\u00e9"}] , "tools": null, "temperature": 1e999 }',
    b'{"tools": [], "functions": null, "function_call": "auto"}',
    b'{"tools": [{"type": "function", "function": {"name": "f", "parameters": {"$ref": "#"}}}], "functions": []}',
    b'{"messages": [{"role": "function", "name": "f", "content": "1"}, {"role": "assistant", "content": "2"}]}',
    b'{"messages": [{"role": "assistant", "tool_calls": [{}], "function_call": {"name": "f"}}]}',
    b'{"messages": [{"role": "assistant", "function_call": {}}, {"role": "assistant", "function_call": {"name": 1}}]}',
    b'{"functions": []}',
    b'{"functions": {"name": "no such rule here!"}}',
    b"[1, 2]",
    b"null",
    b'{"broken": ',
    b"\xff\xfe",
    b"[" * 100_000,
    b"9" * 5000,
    bytes_of({"tools": [tool(True), tool("text"), tool(TYPED)], "tool_choice": "auto"}),
    bytes_of({"tools": [tool(TYPED, strict=False)], "tool_choice": "none"}),
    bytes_of({"response_format": {"type": "json_schema", "json_schema": {"schema": ["odd"]}}}),
]


PATHS = (CHAT, "/v1/responses", "/v1/messages", "/tokenize")


@pytest.mark.parametrize("body", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("path", PATHS)
def test_what_is_odd_passes_byte_for_byte(path: str, body: bytes) -> None:
    assert_passes(path, body)


def test_what_needs_nothing_passes_byte_for_byte() -> None:
    for path in sorted(FIXTURES.glob("*/*/request.json")):
        assert_passes(CHAT, as_chat(path.parent))


def assert_passes(path: str, body: bytes) -> None:
    headers = [(b"content-length", str(len(body)).encode()), (b"x-mine", b"1")]
    app = App(answer=[b'{"choices": [{"message": ', b'{"tool_calls": [1]}}]}'])
    third = len(body) // 3
    answer = send(app, [body[:third], b"", body[third:]], path, headers=headers)
    assert b"".join(app.bodies) == body
    assert app.headers == dict(headers)
    assert [message["body"] for message in answer[1:]] == list(app.answer)


@pytest.mark.parametrize(
    ("path", "method"),
    [("/v1/completions", "POST"), ("/health", "GET"), (CHAT, "GET"), (CHAT + "/x", "POST")],
)
def test_other_routes_are_left_alone(path: str, method: str) -> None:
    body = bytes_of({"functions": [{"name": "no such rule here!"}]})
    app = App()
    send(app, [body[:5], body[5:]], path, method)
    assert app.bodies == [body[:5], body[5:]]  # not even put together


def test_routes_are_known_below_a_root_path() -> None:
    app = App()
    send(app, [bytes_of(chat([tool(LISTED)]))], "/models" + CHAT, root_path="/models")
    assert json.loads(app.bodies[0]) == chat([tool(MEANT)])


def test_other_connections_are_left_alone() -> None:
    app = App()
    send(app, [b"x"], type="lifespan")
    assert app.bodies == []


def test_a_client_that_leaves_is_let_go() -> None:
    app = App()
    assert send(app, [b'{"model":', b""]) == []
    assert not app.bodies
    send(app, [b"{}"])
    assert app.bodies == [b"{}"]


# What is rewritten


@pytest.mark.parametrize(
    ("path", "sent", "meant"),
    [
        (CHAT, {"tools": [tool(LISTED)]}, {"tools": [tool(MEANT)]}),
        (CHAT, {"tools": [{"name": "f", "parameters": LISTED}]}, {"tools": [tool(MEANT, "f")]}),
        (
            CHAT,
            {"tools": [{"type": "function", "name": "f", "parameters": SCHEMA}]},
            {"tools": [tool(SCHEMA, "f")]},
        ),
        (CHAT + "/render", {"tools": [tool(LISTED)]}, {"tools": [tool(MEANT)]}),
        ("/tokenize", {"tools": [tool(LISTED)]}, {"tools": [tool(MEANT)]}),
        (CHAT, {"tools": [tool([])]}, {"tools": [tool({"type": "object", "properties": {}})]}),
        *(
            (
                path,
                {**of([tool(SCHEMA, "g"), tool(TYPED)]), **more},
                {**of([tool(SCHEMA, "g"), tool(SPELLED)]), **more},
            )
            for path, of, choices in (
                (CHAT, chat, ["required", {"type": "function", "function": {"name": "g"}}]),
                ("/v1/responses", responses, ["required", {"type": "function", "name": "g"}]),
                ("/v1/messages", messages, [{"type": "any"}, {"type": "tool", "name": "g"}]),
            )
            for more in [{"tool_choice": choice} for choice in choices]
        ),
        (
            CHAT,
            chat([tool(TYPED, strict=True), tool(TYPED)]),
            chat([tool(SPELLED, strict=True), tool(TYPED)]),
        ),
        (
            CHAT,
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "a", "schema": {"type": "int"}},
                }
            },
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "a", "schema": {"type": "integer"}},
                }
            },
        ),
        (
            "/v1/responses",
            {"tools": [*responses([tool(LISTED)])["tools"], {"type": "web_search"}]},
            {"tools": [*responses([tool(MEANT)])["tools"], {"type": "web_search"}]},
        ),
        (
            "/v1/responses",
            {"text": {"format": {"type": "json_schema", "name": "a", "schema": {"type": "list"}}}},
            {"text": {"format": {"type": "json_schema", "name": "a", "schema": {"type": "array"}}}},
        ),
        ("/v1/messages", messages([tool(LISTED)]), messages([tool(MEANT)])),
    ],
)
def test_parameters_become_json_schema(path: str, sent: Any, meant: Any) -> None:
    more = {"model": "m", "messages": [USER], "temperature": 0.5, "unknown": [None, "é", "\ud800"]}
    assert reached({**sent, **more}, path) == {**meant, **more}


def test_the_length_is_that_of_what_is_sent_on() -> None:
    app = App()
    body = bytes_of({"tools": [tool(LISTED)]})
    send(app, [body], headers=[(b"Content-Length", str(len(body)).encode())])
    assert app.headers == {b"content-length": str(len(app.bodies[0])).encode()}


def test_functions_become_tools() -> None:
    function = {"name": "f", "description": "does", "parameters": LISTED}
    new = {"name": "f", "description": "does", "parameters": MEANT}
    tools = {"tools": [{"type": "function", "function": new}], "parallel_tool_calls": False}
    assert reached({"functions": [function], "stream": True}) == {**tools, "stream": True}
    for given_choice, choice in [
        ("auto", "auto"),
        ("none", "none"),
        ({"name": "f"}, {"type": "function", "function": {"name": "f"}}),
    ]:
        body = {"functions": [function], "function_call": given_choice}
        assert reached(body) == {**tools, "tool_choice": choice}


def test_calls_of_the_conversation_become_tool_calls() -> None:
    call = {"name": "f", "arguments": '{"a": 1}'}
    said = {"role": "assistant", "content": None, "function_call": call}
    result = {"role": "function", "name": "f", "content": "3"}
    sent = reached(
        {"messages": [USER, said, result, USER, said, result, {"role": "assistant", "content": "4"}]}
    )
    (first, given_first, second, given_second) = (sent["messages"][place] for place in (1, 2, 4, 5))
    for message in (first, second):
        assert message.keys() == {"role", "content", "tool_calls"}
        assert message["tool_calls"][0]["function"] == call
    assert first["tool_calls"][0]["id"] != second["tool_calls"][0]["id"]
    for message, asked in ((given_first, first), (given_second, second)):
        assert message == {**result, "role": "tool", "tool_call_id": asked["tool_calls"][0]["id"]}


@pytest.mark.parametrize("large", [False, True])
def test_names_of_types_are_read_within_a_budget(large: bool) -> None:
    """And what they are in stays: the grammar says what is wrong with it."""
    count = 30_000 if large else 12_000
    sent = chat([tool([{"name": f"p{n}", "type": f"list[int]{' ' * (n % 2)}"} for n in range(count)])])
    assert (len(bytes_of(sent)) > LARGE) == large
    properties = list(reached(sent)["tools"][0]["function"]["parameters"]["properties"].values())
    assert properties[0] == {"type": "array", "items": {"type": "integer"}}
    assert properties[-1] == {"type": "list[int] "}


# What is refused


@pytest.mark.parametrize(
    ("path", "body", "param", "words"),
    [
        (CHAT, {"tools": [tool(SCHEMA, "two words")]}, "tools", ["two words"]),
        (CHAT, {"tools": [tool(SCHEMA, "x" * 65)]}, "tools", ["xxx", "64"]),
        (CHAT, {"tools": [tool(SCHEMA, "")]}, "tools", ["''"]),
        (CHAT, {"tools": [tool([{"type": "str"}])]}, "tools", ["'get_weather'", "parameters.0.name"]),
        (CHAT, {"tools": [tool([7])]}, "tools", ["'get_weather'", "parameters.0"]),
        (CHAT, {"functions": [{"name": "天气"}]}, "functions", ["天气"]),
        (CHAT, {"tools": [tool(SCHEMA), 7]}, "tools", ["tools.1"]),
        (CHAT, {"tools": [{"type": "function"}]}, "tools", ["tools.0", "function"]),
        (CHAT, {"tools": [{"type": "function", "function": {}}]}, "tools", ["tools.0", "name"]),
        (CHAT, {"functions": [None]}, "functions", ["functions.0"]),
        (CHAT, {"functions": [{"name": "f", "parameters": [7]}]}, "functions", ["'f'", "parameters.0"]),
        (CHAT, {"functions": [{"name": "f"}], "function_call": "f"}, "function_call", ['"auto"']),
        ("/v1/responses", {"tools": [{"type": "function", "name": "a b"}]}, "tools", ["a b"]),
    ],
)
def test_errors_have_the_shape_of_openai_s(path: str, body: Any, param: str, words: list[str]) -> None:
    status, answer = refusal(body, path)
    assert status == answer["error"]["code"] == 400
    assert answer["error"]["param"] == param
    assert isinstance(answer["error"]["type"], str)
    for word in words:
        assert word in answer["error"]["message"]


def test_errors_of_the_messages_route_have_the_shape_of_anthropic_s() -> None:
    status, answer = refusal({"tools": [{"name": "a b", "input_schema": {}}]}, "/v1/messages")
    assert (status, answer["type"], answer["error"]["type"]) == (400, "error", "invalid_request_error")
    assert "a b" in answer["error"]["message"]


def test_an_error_is_short() -> None:
    for words in ({"name": "x" * 100_000}, {"name": ["y"] * 100_000, "parameters": [7]}):
        _, answer = refusal({"tools": [{"type": "function", **words}]}, "/v1/responses")
        assert len(answer["error"]["message"]) < 300


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_is_bounded(announced: bool) -> None:
    headers = [(b"content-length", b"%d" % (MAX_BODY + 1))] if announced else []
    part = b" " * 2**20
    app = App()
    start, answer = send(app, [part] * (1 if announced else 65), headers=headers)
    assert start["status"] == 413
    assert f"{MAX_BODY:,}" in json.loads(answer["body"])["error"]["message"]
    assert not app.bodies
    app = App()
    send(app, [part] * 64)
    assert len(app.bodies[0]) == MAX_BODY


# Answers in the style before tools


OLD = {"messages": [USER], "functions": [{"name": "f"}]}
CALL = {"id": "call_7", "type": "function", "function": {"name": "f", "arguments": '{"a": "é\n\n"}'}}


def answer_to(
    body: Any, answer: Sequence[bytes], kind: bytes = b"application/json"
) -> tuple[dict[bytes, bytes], bytes]:
    start, *rest = send(App(answer, kind), [bytes_of(body)])
    assert [message.get("more_body", False) for message in rest] == [True] * (len(rest) - 1) + [False]
    return dict(start["headers"]), b"".join(message["body"] for message in rest)


def test_a_call_is_answered_as_a_function_call() -> None:
    choices = [
        {
            "index": 0,
            "message": {"role": "assistant", "content": None, "tool_calls": [CALL]},
            "finish_reason": "tool_calls",
        },
        {
            "index": 1,
            "message": {"role": "assistant", "content": "No.", "tool_calls": []},
            "finish_reason": "stop",
        },
    ]
    whole = bytes_of({"id": "x", "choices": choices, "usage": {"total_tokens": 3}})
    headers, body = answer_to(OLD, [whole[:9], whole[9:]])
    assert headers[b"content-length"] == str(len(body)).encode()
    assert json.loads(body) == {
        "id": "x",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": None, "function_call": CALL["function"]},
                "finish_reason": "function_call",
            },
            {"index": 1, "message": {"role": "assistant", "content": "No."}, "finish_reason": "stop"},
        ],
        "usage": {"total_tokens": 3},
    }


def test_an_error_is_answered_as_it_is() -> None:
    body = b'{"error":  {"message": "no"}}'
    assert answer_to(OLD, [body])[1] == body
    assert answer_to(OLD, [b"not JSON"])[1] == b"not JSON"


@given(data=st.data())
def test_a_stream_is_rewritten_event_by_event(data: st.DataObject) -> None:
    def chunk(delta: Any, finish: str | None = None) -> Any:
        return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    pieces = [
        ({"role": "assistant", "content": ""}, {"role": "assistant", "content": ""}),
        ({"tool_calls": [{**CALL, "index": 0}]}, {"function_call": CALL["function"]}),
        (
            {"tool_calls": [{"index": 0, "function": {"arguments": "1"}}]},
            {"function_call": {"arguments": "1"}},
        ),
        ({}, {}),
    ]
    new = [chunk(old) for old, _ in pieces[:-1]] + [chunk({}, "tool_calls"), {"choices": [], "usage": {}}]
    old = [chunk(new) for _, new in pieces[:-1]] + [chunk({}, "function_call"), {"choices": [], "usage": {}}]
    end = b"data: [DONE]\n\n"
    stream = b"".join(b"data: " + bytes_of(event) + b"\n\n" for event in new) + end
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    parts = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    _, body = answer_to(OLD, [*parts, b""], b"text/event-stream; charset=utf-8")
    *events, done, nothing = body.split(b"\n\n")
    assert [json.loads(event.removeprefix(b"data: ")) for event in events] == old
    assert (done + b"\n\n", nothing) == (end, b"")


def test_an_event_leaves_when_it_has_come() -> None:
    event = b'data: {"choices": []}\n\n'
    _, first, *_ = send(App([event, event, b""], b"text/event-stream"), [bytes_of(OLD)])
    assert first["body"] == event
