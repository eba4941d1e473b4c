"""What whoever runs a server sees of replies: the counters on /metrics, and the log."""

import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from counters import counted, counters
from replies import ask, tool
from server import DUMMY, Server
from tiny import FAMILIES, write_tiny_checkpoint

from chat_adapters.adapters import COERCIONS, MISSES, REPAIRS, Adapter, Format, Parser, PythonCall, get
from chat_adapters.toolkit.writing import write_reply
from chat_adapters.vllm_plugin.settings import PREFIX

NAMES = ("get_weather", "interpreter")
USER = [{"role": "user", "content": "What is the weather in Paris?"}]
PARIS = ("get_weather", '{"city": "Paris", "days": 3}')


def send(server: Server, replies: Iterable[str], *names: str) -> None:
    """Have each replayed, whole and streamed."""
    stop = get(server.adapter).stop_tokens[0]

    def one(text: str, stream: bool) -> None:
        ask(server, stream=stream, replay=text + stop, messages=USER, tools=[tool(name) for name in names])

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(one, text, stream) for text in replies for stream in (False, True)]:
            done.result()


def odd(format: Format) -> list[str]:
    """Replies of every kind that is counted."""
    call = format.call
    begin, end = call.begin("get_weather"), call.end
    return [
        "It is sunny.",
        write_reply(format, PARIS, PARIS, text="Let me check."),
        write_reply(format, ("no_such_tool", '{"x": 1}')),
        begin + ("{'city': 'Paris', }" if not isinstance(call, PythonCall) else "city=(((") + end,
        begin + ('{"city": oops}' if not isinstance(call, PythonCall) else "city=oops") + end,
        begin + ('{"city": "Par' if not isinstance(call, PythonCall) else "city='Par"),
        *(form.open + "print(1)" + form.close for form in format.forms if form.marked),
        *(form.open for form in format.forms if form.marked),
    ]


@pytest.mark.server
def test_replies_are_counted(server: Server, adapter: Adapter) -> None:
    replies = [server.seen(text) for text in odd(adapter.format)]
    before = counters(server)
    send(server, replies, "get_weather")
    expected = counted(adapter, replies, "get_weather")
    assert {name for name, *_ in expected} >= {"calls", "unparsed_markers"}
    assert counters(server) - before == Counter({key: 2 * times for key, times in expected.items()})


def test_the_docs_list_what_is_counted() -> None:
    pytest.importorskip("prometheus_client", reason="vLLM is not installed")
    from chat_adapters.vllm_plugin._watch import COUNTERS

    text = (Path(__file__).resolve().parent.parent / "docs" / "settings.md").read_text("utf-8")
    rows = []
    for counter in COUNTERS:
        (metric,) = counter.collect()
        labels = ", ".join(f"`{label}`" for label in counter._labelnames)
        rows.append(f"| `{metric.name}_total` | {labels} | {metric.documentation} |\n")
    assert f"| --- | --- | --- |\n{''.join(rows)}\n" in text
    reasons = "".join(f"| `{why}` | {words} |\n" for why, words in MISSES.items())
    assert f"| --- | --- |\n{reasons}\n" in text


# With settings, and several API servers

CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>'
UNKNOWN = CALL.replace("get_weather", "no_such_tool")
SPELL = "<tool_call>\x1b[31m\x07\u202e\r\n"


