"""What costs most to read: endless openers, closers, quotes, separators and half markers, in every format and dialect.

The work is counted, not timed: see `counting`.
"""

from collections.abc import Iterator
from itertools import cycle, product
from typing import Any

import pytest
from counting import COUNT, CountedText, counted_engine
from formats import FORMATS

from chat_adapters.adapters import ADAPTERS, CodeCall, Format, PythonCall, TaggedCall, Tool
from chat_adapters.adapters import _parser as engine
from chat_adapters.toolkit.checks import check_reading, pieces, read

ENGINE = counted_engine()
TOOLS = [Tool("f"), Tool("f" * 64), Tool("python")]
NAMES = [name for name in FORMATS if name.partition(" ")[0] in ADAPTERS]
every_format = pytest.mark.parametrize("name", NAMES)
slow = pytest.mark.slow

# Of a reply no more waits than the longest name in a head, with the blanks before it. What waits is looked at twice with
# each delta: for what may be whole, and for what the end may have cut.
WAITING = 32 + 256
HOLD_BACK = 2 * WAITING
ANYWHERE = (
    "{", "}", "[", "]", "{{", "[{", "[]", "{}", "(", "('", '"', "'", '"""', "\\", "\\u", '\\"', "`", "```\n", ",", ", ",
    ";", "; ", "-", "1", "é", "f", "f\n", " ", "\n", "\t", "<", "</", "<|", '{"', '{"a":', '"a",', '{"name":', '{"name": "f"',
)  # fmt: skip


def units(format: Format) -> list[str]:
    """What may stand again and again: everything hard, every marker whole and unfinished, whole and half calls."""
    found = {*ANYWHERE, *format.preludes, *format.waits, *(mark[:-1] for mark in format.waits)}
    for form in format.forms:
        marks = (form.open, form.close, form.again, getattr(form, "between", ""))
        found |= {part for mark in marks for part in (mark, mark.strip(), mark[:-1], mark.strip()[:-1])}
        if not isinstance(form, CodeCall):
            begin = form.begin("f")
            found |= {begin, begin + "{", begin + '{"a": "', begin + '{"a": 1' + form.end}
            found |= {begin + "{}" + form.end, form.begin("no") + "{" + form.end}
    return sorted(found - {""})


def places(format: Format) -> list[str]:
    """What stands before: nothing, a marker, all up to a name, arguments, a text in them, a whole call, code."""
    found = {""}
    for form in format.forms:
        if isinstance(form, CodeCall):
            found |= {form.open, form.open + "```python\n"}
            continue
        begin = form.begin("f")
        if isinstance(form, PythonCall):
            found |= {begin, begin + "a=", begin + "a='", f"python{form.between}"}
            continue
        found |= {
            form.open,
            begin.rpartition("f")[0],
            begin + '{"a": ',
            begin + '{"a": "',
            begin + '"{\\"a\\": ',
            begin + '{"a": 1}',
        }
        if isinstance(form, TaggedCall):
            found |= {f'{form.open}f.call(a="', f"{form.open}x"}
    return sorted(found)


def endless(start: str, unit: str, size: int) -> str:
    """A reply of this size: a start, then one unit again and again."""
    return (start + unit * (size // len(unit) + 1))[:size]


def starts_and_units(format: Format) -> Iterator[tuple[str, str]]:
    """Each unit behind nothing, and behind one of the places, in turn."""
    for unit, place in zip(units(format), cycle(places(format)), strict=False):
        yield from {("", unit), (place, unit)}


def counting(name: str) -> Format:
    """The format of this name, made of the classes of the engine that counts."""
    adapter = ENGINE.ADAPTERS[name.partition(" ")[0]]
    format: Format = adapter.format
    return format if name == adapter.name else adapter.with_dialects(one.name for one in adapter.dialects)


def cost(format: Format, reply: str, step: int) -> int:
    """What it costs to read the reply in deltas of this size.

    A delta may cost four looks at each of its characters and the hold-back bound. What has waited and is read on with
    it, or was held for a call that proves to be none, counts as its own: that is once for each character.

    Raises:
        AssertionError: one of them costs too much.
    """
    parser: Any = ENGINE.Parser(format, TOOLS)
    COUNT.examined = COUNT.copied = 0
    for start in range(0, len(reply), step):
        delta = CountedText(reply[start : start + step], start)
        waiting, call = len(parser._rest), parser._call
        held = sum(map(len, parser._held)) if parser._state == parser._read_candidate else 0
        before, place = COUNT.examined, parser._offset
        parser.feed(delta)
        if call.announced or (parser._call is call and parser._state == parser._read_candidate):
            held = 0
        own = len(delta) + min(waiting, parser._offset - place) + held
        examined = COUNT.examined - before
        assert examined <= 4 * own + HOLD_BACK, (reply[:200], start, examined, own)
        assert len(parser._rest) <= WAITING, (reply[:200], start)
        assert held <= engine.MAX_CANDIDATE
    parser.close()
    return COUNT.examined + COUNT.copied


@every_format
@pytest.mark.parametrize("everywhere", [False, pytest.param(True, marks=slow)])
def test_no_delta_is_looked_at_more_than_four_times(name: str, everywhere: bool) -> None:
    """Each reply in single characters, in small pieces and in one."""
    format, counted = FORMATS[name], counting(name)
    pairs = list(product(places(format), units(format)) if everywhere else starts_and_units(format))
    for size, step in ((WAITING + 50, 1), (700, 37), (3000, 3000)):
        for start, unit in pairs:
            cost(counted, endless(start, unit, size), step)


def check_growth(name: str, unit: str, size: int, part: int) -> None:
    """A long reply costs at most 1.2 times as much as its parts, counted with all that is copied."""
    reply, format = endless("", unit, size), counting(name)
    assert cost(format, reply, size) <= 1.2 * size / part * cost(format, reply[:part], part), unit


@every_format
@pytest.mark.parametrize(("size", "part"), [(40_000, 20_000), pytest.param(1_000_000, 50_000, marks=slow)])
def test_a_long_reply_costs_what_its_parts_cost(name: str, size: int, part: int) -> None:
    for unit in units(FORMATS[name]):
        check_growth(name, unit, size, part)


@pytest.mark.parametrize("unit", ["{", "\\", "opener"])
@pytest.mark.parametrize("name", ADAPTERS)
def test_a_megabyte_costs_what_its_parts_cost(name: str, unit: str) -> None:
    """The same at its full size, for a few; the others are among the slow ones."""
    opener = FORMATS[name].call.open or FORMATS[name].tag
    check_growth(name, opener if unit == "opener" else unit, 1_000_000, 50_000)


@every_format
@pytest.mark.parametrize("size", [5_000, pytest.param(1_000_000, marks=slow)])
def test_nothing_of_a_long_reply_is_lost(name: str, size: int) -> None:
    format = FORMATS[name]
    translated = any(isinstance(form, PythonCall) or form.python for form in format.forms)
    for unit in units(format):
        reply = endless("", unit, size)
        whole = read(format, TOOLS, [reply])
        check_reading(reply, whole, translated=translated)
        assert read(format, TOOLS, pieces(reply, range(0, size, 997))) == whole
