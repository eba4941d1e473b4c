"""Tool calling through the real server, as a client of the openai package sees it."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openai import BadRequestError, InternalServerError, OpenAI
from replies import Reply, ask, tool
from server import DUMMY, Server, ServerFailed
from tiny import QWEN2_5, write_tiny_checkpoint

pytestmark = pytest.mark.server

END = "<|im_end|>"
WEATHER = tool(
    "get_weather",
    {
        "type": "object",
        "properties": {
            "city": {"type": "string", "maxLength": 12},
            "days": {"type": "integer", "minimum": 1, "maximum": 14},
        },
        "required": ["city"],
    },
)
TIME = tool("get_time", {"type": "object", "properties": {"zone": {"enum": ["UTC", "CET"]}}})
USER = [{"role": "user", "content": "What is the weather in Paris?"}]
PARIS = '{"city": "Paris", "days": 3}'


def call(name: str, arguments: str) -> str:
    return f'<tool_call>\n{{"name": "{name}", "arguments": {arguments}}}\n</tool_call>'


def both(server: Server, text: str, **request: Any) -> tuple[Reply, Reply]:
    """The reply that the model writes as `text`, whole and streamed."""
    request = {"messages": USER, "tools": [WEATHER, TIME], **request}
    whole, streamed = (ask(server, stream=stream, replay=text + END, **request) for stream in (False, True))
    return whole, streamed


REPLAYED = {
    "one call": (call("get_weather", PARIS), "", [("get_weather", PARIS)]),
    "two calls": (
        call("get_weather", PARIS) + "\n" + call("get_time", "{}"),
        "",
        [("get_weather", PARIS), ("get_time", "{}")],
    ),
    "text and call": (
        f"Let me check.\n{call('get_weather', PARIS)}",
        "Let me check.",
        [("get_weather", PARIS)],
    ),
    "text": ("It is sunny.\n\n  21°C, 晴 ☀️.", "It is sunny.\n\n  21°C, 晴 ☀️.", []),
    "JSON that is no call": ('{"name": "Alice", "age": 3}', '{"name": "Alice", "age": 3}', []),
    "unicode": (
        call("get_weather", '{"city": "海淀区 😀 \\u6d77 \\"ß\\""}'),
        "",
        [("get_weather", '{"city": "海淀区 😀 \\u6d77 \\"ß\\""}')],
    ),
    "a marker inside a string": (
        call("get_weather", '{"city": "</tool_call>"}'),
        "",
        [("get_weather", '{"city": "</tool_call>"}')],
    ),
}


@pytest.mark.parametrize(("text", "content", "calls"), REPLAYED.values(), ids=REPLAYED)
def test_auto_reads_what_the_model_wrote(
    server: Server, text: str, content: str, calls: list[tuple[str, str]]
) -> None:
    whole, streamed = both(server, text)
    for reply in (whole, streamed):
        assert server.text(reply.token_ids) == text + END
        assert (reply.content, list(reply.calls)) == (content, calls)
        assert reply.finish_reason == ("tool_calls" if calls else "stop")


def test_arguments_stream_as_they_are_written(server: Server) -> None:
    long = json.dumps({"city": "Paris, " * 60})
    _, streamed = both(server, call("get_weather", long))
    assert streamed.calls == (("get_weather", long),)
    assert streamed.pieces > len(streamed.token_ids) / 2


def test_a_cut_call_is_never_closed_for_the_model(server: Server) -> None:
    text = call("get_weather", PARIS) + "\n" + call("get_weather", '{"city": "Rome"}')
    ids = server.ids(text)[:-3]
    cut = server.text(ids)
    assert cut.endswith('{"city": "Rome')
    whole, streamed = both(server, text, max_tokens=len(ids))
    assert server.text(whole.token_ids) == cut
    assert whole.calls == (("get_weather", PARIS),)
    assert whole.content == cut.removeprefix(call("get_weather", PARIS) + "\n")
    assert whole.finish_reason == "tool_calls"  # vLLM: as soon as one call is complete
    assert streamed.calls == (("get_weather", PARIS), ("get_weather", '{"city": "Rome'))
    assert streamed.finish_reason == "length"


def test_several_choices_of_one_request(server: Server, client: OpenAI) -> None:
    text = call("get_weather", PARIS)
    answer = client.chat.completions.create(
        model=server.name,
        messages=USER,  # type: ignore[arg-type]
        tools=[WEATHER],  # type: ignore[list-item]
        n=3,
        extra_body=server.replay(text + END),
    )
    for choice in answer.choices:
        assert choice.message.tool_calls is not None
        (one,) = choice.message.tool_calls
        assert one.type == "function"
        assert one.function.arguments == PARIS


# Requests in a batch


def test_replies_of_one_batch_do_not_mix(server: Server) -> None:
    """Of the replay itself too: everything else here rests on it."""
    texts = [call("get_weather", json.dumps({"city": f"City {i}" * (i % 5 + 1)})) for i in range(24)]

    def send(number: int) -> Reply:
        stream = number % 2 == 0
        return ask(server, stream=stream, replay=texts[number] + END, messages=USER, tools=[WEATHER])

    with ThreadPoolExecutor(12) as pool:
        for text, reply in zip(texts, pool.map(send, range(24)), strict=True):
            assert server.text(reply.token_ids) == text + END
            assert call(*reply.calls[0]) == text


# The grammar, with random weights


def random_schema(random: Random, depth: int = 0) -> dict[str, Any]:
    """A schema whose values have an end: a random model never thinks of closing a string by itself."""

    def string() -> dict[str, Any]:
        return {"type": "string", "maxLength": random.randint(1, 12)}

    def integer() -> dict[str, Any]:
        low = random.randint(-1000, 1000)
        return {"type": "integer", "minimum": low, "maximum": low + random.randint(0, 5000)}

    def boolean() -> dict[str, Any]:
        return {"type": "boolean"}

    def enum() -> dict[str, Any]:
        values = ["red", "海淀区", 'with "quotes"', "back\\slash", 7, 2.5, None, True, "", " padded "]
        return {"enum": random.sample(values, random.randint(1, 4))}

    def array() -> dict[str, Any]:
        least = random.randint(0, 2)
        items = random_schema(random, depth + 1)
        return {"type": "array", "items": items, "minItems": least, "maxItems": least + random.randint(0, 2)}

    def nested() -> dict[str, Any]:
        return random_object(random, depth + 1)

    kinds: list[Callable[[], dict[str, Any]]] = [string, integer, boolean, enum]
    return random.choice(kinds if depth > 2 else [*kinds, array, nested])()


def random_object(random: Random, depth: int = 0) -> dict[str, Any]:
    names = random.sample(
        ["city", "days", "unit", "海", "a b", "x-1", "_", "tags", "where"], random.randint(0, 4)
    )
    return {
        "type": "object",
        "properties": {name: random_schema(random, depth) for name in names},
        "required": random.sample(names, random.randint(0, len(names))),
    }


def random_tools(random: Random) -> list[dict[str, Any]]:
    names = random.sample(
        ["get_weather", "a", "amap.weather", "Tool_2", "x-ray", "get", "get_w"], random.randint(1, 4)
    )
    return [tool(name, random_object(random)) for name in names]


def valid_calls(reply: Reply, tools: list[dict[str, Any]]) -> int:
    """How many calls a reply has, each of them known to be valid."""
    schemas = {entry["function"]["name"]: entry["function"]["parameters"] for entry in tools}
    for name, arguments in reply.calls:
        Draft202012Validator(schemas[name]).validate(json.loads(arguments))
    return len(reply.calls)


@pytest.mark.parametrize("seed", range(50))
def test_random_weights_write_valid_calls(server: Server, seed: int) -> None:
    random = Random(seed)
    tools = random_tools(random)
    name = random.choice(tools)["function"]["name"]
    named = {"type": "function", "function": {"name": name}}

    def send(stream: bool, choice: dict[str, Any]) -> Reply:
        return ask(server, stream=stream, messages=USER, tools=tools, max_tokens=1500, seed=seed, **choice)

    with ThreadPoolExecutor() as pool:
        required, one, forced = (
            [pool.submit(send, stream, choice) for stream in (False, True)]
            for choice in (
                {"tool_choice": "required"},
                {"tool_choice": "required", "parallel_tool_calls": False},
                {"tool_choice": named},
            )
        )
    for future in required:
        reply = future.result()
        assert reply.finish_reason == "tool_calls"
        assert valid_calls(reply, tools) >= 1
        assert reply.content == ""
    for future in one:
        reply = future.result()
        assert reply.finish_reason == "tool_calls"
        assert valid_calls(reply, tools) == 1
        assert (
            server.text(reply.token_ids).count("<tool_call>") == 1
        )  # the model stopped; nothing was dropped
        assert reply.content == ""
    for future in forced:
        reply = future.result()
        assert reply.finish_reason == "stop"  # vLLM's for a named function
        assert valid_calls(reply, tools) == 1
        assert reply.calls[0][0] == name
        assert reply.content == ""


@pytest.mark.parametrize("text", [REPLAYED["one call"][0], REPLAYED["two calls"][0]])
def test_required_admits_the_trained_form(server: Server, text: str) -> None:
    for reply in both(server, text, tool_choice="required"):
        assert server.text(reply.token_ids) == text + END
        assert reply.finish_reason == "tool_calls"


def test_a_replay_that_the_grammar_refuses_fails(server: Server) -> None:
    """So what passes under `required` or a named function was admitted."""
    with pytest.raises(InternalServerError):
        ask(server, replay=f"Sure. {END}", messages=USER, tools=[WEATHER], tool_choice="required")
    assert "grammar rejected tokens" in server.log_text()


# What is no tool calling


@pytest.mark.parametrize("request_", [{"tool_choice": "none"}, {"tools": None}], ids=["none", "no tools"])
def test_text_passes_verbatim(server: Server, request_: dict[str, Any]) -> None:
    text = f"  Let me <b>check</b>.\n{call('get_weather', PARIS)} </tool_call>\n"
    for reply in both(server, text, **request_):
        assert (reply.content, reply.calls, reply.finish_reason) == (text, (), "stop")


# What goes wrong


ODD = [
    call("get_weather", "null"),
    call("get_weather", '"{}"'),
    call("get_weather", "[1, 2]"),
    call("get_weather", '{"city": NaN, "days": Infinity}'),
    call("get_weather", '{"city": bad}'),
    call("get_weather", '{"city": "a\nb"}'),
    call("no_such_tool", '{"x": 1}'),
    call("", "{}"),
    '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Par',
    '<tool_call>\n{"name": "get_weather"',
    "<tool_call>",
    "</tool_call>",
    "<tool_call>\n<tool_call>\n{}{}\n</tool_call></tool_call>",
    "<tool_call>\nget_weather(city='Paris')\n</tool_call>",
    "<tool_call>\n[]\n</tool_call>",
    "{" * 5000,
    "<tool_call>" + "{" * 5000,
    call("get_weather", '{"city": "' + "\\" * 1001),
    "\x00\x1b[31m \ud7ff￿",
    "",
]


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_nothing_the_model_writes_is_an_error(server: Server, text: str) -> None:
    whole, streamed = both(server, text)
    for _, arguments in whole.calls:
        assert isinstance(json.loads(arguments), dict)
    assert streamed.calls[: len(whole.calls)] == whole.calls
    if streamed.calls == whole.calls:
        assert (streamed.content, streamed.finish_reason) == (whole.content, whole.finish_reason)


BAD_REQUESTS = {
    "schema": (
        {"tools": [tool("get_weather", {"type": "object", "properties": {"city": {"type": "strnig"}}})]},
        ["get_weather", "city", "strnig"],
    ),
    "role": ({"messages": [{"role": "wizard", "content": "Abracadabra"}]}, ["wizard"]),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("request_", "words"), BAD_REQUESTS.values(), ids=BAD_REQUESTS)
def test_a_bad_request_is_told_what_is_wrong(
    server: Server, request_: dict[str, Any], words: list[str], stream: bool
) -> None:
    request = {"messages": USER, "tools": [WEATHER], "tool_choice": "required", "max_tokens": 100, **request_}
    with pytest.raises(BadRequestError) as error:
        ask(server, stream=stream, **request)
    for word in words:
        assert word in str(error.value)


def test_a_wrong_parser_name_lists_ours(vllm_installed: None, tmp_path: Path) -> None:
    model = write_tiny_checkpoint(tmp_path / "tiny", QWEN2_5)
    with (
        pytest.raises(ServerFailed, match=r"invalid tool call parser: qwen_2_5 .*qwen2_5"),
        Server(model, "qwen_2_5", workdir=tmp_path),
    ):
        pass


@pytest.mark.slow
def test_vllm_serve_finds_the_plugin(vllm_installed: None, tmp_path: Path) -> None:
    """The command that users type; the session's server is the same code behind another entrance."""
    model = write_tiny_checkpoint(tmp_path / "tiny", QWEN2_5)
    with Server(model, "qwen2_5", *DUMMY, workdir=tmp_path, command="vllm") as server:
        for reply in both(server, call("get_weather", PARIS)):
            assert reply.calls == (("get_weather", PARIS),)