@pytest.fixture(scope="module")
def set_server(vllm_installed: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two API servers beside each other, and everything set to something."""
    workdir = tmp_path_factory.mktemp("set")
    model = write_tiny_checkpoint(workdir / "tiny", FAMILIES["qwen2_5"])
    arguments = (*DUMMY, "--api-server-count", "2")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SET.items():
            patch.setenv(name, value)
        with Server(model, "qwen2_5", *arguments, workdir=workdir, command="vllm") as server:
            yield server


SET = {
    f"{PREFIX}UNKNOWN_TOOLS": "content",
    f"{PREFIX}REPAIRS": "single_quotes",
    f"{PREFIX}COERCIONS": "boolean,integer",
    f"{PREFIX}MAX_BODY": "100000",
    f"{PREFIX}LOGGED_TEXT": "19",
}


def post(server: Server, text: str) -> Any:
    """By a connection of its own, so that either API server may take it."""
    body = {
        "model": server.name,
        "messages": USER,
        "tools": [tool("get_weather")],
        **server.replay(text + "<|im_end|>"),
    }
    (choice,) = server.post("/v1/chat/completions", body)["choices"]
    return choice["message"]


def test_what_is_set_is_logged_once(set_server: Server) -> None:
    said = ", ".join(f"{name}={value}" for name, value in SET.items())
    assert set_server.log_text().count(f"settings that differ from the defaults: {said}\n") == 1
    assert set_server.log_text().count("settings that differ") == 1


def test_several_api_servers_count_together_and_log_each(set_server: Server) -> None:
    name, before = "qwen2_5", counters(set_server)
    zeros: set[tuple[str, ...]] = {("calls", name), ("unknown_tools", name)}
    zeros |= {("coercions", name, kind) for kind in COERCIONS}
    zeros |= {("repairs", name, kind) for kind in REPAIRS} | {
        ("unparsed_markers", name, why) for why in MISSES
    }
    assert before.keys() == zeros
    for _ in range(24):
        assert post(set_server, CALL)["tool_calls"]
        assert post(set_server, SPELL)["content"] == SPELL
    assert counters(set_server) - before == {("calls", name): 24, ("unparsed_markers", name, "malformed"): 24}
    log = set_server.log_text()
    shown = (
        r"a marker gave no call: what follows is no call (malformed): '<tool_call>\x1b[31m\x07\u202e\r'..."
    )
    lines = [line for line in log.splitlines() if line.endswith(shown)]
    assert sorted(re.findall(r"ApiServer_(\d)", "\n".join(lines))) == ["0", "1"]  # one line a minute of each
    assert not {*"\x07\u202e"} & {*log}


def test_the_settings_hold(set_server: Server) -> None:
    before = counters(set_server)
    assert post(set_server, UNKNOWN)["content"] == UNKNOWN
    quoted, constant = CALL.replace('"Paris"', "'Paris'"), CALL.replace('"Paris"', "True")
    assert post(set_server, quoted)["tool_calls"]
    assert post(set_server, constant)["content"] == constant
    assert counters(set_server) - before == {
        ("unknown_tools", "qwen2_5"): 1,
        ("unparsed_markers", "qwen2_5", "unknown_tool"): 1,
        ("unparsed_markers", "qwen2_5", "bad_arguments"): 1,
        ("repairs", "qwen2_5", "single_quotes"): 1,
        ("calls", "qwen2_5"): 1,
    }
    with pytest.raises(HTTPError, match="413"):
        post(set_server, "x" * 100_000)


def test_a_text_becomes_what_the_schema_asks_for(set_server: Server) -> None:
    before = counters(set_server)
    days = {"type": "object", "properties": {"days": {"type": "integer"}, "high": {"type": "number"}}}
    written = '{"days": "3", "high": "4"}'
    reply = CALL.replace('{"city": "Paris"}', written)
    for stream in (False, True):
        answer = ask(
            set_server,
            stream=stream,
            replay=reply + "<|im_end|>",
            messages=USER,
            tools=[tool("get_weather", days)],
        )
        assert [arguments for _, arguments in answer.calls] == ['{"days": 3, "high": "4"}']
    assert counters(set_server) - before == {
        ("coercions", "qwen2_5", "integer"): 2,
        ("calls", "qwen2_5"): 2,
    }


def test_a_reply_with_a_call_is_not_told_about(set_server: Server) -> None:
    assert post(set_server, f"<tool_call>[1]</tool_call>{CALL}")["tool_calls"]
    assert "'<tool_call>[1]" not in set_server.log_text()


# The log by itself


def test_the_log_says_how_many_it_left_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("prometheus_client", reason="vLLM is not installed")
    from chat_adapters.vllm_plugin import _watch

    logger = logging.getLogger("vllm.chat_adapters")
    monkeypatch.setattr(logger, "propagate", False)
    logger.addHandler(caplog.handler)
    watch = _watch.Watch(get("qwen2_5"))
    parsers = {}
    for text in ("<tool_call> no", '<tool_call>{"na'):
        parsers[text] = Parser(get("qwen2_5").format, [])
        parsers[text].feed(text)
        parsers[text].close()
    malformed, cut = parsers.values()
    now = 1000.0
    monkeypatch.setattr(_watch, "monotonic", lambda: now)
    try:
        for second, parser in (
            (0, malformed),
            (0.1, malformed),
            (59.9, malformed),
            (59.9, cut),
            (60, malformed),
        ):
            now = 1000.0 + second
            watch.over(parser)
    finally:
        logger.removeHandler(caplog.handler)
    first = "qwen2_5: a marker gave no call: what follows is no call (malformed): '<tool_call> no'"
    assert caplog.messages == [
        first,
        "qwen2_5: a marker gave no call: the reply ended before the call (cut): '<tool_call>{\"na'",
        f"{first}; 2 more since this was last logged",
    ]
