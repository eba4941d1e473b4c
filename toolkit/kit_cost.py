"""What costs most to read: endless openers, closers, quotes, separators and half markers.

The work is counted, not timed: see `counting`.
"""

from collections.abc import Iterator
from itertools import cycle
from typing import Any

from ..adapters import CodeCall, Format, PythonCall, TaggedCall
from .counting import COUNT, CountedText, counted_engine, translated
from .kit_case import Failed, Subject

__all__ = ["cost", "endless", "growth", "linear_work", "places", "starts_and_units", "units"]

# Of a reply no more waits than the longest name in a head, with the blanks before it. What waits is looked at twice with
# each delta: for what may be whole, and for what the end may have cut.
WAITING = 32 + 256
HOLD_BACK = 2 * WAITING
SIZES = ((WAITING + 50, 1), (700, 37))
"""Of a reply, and of its deltas."""
GROWTH = (16_000, 8_000)
"""Of a reply, and of the part it is compared with: both longer than what the parser looks at in one step."""
OFFERED = ("f", "f" * 64, "python")
"""The tools."""
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


def cost(format: Format, reply: str, step: int) -> int:
    """What it costs to read the reply in deltas of this size.

    A delta may cost four looks at each of its characters and the hold-back bound. What has waited and is read on with
    it, or was held for a call that proves to be none, counts as its own: that is once for each character.

    Args:
        format: made of the classes of the engine that counts.

    Raises:
        Failed: one of them costs too much.
    """
    engine = counted_engine()
    parser: Any = engine.Parser(format, [engine.Tool(name) for name in OFFERED])
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
        if examined > 4 * own + HOLD_BACK:
            raise Failed(
                f"the work of a delta grows: at character {start} of {len(reply)}, {examined} characters are looked "
                f"at for {own} that are new or waited\nreply: {reply[:60]!r} and so on\ncut:   each {step} characters"
            )
        if len(parser._rest) > WAITING:
            raise Failed(
                f"{len(parser._rest)} characters wait, at character {start} of {reply[:60]!r} and so on"
            )
    parser.close()
    return COUNT.examined + COUNT.copied


def growth(format: Format, unit: str, size: int, part: int) -> None:
    """A long reply costs at most 1.2 times as much as its parts, counted with all that is copied.

    Raises:
        Failed: it costs more; the cost is not linear.
    """
    reply = endless("", unit, size)
    whole, parts = cost(format, reply, size), size / part * cost(format, reply[:part], part)
    if whole > 1.2 * parts:
        raise Failed(
            f"{size} characters of {unit!r} cost {whole / parts:.1f} times what their parts of {part} cost: "
            "the work is not linear"
        )


def linear_work(subject: Subject) -> None:
    """The work of a delta depends on nothing that has gone before: counted, over endless markers, quotes and braces."""
    format = subject.formats[-1]
    counted = translated(format)
    for start, unit in starts_and_units(format):
        for size, step in SIZES:
            cost(counted, endless(start, unit, size), step)
    for unit in units(format):
        growth(counted, unit, *GROWTH)
