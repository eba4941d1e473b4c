"""What the fixtures are besides golden files, which the kit checks: see test_conformance.py."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_adapters.adapters import ADAPTERS, REPAIRS, Tool, get
from chat_adapters.toolkit.checks import check_cuts
from chat_adapters.toolkit.strategies import atoms, cuts, mutated

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
GRAMMARS = sorted(path.parent for path in FIXTURES.glob("*/*/grammar.json"))
CASES = sorted(path.parent for path in FIXTURES.glob("*/*/output.txt"))


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


def test_every_adapter_has_a_golden_grammar() -> None:
    assert {case.parent.name for case in GRAMMARS} == set(ADAPTERS)


def tools_of(case: Path) -> list[Tool]:
    request = json.loads((case / "request.json").read_text("utf-8"))
    functions = [tool.get("function", tool) for tool in request.get("tools") or []]
    return [Tool(function["name"], function.get("parameters")) for function in functions]
