"""Tool calling through the real server, as a client of the openai package sees it; the same for every adapter."""

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import pytest
from families import of_families
from openai import BadRequestError, InternalServerError
from real_tokenizers import real_tokenizer
from recorded import as_sent, before_stop, load, loads, output, recorded, script, through_vllm, tools_of
from releases import has
from replies import TIME, WEATHER, Reply, ask, faults, tool
from server import DUMMY, Server, ServerFailed
from tiny import FAMILIES, write_tiny_checkpoint

from chat_adapters.adapters import ADAPTERS, Adapter, PythonCall, get, read_template
from chat_adapters.toolkit.writing import write_arguments, write_reply
from chat_adapters.vllm_plugin import MODE

pytestmark = pytest.mark.server

USER = [{"role": "user", "content": "What is the weather in Paris?"}]
PARIS = ("get_weather", '{"city": "Paris", "days": 3}')
NOW = ("get_time", "{}")

Both = tuple[Future[Reply], Future[Reply]]
"""One request's replies, whole and streamed, maybe still on their way."""


def both(server: Server, text: str, **request: Any) -> tuple[Reply, Reply]:
    """The reply that the model writes as `text`, whole and streamed."""
    request = {"messages": USER, "tools": [WEATHER, TIME], **request}
    script = text + get(server.adapter).stop_tokens[0]
    whole, streamed = (ask(server, stream=stream, replay=script, **request) for stream in (False, True))
    return whole, streamed


# What models have written


@pytest.fixture(scope="session")
def replays(server: Server, adapter: Adapter) -> Iterator[dict[Path, Both]]:
    """All of a family's recorded replies, sent at once: in batches they take a fraction of the time."""

    def send(folder: Path, stream: bool) -> Reply:
        request = load(folder, "request")
        return ask(
            server,
            stream=stream,
            replay=script(adapter, output(folder)),
            messages=as_sent(request["messages"]),
            tools=tools_of(folder),
            extra={"chat_template_kwargs": request.get("chat_template_kwargs")},
        )

    with ThreadPoolExecutor(16) as pool:
        yield {
            folder: (pool.submit(send, folder, False), pool.submit(send, folder, True))
            for folder in recorded(adapter).values()
        }
        pool.shutdown(cancel_futures=True)


@of_families(recorded)
def test_auto_reads_what_models_have_written(
    server: Server, adapter: Adapter, replays: dict[Path, Both], value: Path
) -> None:
    whole, streamed = (future.result() for future in replays[value])
    content, calls = through_vllm(adapter, value, server.seen(output(value)))
    if before_stop(output(value), adapter.format.stop_strings) == output(value):
        assert server.text(whole.token_ids) == server.seen(script(adapter, output(value)))
    assert (whole.content, [(name, json.loads(text)) for name, text in whole.calls]) == (content, calls)
    assert whole.finish_reason == ("tool_calls" if calls else "stop")
    assert streamed.token_ids == whole.token_ids
    if all(loads(text) for _, text in streamed.calls):
        assert (streamed.content, streamed.calls) == (whole.content, whole.calls)
    else:  # what was announced cannot be taken back; whole, it is content
        assert tuple(call for call in streamed.calls if loads(call[1])) == whole.calls
    assert streamed.finish_reason == ("tool_calls" if streamed.calls else "stop")
    golden = value / "prompt.txt"
    if golden.is_file():
        assert server.text(whole.prompt_ids) == server.seen(golden.read_bytes().decode())


def test_arguments_stream_as_they_are_written(server: Server, adapter: Adapter) -> None:
    long = ("get_weather", json.dumps({"city": "Paris, " * 60}))
    _, streamed = both(server, write_reply(adapter.format, long))
    assert streamed.calls == (long,)
    # vLLM joins tokens when the machine is busy; how early each leaves, the parser's own tests say.
    assert streamed.pieces > len(streamed.token_ids) / 10


