"""Every reply in `fixtures/` reads as its `message.json` says, however it is cut; every golden grammar is what is built."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_adapters.adapters import ADAPTERS, REPAIRS, Tool, get, structural_tag
from chat_adapters.toolkit.checks import check_cuts, reply_of
from chat_adapters.toolkit.strategies import atoms, cuts, mutated

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
GRAMMARS = sorted(path.parent for path in FIXTURES.glob("*/*/grammar.json"))
CASES = sorted(path.parent for path in FIXTURES.glob("*/*/output.txt"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_reply(case: Path) -> None:
    format = get(case.parent.name).format
    text = (case / "output.txt").read_bytes().decode()
    tools = tools_of(case)
    message = json.loads((case / "message.json").read_text("utf-8"))

    check_cuts(format, tools, text, [range(0, len(text), step) for step in (2, 3, 7)])
    reply = reply_of(format, tools, text)
    assert reply.content == (message["content"] or "")
    assert [(call.name, json.loads(call.arguments)) for call in reply.calls] == [
        (call["name"], call["arguments"]) for call in message["tool_calls"]
    ]


@pytest.mark.parametrize("name", ADAPTERS)
@given(data=st.data())
def test_a_recorded_reply_that_is_hurt_anywhere_keeps_what_every_reply_keeps(
    name: str, data: st.DataObject
) -> None:
    """What `make fuzz` looks for, with Hypothesis' smaller examples: see tests/fuzz.py."""
    cases = [case for case in CASES if case.parent.name == name]
    tools = tools_of(data.draw(st.sampled_from(cases)))
    words = atoms(get(name).format, [tool.name for tool in tools])
    text = data.draw(mutated([(case / "output.txt").read_bytes().decode() for case in cases], words))
    check_cuts(
        get(name).format,
        tools,
        text,
        [data.draw(cuts(text))],
        unknown_tools=data.draw(st.sampled_from(["forward", "content"])),
        repairs=data.draw(st.sampled_from([REPAIRS, frozenset()])),
    )


@pytest.mark.parametrize("case", GRAMMARS, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_grammar(case: Path) -> None:
    """A golden grammar that changes is reviewed like code: what a server enforces changes with it."""
    tools = tools_of(case)
    built = {
        "auto": structural_tag(get(case.parent.name).format, tools, "auto"),
        "required": structural_tag(get(case.parent.name).format, tools, "required"),
        "forced": structural_tag(get(case.parent.name).format, tools[:1], "forced"),
    }
    assert built == json.loads((case / "grammar.json").read_text("utf-8"))


def test_every_adapter_has_a_golden_grammar() -> None:
    assert {case.parent.name for case in GRAMMARS} == set(ADAPTERS)


def tools_of(case: Path) -> list[Tool]:
    request = json.loads((case / "request.json").read_text("utf-8"))
    functions = [tool.get("function", tool) for tool in request.get("tools") or []]
    return [Tool(function["name"], function.get("parameters")) for function in functions]
