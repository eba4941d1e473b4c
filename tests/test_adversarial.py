"""What costs most to read: endless openers, closers, quotes, separators and half markers, in every format.

The work is counted, not timed: see `counting`.
"""

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from counting import COUNT, CountedText, counted_engine

from chat_adapters.adapters import ADAPTERS, CodeCall, Format, PythonCall, TaggedCall, Tool
from chat_adapters.adapters._parser import MAX_CANDIDATE
from chat_adapters.adapters._values import HOLD
from chat_adapters.toolkit.checks import check_reading, pieces, read

ENGINE = counted_engine()
TOOLS = [Tool("f"), Tool("python")]
every_adapter = pytest.mark.parametrize("name", ADAPTERS)

# What a delta may cost beyond four looks at each character: a name that was held back, or white space.
SLACK = 256 + HOLD
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
    """What stands before: nothing, a marker, arguments, a text in them, a whole call, code."""
    found = {""}
    for form in format.forms:
        if isinstance(form, CodeCall):
            found |= {form.open, form.open + "```python\n"}
            continue
        begin = form.begin("f")
        if isinstance(form, PythonCall):
            found |= {begin, begin + "a=", begin + "a='", f"python{form.between}"}
            continue
        found |= {form.open, begin + '{"a": ', begin + '{"a": "', begin + '"{\\"a\\": ', begin + '{"a": 1}'}
        if isinstance(form, TaggedCall):
            found |= {f'{form.open}f.call(a="', f"{form.open}x"}
    return sorted(found)


def replies(format: Format, starts: list[str], size: int) -> Iterator[str]:
    """Replies of this size, each one unit again and again."""
    for start, unit in product(starts, units(format)):
        yield (start + unit * (size // len(unit) + 1))[:size]


def cost(name: str, reply: str, step: int) -> int:
    """What it costs to read the reply in deltas of this size.

    Raises:
        AssertionError: one of them costs too much.
    """
    parser: Any = ENGINE.Parser(ENGINE.ADAPTERS[name].format, TOOLS)
    COUNT.examined = COUNT.copied = 0
    for start in range(0, len(reply), step):
        delta = CountedText(reply[start : start + step], start)
        waiting = len(parser._rest) + sum(map(len, parser._held)) * (parser._state == parser._read_candidate)
        before = COUNT.examined
        parser.feed(delta)
        examined = COUNT.examined - before
        assert examined <= 4 * (len(delta) + waiting) + SLACK, (reply[:200], start, examined)
        assert waiting <= MAX_CANDIDATE + 4 * HOLD + 256
    parser.close()
    return COUNT.examined + COUNT.copied


@every_adapter
def test_no_delta_is_looked_at_more_than_four_times(name: str) -> None:
    """Nor is what waited for it: each reply in single characters, in small pieces and in one."""
    format = ADAPTERS[name].format
    for size, step in ((200, 1), (700, 37), (3000, 3000)):
        for reply in replies(format, places(format), size):
            cost(name, reply, step)


@every_adapter
@pytest.mark.parametrize(
    "size",
    [
        100_000,
        pytest.param(1_000_000, marks=pytest.mark.slow),
    ],  # minutes an adapter, with all that is counted
)
def test_a_long_reply_costs_what_its_parts_cost(name: str, size: int) -> None:
    """At most 1.2 times as much as its parts of 50,000 characters, counted with all that is copied."""
    format = ADAPTERS[name].format
    part = 50_000
    for reply in replies(format, [""], size):
        assert cost(name, reply, size) <= 1.2 * size / part * cost(name, reply[:part], part), reply[:200]


@every_adapter
@pytest.mark.parametrize(
    "size",
    [10_000, pytest.param(1_000_000, marks=pytest.mark.slow)],  # a minute an adapter
)
def test_nothing_of_a_long_reply_is_lost(name: str, size: int) -> None:
    format = ADAPTERS[name].format
    translated = any(isinstance(form, PythonCall) for form in format.forms)
    for reply in replies(format, [""], size):
        whole = read(format, TOOLS, [reply])
        check_reading(reply, whole, translated=translated)
        assert read(format, TOOLS, pieces(reply, range(0, size, 997))) == whole