def test_a_cut_call_is_never_closed_for_the_model(server: Server, adapter: Adapter) -> None:
    form = adapter.format.call
    rest = form.begin("get_weather") + write_arguments(form, {"city": "Ro"}).partition("Ro")[0] + "Ro"
    cut = write_reply(adapter.format, PARIS) + adapter.format.separator + rest
    whole, streamed = both(server, cut, max_tokens=len(server.ids(cut)))
    assert server.text(whole.token_ids) == server.seen(cut)
    assert whole.calls == (PARIS,)
    assert whole.content.endswith(rest)
    assert whole.finish_reason == "tool_calls"  # vLLM: as soon as one call is complete
    assert streamed.calls == (PARIS, ("get_weather", '{"city": "Ro'))
    assert streamed.finish_reason == ("length" if has("0.31") else "tool_calls")


def test_several_choices_of_one_request(server: Server, adapter: Adapter) -> None:
    answer = server.client.chat.completions.create(
        model=server.name,
        messages=USER,  # type: ignore[arg-type]
        tools=[WEATHER],  # type: ignore[list-item]
        n=3,
        extra_body=server.replay(write_reply(adapter.format, PARIS) + adapter.stop_tokens[0]),
    )
    for choice in answer.choices:
        assert choice.message.tool_calls is not None
        (one,) = choice.message.tool_calls
        assert one.type == "function"
        assert (one.function.name, one.function.arguments) == PARIS


def test_replies_of_one_batch_do_not_mix(server: Server, adapter: Adapter) -> None:
    """Of the replay itself too: everything else here rests on it."""
    calls = [("get_weather", json.dumps({"city": f"City {i}" * (i % 5 + 1)})) for i in range(24)]
    scripts = [write_reply(adapter.format, call) + adapter.stop_tokens[0] for call in calls]

    def send(number: int) -> Reply:
        return ask(server, stream=number % 2 == 0, replay=scripts[number], messages=USER, tools=[WEATHER])

    with ThreadPoolExecutor(12) as pool:
        for call, script, reply in zip(calls, scripts, pool.map(send, range(24)), strict=True):
            assert server.text(reply.token_ids) == server.seen(script)
            assert reply.calls == (call,)


@of_families(lambda adapter: {adapter.format.tag: adapter.format.tag} if adapter.format.tag else {})
def test_a_tag_that_is_a_special_token_is_seen(server: Server, adapter: Adapter, value: str) -> None:
    (tag,) = server.ids(value)
    for reply in both(server, value + write_reply(adapter.format, PARIS), tool_choice="auto"):
        assert reply.token_ids[0] == tag
        assert (reply.content, reply.calls, reply.finish_reason) == ("", (PARIS,), "tool_calls")


# Where a reply ends


@of_families(lambda adapter: {token: token for token in adapter.stop_tokens})
def test_a_stop_token_ends_the_reply(server: Server, value: str) -> None:
    for reply in both(server, f"It is sunny.{value}I go on"):
        assert server.text(reply.token_ids) == server.seen(f"It is sunny.{value}")
        assert (reply.content, reply.calls, reply.finish_reason) == ("It is sunny.", (), "stop")


@of_families(lambda adapter: {stop.strip(): stop.strip() for stop in adapter.format.stop_strings})
def test_a_stop_string_ends_the_reply(server: Server, adapter: Adapter, value: str) -> None:
    """A model that should wait for a result may invent one."""
    replied = write_reply(adapter.format, PARIS) + f"\n{value}: invented. And more, on and on."
    for reply in both(server, replied):
        assert "on and on" not in server.text(reply.token_ids)
        assert (reply.content, reply.calls, reply.finish_reason) == ("", (PARIS,), "tool_calls")


