"""Replies that real models wrote, and real tool sets with calls; both lie beside the checkout, if they are there."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from recorded_replies import READERS, adapters_of, rows

from chat_adapters.adapters import ADAPTERS, CallEnd, Format, Tool
from chat_adapters.toolkit.checks import check_cuts, reply_of

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "recorded.md").read_text("utf-8")
CODE = re.compile("`(.*?)`")


def folded(text: str | None) -> str:
    return " ".join((text or "").split())


def is_as_recorded(format: Format, offered: list[Tool], row: dict[str, Any]) -> bool:
    reply = reply_of(format, offered, row["raw"])
    calls = [{"name": call.name, "arguments": json.loads(call.arguments)} for call in reply.calls]
    return (calls, folded(reply.content)) == (row["expected"] or [], folded(row["content"]))


def listed(word: str) -> set[str]:
    """The replies that differ with these dialects, or streamed, as the page says."""
    table = [line.split(" | ") for line in PAGE.splitlines() if line.startswith("| `")]
    return {reply for replies, words, *_ in table if f"`{word}`" in words for reply in CODE.findall(replies)}


@pytest.fixture(scope="session")
def replies(shared_dir: Path) -> list[dict[str, Any]]:
    return rows(shared_dir / "corpus" / "raw_outputs.jsonl")


@pytest.mark.parametrize("word", ["none", "safe", "all"])
@pytest.mark.parametrize("name", READERS)
def test_recorded_replies_differ_where_the_page_says(
    name: str, word: str, replies: list[dict[str, Any]]
) -> None:
    adapter = ADAPTERS[name]
    every = [dialect.name for dialect in adapter.dialects]
    format = adapter.with_dialects({"none": [], "safe": None, "all": every}[word])
    differ, announced, own = set(), set(), set()
    for row in replies:
        functions = [tool["function"] for tool in row["tools"] or []]
        offered = [Tool(function["name"], function.get("parameters")) for function in functions]
        steps = [range(0, len(row["raw"]), step) for step in (3, 12)]
        reading = check_cuts(format, offered, row["raw"], steps)
        if name in adapters_of(row["model"].lower()):
            own.add(row["id"])
            if not is_as_recorded(format, offered, row):
                differ.add(row["id"])
            if any(isinstance(event, CallEnd) and not event.complete for event in reading.events):
                announced.add(row["id"])
    assert own
    assert differ == own & listed(word)
    assert announced == own & listed("streamed")


def test_what_differs_where_nothing_is_set_is_of_uncertain_meaning(replies: list[dict[str, Any]]) -> None:
    assert all(adapters_of(row["model"].lower()) for row in replies)
    uncertain = {row["id"] for row in replies if row["confidence"] == "low"}
    assert listed("none") | listed("safe") <= uncertain
    assert listed("all") | listed("streamed") <= {row["id"] for row in replies}
    assert f"have {len(replies)} replies" in PAGE
    assert f"there; {len(uncertain)} are of" in PAGE


@pytest.mark.parametrize("name", ADAPTERS)
def test_real_tool_sets(name: str, shared_dir: Path, request: pytest.FixtureRequest) -> None:
    pytest.importorskip("xgrammar", reason="xgrammar comes with vLLM, which is not installed")
    from chat_adapters.toolkit.grammars import admits, compile_grammar
    from chat_adapters.toolkit.kit_case import Subject
    from chat_adapters.toolkit.kit_triangle import turn

    subject = Subject(ADAPTERS[name])
    everything = rows(shared_dir / "corpus" / "bfcl_calls.jsonl")
    for number, row in enumerate(everything):
        tools = {tool["function"]["name"]: tool["function"].get("parameters") for tool in row["tools"]}
        calls = [(call["name"], call["arguments"]) for call in row["calls"]]
        text = turn(subject, tools, "", calls)
        check_cuts(subject.adapter.format, [Tool(*tool) for tool in tools.items()], text)
        reply = reply_of(subject.adapter.format, [Tool(*tool) for tool in tools.items()], text)
        assert [(call.name, json.loads(call.arguments)) for call in reply.calls] == calls
        if number % 20 == 0:
            grammar = compile_grammar(subject.adapter, tools, "required")
            fits = row["fits"] and all(in_order(arguments, tools[called]) for called, arguments in calls)
            assert admits(grammar, text) or not fits, (row["id"], text)


def in_order(value: Any, schema: Any) -> bool:
    """A grammar made of a schema admits its properties, in their order, and no others."""
    if isinstance(value, dict):
        properties = (schema or {}).get("properties")
        if not isinstance(properties, dict):
            return True
        return [key for key in properties if key in value] == list(value) and all(
            in_order(item, properties[key]) for key, item in value.items()
        )
    return not isinstance(value, list) or all(in_order(item, (schema or {}).get("items")) for item in value)
