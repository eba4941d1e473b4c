"""What every parser must keep, as functions that assert it: the base of the conformance kit."""

import json
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from ..adapters import (
    MISSES,
    REPAIRS,
    Arguments,
    CallBegin,
    CallEnd,
    Event,
    Format,
    Markup,
    Parser,
    Reply,
    Tally,
    Text,
    Tool,
    read_reply,
)

__all__ = ["Parser", "Reading", "check_cuts", "check_reading", "pieces", "read", "reply_of"]


class Reading(NamedTuple):
    """One way through a reply: what was said, neighbouring pieces joined, the repairs that were made, and the rest that is counted."""

    events: tuple[Event, ...]
    repairs: dict[str, int]
    tally: Tally


def pieces(text: str, cuts: Iterable[int]) -> list[str]:
    """The text cut at these places."""
    places = [0, *sorted({cut for cut in cuts if 0 < cut < len(text)}), len(text)]
    return [text[start:end] for start, end in pairwise(places)]


def read(
    format: Format,
    tools: Sequence[Tool],
    deltas: Iterable[str],
    *,
    unknown_tools: Literal["forward", "content"] = "forward",
    repairs: frozenset[str] = REPAIRS,
    coercions: frozenset[str] = frozenset(),
) -> Reading:
    """Feeds the deltas to a fresh parser."""
    parser = Parser(format, tools, unknown_tools=unknown_tools, repairs=repairs, coercions=coercions)
    events: list[Event] = []
    for delta in deltas:
        events += parser.feed(delta)
    events += parser.close()
    return Reading(tuple(_joined(events)), dict(parser.repairs), parser.tally)


def reply_of(format: Format, tools: Sequence[Tool], text: str) -> Reply:
    """The reply as a client gets it."""
    return read_reply(Parser(format, tools), text)


def check_reading(text: str, reading: Reading, *, translated: bool = False) -> None:
    """Nothing is lost, calls are announced once, and what is called complete loads.

    Where the format's arguments are not written in JSON, they are `translated`: they need not stand in the text.

    Raises:
        AssertionError: one of these does not hold.
    """
    pos = 0
    arguments = ""
    open_call: CallBegin | None = None
    call = -1
    for event in reading.events:
        match event:
            case Text():
                assert open_call is None, f"text inside a call: {event}"
                assert event.start == pos, f"a gap before {event}"
                assert text.startswith(event.text, pos), f"not what the reply says: {event}"
                pos += len(event.text)
            case Markup():
                assert open_call is None, f"markup inside a call: {event}"
                assert event.start == pos < event.end, f"a gap before {event}"
                pos = event.end
            case CallBegin():
                assert open_call is None, f"a call inside a call: {event}"
                assert (event.call, event.start) == (call + 1, pos), f"a gap before {event}"
                open_call, arguments, call = event, "", event.call
            case Arguments():
                assert open_call is not None, f"arguments outside a call: {event}"
                assert event.call == call, f"arguments of another call: {event}"
                arguments += event.text
            case CallEnd():
                assert open_call is not None, f"an end without a call: {event}"
                span = text[open_call.start : event.end]
                open_call, pos = None, event.end
                if event.complete:
                    value = json.loads(arguments, parse_constant=_no_constant)
                    assert isinstance(value, dict), f"arguments that are no object: {arguments}"
                    if not (reading.repairs or reading.tally.coercions or translated):
                        assert _stands_in(span, arguments, value), f"not what the call says: {arguments}"
    assert open_call is None, "a call without an end"
    ends = [event.complete for event in reading.events if isinstance(event, CallEnd)]
    assert reading.tally.calls == sum(ends), f"not the calls there are: {reading.tally}"
    misses = reading.tally.misses
    assert misses.keys() <= MISSES.keys(), f"misses without a meaning: {misses}"
    assert misses["cut"] + misses["bad_arguments"] >= ends.count(False), (
        f"unfinished calls not counted: {misses}"
    )
    assert reading.tally.excerpt in text, f"not what the reply says: {reading.tally.excerpt!r}"
    assert pos == len(text), f"the end is missing: {text[pos:]!r}"


def check_cuts(
    format: Format,
    tools: Sequence[Tool],
    text: str,
    cuts: Iterable[Sequence[int]] = (),
    *,
    unknown_tools: Literal["forward", "content"] = "forward",
    repairs: frozenset[str] = REPAIRS,
    coercions: frozenset[str] = frozenset(),
) -> Reading:
    """The same reading for the whole text, for one character at a time and for each of `cuts`.

    Raises:
        AssertionError: two ways of cutting differ, or `check_reading` does not hold.
    """

    def way(deltas: list[str]) -> Reading:
        return read(format, tools, deltas, unknown_tools=unknown_tools, repairs=repairs, coercions=coercions)

    whole = way([text])
    check_reading(text, whole, translated=any(form.python for form in format.forms))
    for deltas in (list(text), *(pieces(text, places) for places in cuts)):
        reading = way(deltas)
        assert reading == whole, f"cut as {deltas}:\n{reading}\nwhole:\n{whole}"
    return whole


def _stands_in(span: str, arguments: str, value: dict[str, object]) -> bool:
    """Without repairs the arguments are what was written: a part of the call, or raw text in it, or none."""
    raw = [text for text in value.values() if isinstance(text, str)]
    return arguments in span or not value or (len(value) == len(raw) == 1 and raw[0] in span)


def _joined(events: Iterable[Event]) -> list[Event]:
    joined: list[Event] = []
    for event in events:
        last = joined[-1] if joined else None
        match last, event:
            case Text(), Text():
                joined[-1] = Text(last.text + event.text, last.start)
            case Arguments(), Arguments():
                joined[-1] = Arguments(last.call, last.text + event.text)
            case _:
                joined.append(event)
    return joined


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")