@pytest.mark.parametrize("choice", ["required", "named"])
@of_families(lambda adapter: {stop.strip(): stop.strip() for stop in adapter.format.stop_strings})
def test_a_stop_string_in_the_arguments_of_a_required_call_is_text(
    server: Server, adapter: Adapter, value: str, choice: str
) -> None:
    call = ("get_weather", json.dumps({"city": f"a {value}"}, ensure_ascii=False))
    named = {"type": "function", "function": {"name": "get_weather"}}
    tool_choice = named if choice == "named" else choice
    for reply in both(server, write_reply(adapter.format, call), tool_choice=tool_choice):
        assert (reply.content, reply.calls) == ("", (call,))
        assert reply.finish_reason == ("stop" if choice == "named" else "tool_calls")


# A conversation


def test_a_result_goes_back_to_the_model(server: Server, adapter: Adapter) -> None:
    wrote = write_reply(adapter.format, PARIS, text="Let me check.")
    whole, _ = both(server, wrote)
    calls = [{"name": name, "arguments": arguments} for name, arguments in whole.calls]
    called = {"role": "assistant", "content": whole.content, "tool_calls": calls}
    conversation = as_sent([*USER, called, {"role": "tool", "content": "22"}])
    answer = write_reply(adapter.format, text="22 degrees.", after_result=True)
    for reply in both(server, answer, messages=conversation):
        assert (reply.content, reply.calls, reply.finish_reason) == ("22 degrees.", (), "stop")
        prompt = server.text(reply.prompt_ids)
        # What stands in the server's cache is used again: the next prompt begins with this one and its reply.
        assert prompt.startswith(server.seen(rendered(adapter, USER) + wrote))
        assert prompt == server.seen(rendered(adapter, conversation))


def rendered(adapter: Adapter, messages: list[dict[str, Any]]) -> str:
    """The prompt as transformers renders it."""
    from transformers.utils.chat_template_utils import render_jinja_template

    template = read_template(adapter)
    # To the template, arguments are an object: so vLLM gives them.
    as_object: Any = json.loads(json.dumps(messages))
    for message in as_object:
        for call in message.get("tool_calls", ()):
            call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    prompts: Any = render_jinja_template(
        [as_object], tools=[WEATHER, TIME], chat_template=template, add_generation_prompt=True
    )
    prompt = prompts[0][0]
    assert isinstance(prompt, str)
    return prompt


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

    def either() -> dict[str, Any]:
        return {"anyOf": [random_schema(random, depth + 1), {"type": "null"}]}

    kinds: list[Callable[[], dict[str, Any]]] = [string, integer, boolean, enum]
    return random.choice(kinds if depth > 2 else [*kinds, array, nested, either])()


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


SEEDS = range(100)
CHOICES = ("required", "one", "named")


@pytest.fixture(scope="session")
def generated(server: Server) -> Iterator[dict[tuple[int, str], Both]]:
    """What random weights write under the grammar, for each set of tools and each choice; sent at once."""

    def send(seed: int, choice: str, stream: bool) -> Reply:
        tools = random_tools(Random(seed))
        named = {"type": "function", "function": {"name": tools[-1]["function"]["name"]}}
        return ask(
            server,
            stream=stream,
            messages=USER,
            tools=tools,
            tool_choice=named if choice == "named" else "required",
            parallel_tool_calls=choice != "one",
            max_tokens=1500,
            seed=seed,
        )

    with ThreadPoolExecutor(16) as pool:
        yield {
            (seed, choice): (pool.submit(send, seed, choice, False), pool.submit(send, seed, choice, True))
            for seed in SEEDS
            for choice in CHOICES
        }
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("seed", SEEDS)
def test_random_weights_write_valid_calls(
    server: Server, adapter: Adapter, generated: dict[tuple[int, str], Both], seed: int, choice: str
) -> None:
    tools = random_tools(Random(seed))
    schemas = {entry["function"]["name"]: entry["function"]["parameters"] for entry in tools}
    for future in generated[seed, choice]:
        reply = future.result()
        for name, arguments in reply.calls:
            assert not list(faults(arguments, schemas[name]))
        # The model wrote the trained form and stopped: nothing was dropped, nothing repaired.
        text = server.text(reply.token_ids).removeprefix(adapter.format.tag)
        if not isinstance(adapter.format.call, PythonCall):  # which spells a value in many ways
            assert text in {
                write_reply(adapter.format, *reply.calls) + token for token in adapter.stop_tokens
            }
        assert reply.content == ""
        assert len(reply.calls) >= 1 if choice == "required" else len(reply.calls) == 1
        if choice == "named":
            assert reply.calls[0][0] == tools[-1]["function"]["name"]
        # vLLM's finish reason for a named function is stop
        assert reply.finish_reason == ("stop" if choice == "named" else "tool_calls")


