"""Replies that real models wrote, and real tool sets with calls; both lie beside the checkout, if they are there."""

import json
from pathlib import Path
from typing import Any

import pytest

from chat_adapters.adapters import ADAPTERS, Format, Tool
from chat_adapters.toolkit.checks import check_cuts, reply_of

READ_BY = {
    "llama": ("llama3_1",),
    "qwen2-native": ("qwen2",),
    "qwen2": ("qwen2", "qwen2_5"),
    "hermes": ("qwen2", "qwen2_5"),
    "internlm2.5": ("internlm2_5",),
    "chatglm3": ("chatglm3",),
}
"""Which adapters read the replies of a model, by how its name begins: the first that fits."""


def adapters_of(model: str) -> tuple[str, ...]:
    return next((names for start, names in READ_BY.items() if model.startswith(start)), ())


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def folded(text: str | None) -> str:
    return " ".join((text or "").split())


def is_as_recorded(format: Format, offered: list[Tool], row: dict[str, Any]) -> bool:
    reply = reply_of(format, offered, row["raw"])
    calls = [{"name": call.name, "arguments": json.loads(call.arguments)} for call in reply.calls]
    return (calls, folded(reply.content)) == (row["expected"] or [], folded(row["content"]))


@pytest.mark.parametrize("name", ADAPTERS)
def test_recorded_replies(name: str, shared_dir: Path) -> None:
    format = ADAPTERS[name].format
    wrong = []
    read = 0
    for row in rows(shared_dir / "corpus" / "raw_outputs.jsonl"):
        functions = [tool["function"] for tool in row["tools"] or []]
        offered = [Tool(function["name"], function.get("parameters")) for function in functions]
        check_cuts(format, offered, row["raw"], [range(0, len(row["raw"]), step) for step in (3, 12)])
        if name not in adapters_of(row["model"].lower()) or row["confidence"] == "low":
            continue
        read += 1
        if not is_as_recorded(format, offered, row):
            wrong.append((row["id"], row["raw"], reply_of(format, offered, row["raw"])))
    assert not wrong
    assert read


@pytest.mark.parametrize("name", ADAPTERS)
def test_recorded_replies_with_every_dialect(name: str, shared_dir: Path) -> None:
    """Those of uncertain meaning, too, but for these."""
    adapter = ADAPTERS[name]
    format = adapter.with_dialects(dialect.name for dialect in adapter.dialects)
    wrong = set()
    for row in rows(shared_dir / "corpus" / "raw_outputs.jsonl"):
        functions = [tool["function"] for tool in row["tools"] or []]
        offered = [Tool(function["name"], function.get("parameters")) for function in functions]
        check_cuts(format, offered, row["raw"], [range(0, len(row["raw"]), step) for step in (3, 12)])
        if name in adapters_of(row["model"].lower()) and not is_as_recorded(format, offered, row):
            wrong.add(row["id"])
    heading_is_markup = {"qwen2-110", "llama31-111"}  # the recorded server left it in the content
    braces_are_doubled = {"llama31-025"}  # so the call that stands in the arguments is their value
    no_marker_is_needed = {"qwen2-091", "qwen2-104"}  # `bare_json` is for that
    assert wrong <= heading_is_markup | braces_are_doubled | no_marker_is_needed


@pytest.mark.parametrize("name", ADAPTERS)
def test_real_tool_sets(name: str, shared_dir: Path, request: pytest.FixtureRequest) -> None:
    pytest.importorskip("xgrammar", reason="xgrammar comes with vLLM, which is not installed")
    from triangle import Subject, admits, compile_grammar, turn

    subject = Subject(
        ADAPTERS[name], (Path(__file__).parent.parent / "templates" / f"{name}.jinja").read_text("utf-8")
    )
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
