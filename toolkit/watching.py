"""Reads a reply one character at a time and looks at the parser in between: where each thing was decided.

How a reply is cut changes nothing in what is read, so that this says of every reply what became of it, and the engine
needs no hook for it.
"""

from dataclasses import dataclass
from typing import Literal

from ..adapters import MISSES, CallBegin, Event, Format, Parser, Reply, Tool, read_reply
from ..adapters._coercion import MAX_TEXT, Coercer
from ..adapters._repairs import Repairs

__all__ = ["HELD", "REPAIRED", "Note", "Setup", "Steps", "WatchedParser"]

HELD = {
    "_read_start": "it may be markup that a reply begins with",
    "_read_text": "it may become a marker that opens a call",
    "_read_candidate": "it may be a call: one is announced when its name is whole and its arguments have begun",
    "_read_answer": "it is JSON that is no call",
    "_read_call": "what it means depends on what follows",
    "_read_unknown": "it belongs to a call of a tool that is not offered",
    "_read_unfinished": "it may be the closing marker, with braces missing before it",
    "_read_verbatim": "it may become the marker that ends these arguments",
    "_read_after": "it may belong to the call, lead to another one, or be text",
}
"""Why something is held back, by the state that the parser is in."""

HELD_TEXT = "it may become the value that the schema asks for"

REPAIRED = {
    "arguments_string": "the arguments are an object written into a text",
    "control_character": "a line feed, tab or other control character in a text was escaped",
    "doubled_brace": "of two opening braces one was left out",
    "invalid_escape": "a backslash that escapes nothing was put right",
    "key_blank": "a blank in a key was left out",
    "missing_brace": "the closing marker came while braces were open: they were closed",
    "not_a_number": "NaN or Infinity, which JSON does not have, became null",
    "python_constant": "True, False or None became true, false or null",
    "single_quotes": "single quotes became double ones",
    "surplus_brace": "a closing brace too many was left out",
    "trailing_comma": "a comma before a closing bracket was left out",
}
"""What each repair does, in words."""

COERCED = "a text became the {} that it holds"


@dataclass(frozen=True, slots=True)
class Note:
    """A repair, a coercion, or a marker that gave no call: what a server counts, and where it is."""

    what: Literal["repair", "coercion", "miss"]
    name: str
    at: int
    """The character at which it was made; of a miss, where the marker stands."""
    words: str


class WatchedParser(Parser):
    """A parser that can be looked at between two pieces of the reply."""

    @property
    def candidate(self) -> int:
        """Where the marker stands that was seen last."""
        return self._start

    @property
    def undecided(self) -> bool:
        """Whether the marker may open a call, and is held back."""
        return self._state == self._read_candidate

    @property
    def call_repairs(self) -> Repairs:
        """Those that were made in what may be a call, or is one."""
        return self._call.repairs

    @property
    def call_coercions(self) -> Coercer | None:
        """What makes texts of the call other values."""
        return self._coercer

    def held(self, fed: int) -> tuple[int, str]:
        """From where on nothing has left, of as many characters as were fed, and why."""
        state = self._state.__name__
        if self.undecided:
            return self._lead, HELD[state]
        rest = fed - len(self._rest)
        coercer = self._coercer
        if state == "_read_call" and coercer and coercer._step == coercer._in_candidate:
            return rest - (MAX_TEXT - coercer._room + 1), HELD_TEXT  # with its quotation mark
        return rest, HELD[state] if rest < fed else ""


@dataclass(frozen=True, slots=True)
class Setup:
    """What a reply is read with."""

    format: Format
    tools: tuple[Tool, ...]
    unknown_tools: Literal["forward", "content"]
    repairs: frozenset[str]
    coercions: frozenset[str]

    def parser(self) -> WatchedParser:
        """A fresh one."""
        return WatchedParser(
            self.format,
            self.tools,
            unknown_tools=self.unknown_tools,
            repairs=self.repairs,
            coercions=self.coercions,
        )

    def reply(self, text: str) -> Reply:
        """The reply as a client gets it."""
        return read_reply(self.parser(), text)


class Steps:
    """A reply, read one character at a time."""

    def __init__(self, setup: Setup, text: str) -> None:
        self.setup = setup
        self.text = text
        self.events: list[tuple[int, Event]] = []
        """Each with the number of characters after which it was said."""
        self.notes: list[Note] = []
        self._parser = setup.parser()
        self._misses = self._parser.tally.misses.copy()
        self._repairs = _Ledger("repair")
        self._coercions = _Ledger("coercion")
        for at, char in enumerate(text):
            start = self._parser.candidate
            self._step(at, self._parser.feed(char), start)
        self.unfinished = self._parser.candidate if self._parser.undecided else None
        """Where something stands that might have become a call, had the reply gone on."""
        place, why = self._parser.held(len(text))
        self.undecided = place if why in (HELD["_read_start"], HELD["_read_text"]) else len(text)
        """From where on the reply may be the beginning of a marker."""
        self._step(len(text), self._parser.close(), self._parser.candidate)
        self.notes += self._repairs.over() + self._coercions.over()
        self.notes.sort(key=lambda note: note.at)

    def _step(self, at: int, events: list[Event], marker: int) -> None:
        """Notes what one character has brought; `marker` is where the one stood that was seen last."""
        parser = self._parser
        self.events += [(min(at + 1, len(self.text)), event) for event in events]
        announced = any(isinstance(event, CallBegin) for event in events)
        self._repairs.look(parser.call_repairs, at, announced)
        if parser.call_coercions is not None:
            self._coercions.look(parser.call_coercions, at, True)
        if parser.tally.misses != self._misses:
            new = parser.tally.misses - self._misses
            self.notes += [Note("miss", why, marker, MISSES[why]) for why in new.elements()]
            self._misses = parser.tally.misses.copy()


class _Ledger:
    """When each of the things was done that a call counts; those of what turned out to be no call do not count."""

    def __init__(self, what: Literal["repair", "coercion"]) -> None:
        self._what = what
        self._source: Repairs | Coercer | None = None
        self._seen: dict[str, int] = {}
        self._new: list[Note] = []
        self._is_call = False
        self._notes: list[Note] = []

    def look(self, source: Repairs | Coercer, at: int, is_call: bool) -> None:
        """Looks what was done by the character at `at`: by the source of before, and by this one if it is another."""
        if self._source is not None:
            self._compare(self._source, at)
        if source is not self._source:
            self.over()
            self._source, self._seen, self._is_call = source, {}, False
            self._compare(source, at)
        self._is_call |= is_call

    def over(self) -> list[Note]:
        """All that was noted."""
        if self._is_call:
            self._notes += self._new
        self._new = []
        return self._notes

    def _compare(self, source: Repairs | Coercer, at: int) -> None:
        if source.counts == self._seen:
            return
        for kind, times in source.counts.items():
            words = REPAIRED[kind] if self._what == "repair" else COERCED.format(kind)
            self._new += [Note(self._what, kind, at, words)] * (times - self._seen.get(kind, 0))
        self._seen = dict(source.counts)