@pytest.mark.parametrize("calls", [(PARIS,), (PARIS, NOW)], ids=["one call", "two calls"])
def test_required_admits_the_trained_form(server: Server, adapter: Adapter, calls: Any) -> None:
    text = write_reply(adapter.format, *calls)
    for reply in both(server, text, tool_choice="required"):
        assert server.text(reply.token_ids) == server.seen(text + adapter.stop_tokens[0])
        assert (reply.calls, reply.finish_reason) == (calls, "tool_calls")


def test_a_replay_that_the_grammar_refuses_fails(server: Server) -> None:
    """So what passes under `required` or a named function was admitted."""
    with pytest.raises(InternalServerError):
        both(server, "Sure. ", tool_choice="required")
    assert "grammar rejected tokens" in server.log_text()


def test_a_reply_in_a_given_format_is_content(server: Server) -> None:
    """Also one that looks like a call: the caller asked for this JSON, and the server's grammar for no call."""
    answer = {"name": "get_weather", "parameters": {"city": "Paris"}}
    given = {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"const": answer}}}
    for stream in (False, True):
        reply = ask(server, stream=stream, messages=USER, tools=[WEATHER], response_format=given)
        assert (json.loads(reply.content), reply.calls) == (answer, ())
        assert reply.finish_reason == "stop"


def test_an_open_call_is_gone_on_with(server: Server, adapter: Adapter) -> None:
    call = write_reply(adapter.format, PARIS)
    begun, quote, rest = call.partition('"Paris')  # a tokenizer may put a blank before it
    rest = quote + rest
    messages = [*USER, {"role": "assistant", "content": begun}]
    extra = {"continue_final_message": True, "add_generation_prompt": False}
    for reply in both(server, rest, messages=messages, extra=extra):
        assert reply.content == ""
        assert [(name, json.loads(text)) for name, text in reply.calls] == [(PARIS[0], json.loads(PARIS[1]))]


def test_only_allowed_tools_are_called(server: Server) -> None:
    tools: Any = [{"type": "function", **one["function"]} for one in (WEATHER, TIME)]
    allowed: Any = {
        "type": "allowed_tools",
        "mode": "required",
        "tools": [{"type": "function", "name": "get_time"}],
    }
    response = server.client.responses.create(
        model=server.name,
        input="What time is it?",
        tools=tools,
        tool_choice=allowed,
        parallel_tool_calls=False,
        max_output_tokens=200,
    )
    assert [item.name for item in response.output if item.type == "function_call"] == ["get_time"]


# What is no tool calling


@pytest.mark.parametrize("request_", [{"tool_choice": "none"}, {"tools": None}], ids=["none", "no tools"])
def test_text_passes_verbatim(server: Server, adapter: Adapter, request_: dict[str, Any]) -> None:
    call = write_reply(adapter.format, PARIS)
    text = (
        f"  Let me <b>check</b>.\n{call} {adapter.format.call.close}{''.join(adapter.format.stop_strings)}\n"
    )
    # Without calls to look for, vLLM leaves special tokens out of the text.
    seen = re.sub("|".join(map(re.escape, adapter.tokens)), "", server.seen(text))
    for reply in both(server, text, **request_):
        assert reply.content in (
            seen,
            " " + seen,
        )  # SentencePiece's blank: only a whole text is decoded without
        assert (reply.calls, reply.finish_reason) == ((), "stop")


