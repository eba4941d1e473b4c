"""What would make a call of what is none: each way is tried on the reply."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

from ..adapters import ADAPTERS, REPAIRS, Adapter, CallBegin, CallEnd, Tool
from .lookalikes import MAX_FOUND, Reason, named, quoted
from .watching import Setup, Steps

__all__ = ["with_remedies"]

_Call = tuple[int, int, str]
"""Where a call begins and ends, and its name."""

MAX_NAMES = 8
"""Names of tools that are tried, of those that a reply has."""


def with_remedies(
    adapter: Adapter, dialects: frozenset[str] | None, steps: Steps, reasons: Sequence[Reason]
) -> list[Reason]:
    """The reasons, each with what would make a call of it; and one more for each call that nothing else explains."""
    new = list(reasons)
    now = _calls(steps.setup, steps.text)
    helped: set[int] = set()
    for words, setup, last in _ways(adapter, dialects, steps):
        if last and helped:
            continue  # another adapter, where a setting of this one would do
        others = (call for call in _calls(setup, steps.text) if not _among(call, now))
        for start, end, name in islice(others, MAX_FOUND):
            helped.add(start)
            place = next(
                (n for n, reason in enumerate(new) if reason.start < end and start < reason.end), None
            )
            if place is None:
                said = f"This is no form of a call that {adapter.name} reads as it is set."
                new.append(Reason(start, end, "other_form", said))
                place = len(new) - 1
            remedy = words.format(quoted(name, 64))
            if remedy not in new[place].remedies:
                new[place] = replace(new[place], remedies=(*new[place].remedies, remedy))
    return new


def _among(call: _Call, calls: Sequence[_Call]) -> bool:
    """Whether one of these, which stand in their order, shares characters with the call."""
    start, end, _ = call
    place = bisect_right(calls, start, key=lambda other: other[1])
    return place < len(calls) and calls[place][0] < end


def _calls(setup: Setup, text: str) -> list[_Call]:
    """Where the complete calls stand, and their names."""
    found: list[_Call] = []
    begin = CallBegin(0, "", 0)
    parser = setup.parser()
    for event in (*parser.feed(text), *parser.close()):
        if isinstance(event, CallBegin):
            begin = event
        elif isinstance(event, CallEnd) and event.complete:
            found.append((begin.start, event.end, begin.name))
    return found


def _ways(
    adapter: Adapter, dialects: frozenset[str] | None, steps: Steps
) -> Iterator[tuple[str, Setup, bool]]:
    """What could be set or offered: in words, what it is read with then, and whether it is another adapter."""
    setup = steps.setup
    safe = {dialect.name for dialect in adapter.dialects if dialect.safe}
    on = safe if dialects is None else dialects
    for dialect in adapter.dialects:
        if dialect.name not in on:
            format = adapter.with_dialects({*on, dialect.name})
            yield (
                f"With the dialect {dialect.name} it is a call of {{}}.",
                replace(setup, format=format),
                False,
            )
    for repair in sorted(REPAIRS - setup.repairs):
        words = f"With the repair {repair} it is a call of {{}}."
        yield words, replace(setup, repairs=setup.repairs | {repair}), False
    if len(REPAIRS - setup.repairs) > 1:
        yield "With all repairs it is a call of {}.", replace(setup, repairs=REPAIRS), False
    if setup.tools and setup.unknown_tools == "content":
        words = "With unknown_tools forward it is a call of {}, which is not offered."
        yield words, replace(setup, unknown_tools="forward"), False
    offered = {tool.name for tool in setup.tools}
    new = sorted(named(steps.text) - offered)[:MAX_NAMES]
    for name in new:
        words = f"If the request offered a tool {quoted(name, 64)}, it would be a call of {{}}."
        yield words, replace(setup, tools=(*setup.tools, Tool(name))), False
    if any(note.name == "no_interpreter" for note in steps.notes):
        words = "If the request offered an interpreter, as the tool {}, this code would be a call of it."
        yield words, replace(setup, tools=(*setup.tools, Tool("code_interpreter"))), False
    for other in ADAPTERS.values():
        if other is not adapter:
            words = (
                f"As {other.name} writes calls ({other.models}) it is a call of {{}}: "
                "--tool-call-parser may be the wrong one for this checkpoint."
            )
            yield words, replace(setup, format=other.with_dialects()), True
