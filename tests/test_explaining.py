"""Why something is no call, in words. `write` makes the golden words anew: whoever runs it reads them."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded_replies import adapters_of, rows

from chat_adapters.adapters import ADAPTERS, REPAIRS, Tool, get
from chat_adapters.toolkit.lookalikes import MAX_FOUND
from chat_adapters.toolkit.strategies import noise, written_calls
from chat_adapters.toolkit.tracing import Reason, Trace, trace

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "explanations"
CASES = sorted(path.parent for path in (ROOT / "fixtures").glob("*/*/output.txt"))
TOOLS = [Tool("get_weather"), Tool("get_time")]


def said(reasons: tuple[Reason, ...]) -> list[str]:
    return [" -> ".join((reason.words, *reason.remedies)) for reason in reasons]


def of_fixture(case: Path) -> Trace:
    request = json.loads((case / "request.json").read_text("utf-8"))
    text = (case / "output.txt").read_bytes().decode()
    return trace(get(case.parent.name), text, request.get("tools") or [])


def of_row(row: dict[str, Any]) -> Trace:
    return trace(get(adapters_of(row["model"].lower())[-1]), row["raw"], row["tools"] or [])


def recorded(shared: Path) -> dict[str, Trace]:
    return {row["id"]: of_row(row) for row in rows(shared / "corpus" / "raw_outputs.jsonl")}


def fixtures() -> dict[str, Trace]:
    return {f"{case.parent.name}/{case.name}": of_fixture(case) for case in CASES}


def words_of(traces: dict[str, Trace]) -> dict[str, list[str]]:
    return {key: said(found.why) for key, found in traces.items() if found.why}


def check_explained(traces: dict[str, Trace]) -> None:
    """What is read as no call has reasons, and each is more than that it is none."""
    for key, found in traces.items():
        assert found.why or found.message.get("tool_calls"), key
        assert "unexplained" not in {reason.kind for reason in found.why}, key


def golden(name: str) -> dict[str, list[str]]:
    words: dict[str, list[str]] = json.loads((GOLDEN / name).read_text("utf-8"))
    return words


def test_the_fixtures_are_explained_in_golden_words() -> None:
    traces = fixtures()
    assert words_of(traces) == golden("fixtures.json")
    check_explained(traces)


def test_every_recorded_reply_that_is_no_call_is_explained(shared_dir: Path) -> None:
    traces = recorded(shared_dir)
    assert words_of(traces) == golden("recorded.json")
    check_explained(traces)


@pytest.mark.parametrize("name", ADAPTERS)
@given(data=st.data())
def test_no_reply_is_left_without_words(name: str, data: st.DataObject) -> None:
    names = [tool.name for tool in TOOLS]
    text = data.draw(noise(get(name).format, names) | written_calls(get(name).format, names))
    found = trace(get(name), text, TOOLS)
    assert found.why or "tool_calls" in found.message
    for reason in found.why:
        assert 0 <= reason.start <= reason.end <= len(text)
        assert reason.words.endswith(".")


@pytest.mark.parametrize(
    ("text", "settings", "remedy"),
    [
        ('<tool_call>{"name": "no_such", "arguments": {}}</tool_call>', {"unknown_tools": "content"}, "forward"),
        ("<tool_call>{'name': 'get_time', \"arguments\": {}}", {"repairs": REPAIRS - {"single_quotes"}}, "single_quotes"),
        ('<tool_call>{"name": "get_time", "arguments": [1,]}', {"repairs": frozenset()}, None),
        ('Action: get_time\nAction Input: {"a": 1}', {"dialects": []}, "dialect react"),
        ('✿FUNCTION✿: get_time\n✿ARGS✿: {"a": 1}', {}, "As qwen2 writes calls"),
        ('{"name": "get_time", "arguments": {}}', {"dialects": ["bare_json"]}, None),
    ],
)  # fmt: skip
def test_a_remedy_is_named_where_it_helps(text: str, settings: dict[str, Any], remedy: str | None) -> None:
    remedies = [
        words for reason in trace(get("qwen2_5"), text, TOOLS, **settings).why for words in reason.remedies
    ]
    assert any(remedy in words for words in remedies) if remedy else not remedies


@pytest.mark.parametrize(
    "filler",
    [
        '{"name": ',
        "[",
        "get_time(",
        "<tool_call>",
        "</tool_call>",
        '{"a": 1} ',
        '{"name": "get_time", "arguments": {}} ',
        '<tool_call>{"name": "get_time", "arguments": {}}</tool_call> x{} ',
    ],
)
def test_of_a_hostile_reply_no_more_is_explained_than_anybody_reads(filler: str) -> None:
    why = trace(get("qwen2_5"), filler * (40_000 // len(filler)), TOOLS).why
    assert 0 < len(why) <= 6 * MAX_FOUND
    assert sum(len(reason.words) + sum(map(len, reason.remedies)) for reason in why) < 500 * 6 * MAX_FOUND


def write() -> None:
    shared = Path(os.environ.get("CHAT_ADAPTERS_SHARED", ROOT.parent / "shared"))
    for name, traces in {"fixtures.json": fixtures(), "recorded.json": recorded(shared)}.items():
        text = json.dumps(words_of(traces), indent=1, ensure_ascii=False)
        (GOLDEN / name).write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    write()