# What goes wrong


def odd(adapter: Adapter) -> dict[str, str]:
    """Replies that no model should write, by number."""
    format, begin, end = adapter.format, adapter.format.call.begin("get_weather"), adapter.format.call.end
    bad_arguments = [
        "null",
        '"{}"',
        "[1, 2]",
        '{"city": NaN, "days": Infinity}',
        '{"city": bad}',
        '{"city": "a\nb"}',
        '{"city": "' + "\\" * 1001,
        "{" * 5000,
    ]
    texts = [
        *(begin + arguments + end for arguments in bad_arguments),
        *(form.open + "{}{}" + form.close for form in format.forms),
        *(form.open * 2 + "[]" + form.close * 2 for form in format.forms),
        *(form.open + "get_weather(city='Paris')" + form.close for form in format.forms),
        *(form.open + "{" * 5000 for form in format.forms),
        write_reply(format, ("no_such_tool", '{"x": 1}')),
        begin.replace("get_weather", "") + "{}" + end,
        begin[:-1] + end,
        begin + '{"city": "Par',
        begin.partition("_")[0],
        end,
        *(prelude * 2 for prelude in format.preludes),
        *format.stop_strings,
        "\x00\x1b[31m \ud7ff￿",
        "",
    ]
    return {str(number): text for number, text in enumerate(texts)}


@of_families(odd)
def test_nothing_the_model_writes_is_an_error(server: Server, value: str) -> None:
    whole, streamed = both(server, value)
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
    model = write_tiny_checkpoint(tmp_path / "tiny", FAMILIES["qwen2_5"])
    with (
        pytest.raises(ServerFailed, match=r"invalid tool call parser: qwen_2_5 .*qwen2_5"),
        Server(model, "qwen_2_5", workdir=tmp_path),
    ):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("name", ADAPTERS)
def test_real_vocabularies(vllm_installed: None, shared_dir: Path, tmp_path: Path, name: str) -> None:
    """With several API processes, and the tokenizer mode."""
    folder = real_tokenizer(name, shared_dir, tmp_path / "tokenizer")
    model = write_tiny_checkpoint(tmp_path / "tiny", FAMILIES[name], folder)
    arguments = (*DUMMY, "--tokenizer-mode", MODE, "--api-server-count", "2")
    with Server(model, name, *arguments, workdir=tmp_path, command="vllm") as server:
        adapter = get(name)
        for reply in both(server, write_reply(adapter.format, PARIS, text="Let me check.")):
            assert (reply.content, reply.calls) == ("Let me check.", (PARIS,))
        for reply in both(server, write_reply(adapter.format, PARIS), tool_choice="required"):
            assert (reply.content, reply.calls) == ("", (PARIS,))
        named = {"type": "function", "function": {"name": "get_weather"}}
        for choice in ("required", named):
            for stream in (False, True):
                reply = ask(
                    server,
                    stream=stream,
                    messages=USER,
                    tools=[WEATHER],
                    tool_choice=choice,
                    parallel_tool_calls=False,
                    max_tokens=500,
                    seed=1,
                )
                ((called, text),) = reply.calls
                assert called == "get_weather"
                assert not list(faults(text, WEATHER["function"]["parameters"]))


@pytest.mark.slow
def test_vllm_serve_finds_the_plugin(vllm_installed: None, tmp_path: Path) -> None:
    """The command that users type; the session's server is the same code behind another entrance."""
    name = "qwen2_5"
    model = write_tiny_checkpoint(tmp_path / "tiny", FAMILIES[name])
    with Server(model, name, *DUMMY, workdir=tmp_path, command="vllm") as server:
        for reply in both(server, write_reply(get(name).format, PARIS)):
            assert reply.calls == (PARIS,)
