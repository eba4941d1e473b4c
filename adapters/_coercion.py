"""Makes a text the value that the schema asks for: `"10"` for an integer becomes `10`, while the arguments stream.

Nothing is lost by it. What leaves is what stands in the text, to the character; it is JSON, of a type that the schema
asks for at this place; and the schema does not take this text there. All else passes as it was written.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Callable

from ._asked import Asked
from ._repairs import COERCIONS, Repairs
from ._values import DONE, MAX_DEPTH, ValueReader

__all__ = ["MAX_TEXT", "Coercer"]

MAX_TEXT = 65_536
"""Characters of a text that are held back until its end says what it holds; a longer one stays a text."""

_PIECE = re.compile(r'[^"\\]+|\\(?:[^u]|u.{4})|"', re.DOTALL)
_UP_TO_SIGN = re.compile(r'[^"{}\[\],]+')
_INTEGER = re.compile(r"-?[0-9]+")
_NUMBER_BEGINS = "-0123456789"
_BEGINS = {
    "array": "[",
    "boolean": "tf",
    "integer": _NUMBER_BEGINS,
    "null": "n",
    "number": _NUMBER_BEGINS,
    "object": "{",
}


class Coercer:
    """Reads the arguments of one call, as valid JSON that arrives piece by piece, and gives what is to leave.

    Every way of cutting gives the same in the end.
    """

    def __init__(self, asked: Asked | None, kinds: frozenset[str] = COERCIONS, *, depth: int = 0) -> None:
        """
        Args:
            asked: what is asked of the value.
            kinds: what a text may become.
            depth: in how many objects and arrays the value stands.
        """
        self.counts: Counter[str] = Counter()
        """How often a text became a value of each type."""
        self.deepest = depth
        """In how many objects and arrays anything of it stands."""
        self._kinds = kinds
        self._asked = asked
        self._depth = depth
        self._frames: list[_Frame] = []
        self._step: Callable[[str, int], int] = self._between
        self._out: list[str] = []
        self._held: list[str] = []
        """A key so far, or a text that may become something else, with its quotation mark."""
        self._room = 0
        self._wanted: frozenset[str] = frozenset()
        """What that text may become."""

    def feed(self, text: str) -> str:
        """Takes the next piece, which ends with no half of an escape, and returns what is certain."""
        pos = 0
        while pos < len(text):
            pos = self._step(text, pos)
        return self._take()

    def end(self) -> str:
        """What was held back: no more will come, or none that is JSON."""
        if self._step == self._in_candidate:
            self._release()
        return self._take()

    def _take(self) -> str:
        taken = "".join(self._out)
        self._out.clear()
        return taken

    # The steps: each reads from text[pos], which is there, and returns the position after what it has read.

    def _between(self, text: str, pos: int) -> int:
        """Brackets, commas, numbers, words: what stands between texts."""
        found = _UP_TO_SIGN.match(text, pos)
        if found:
            self._out.append(found.group())
            return found.end()
        sign = text[pos]
        if sign == '"':
            self._begin_text()
            return pos + 1
        self._out.append(sign)
        if sign in "{[":
            self._frames.append(_Frame(self._asked_here(), is_object=sign == "{"))
            self.deepest = max(self.deepest, self._depth + len(self._frames))
        elif sign == ",":
            self._frames[-1].next()
        else:
            self._frames.pop()
        return pos + 1

    def _begin_text(self) -> None:
        self._held = ['"']
        if self._frames and self._frames[-1].key is None:
            self._out.append('"')
            self._step = self._in_key
            return
        asked = self._asked_here()
        self._wanted = self._kinds & asked.kinds if asked and asked.texts is not None else frozenset()
        self._room = MAX_TEXT
        self._step = self._in_candidate

    def _asked_here(self) -> Asked | None:
        """What is asked of the value that begins here."""
        return self._frames[-1].asked_here() if self._frames else self._asked

    def _in_key(self, text: str, pos: int) -> int:
        piece = _piece(text, pos)
        self._out.append(piece)
        self._held.append(piece)
        if piece == '"':
            self._frames[-1].key = json.loads("".join(self._held))
            self._step = self._between
        return pos + len(piece)

    def _in_text(self, text: str, pos: int) -> int:
        piece = _piece(text, pos)
        self._out.append(piece)
        if piece == '"':
            self._step = self._between
        return pos + len(piece)

    def _in_candidate(self, text: str, pos: int) -> int:
        """A text that may become something else; its first character says whether."""
        if len(self._held) == 1 and not any(text[pos] in _BEGINS[kind] for kind in self._wanted):
            self._release()
            return pos
        piece = _piece(text, pos)
        self._held.append(piece)
        self._room -= len(piece)
        if piece == '"':
            self._out.append(self._become("".join(self._held)))
            self._step = self._between
        elif self._room < 0:
            self._release()
        return pos + len(piece)

    def _release(self) -> None:
        """It stays a text."""
        self._out += self._held
        self._step = self._in_text

    def _become(self, written: str) -> str:
        """What this whole text is to be: the value that it holds, or itself."""
        content: str = json.loads(written)
        asked = self._asked_here()
        kind = _kind(content, self._wanted)
        if kind is None or not _is_json(content) or (asked and asked.texts and content in asked.texts):
            return written
        inner = Coercer(asked, self._kinds, depth=self._depth + len(self._frames))
        made = inner.feed(content) + inner.end()
        if inner.deepest > MAX_DEPTH:
            return written
        self.deepest = max(self.deepest, inner.deepest)
        self.counts.update(inner.counts)
        self.counts[kind] += 1
        return made


class _Frame:
    """An object or array that is open, and which of its members is being read."""

    __slots__ = ("asked", "key")

    def __init__(self, asked: Asked | None, *, is_object: bool) -> None:
        self.asked = asked
        self.key: str | int | None = None if is_object else 0
        """A name or a number; None where a name is to come."""

    def next(self) -> None:
        self.key = self.key + 1 if isinstance(self.key, int) else None

    def asked_here(self) -> Asked | None:
        """What is asked of the member."""
        return self.asked.inside(self.key) if self.asked and self.key is not None else None


def _piece(text: str, pos: int) -> str:
    """What stands next in a text: a run, an escape, or the mark at its end."""
    return _PIECE.match(text, pos).group()  # type: ignore[union-attr]  # it matches everywhere


def _kind(content: str, wanted: frozenset[str]) -> str | None:
    """Which of the wanted types the content begins like."""
    found = (kind for kind in sorted(wanted) if content and content[0] in _BEGINS[kind])
    kind = next(found, None)
    if kind in ("integer", "number") and not _INTEGER.fullmatch(content):
        return "number" if "number" in wanted else None
    return kind


def _is_json(content: str) -> bool:
    """Whether it is one whole value that every reader of JSON takes."""
    try:
        content.encode()  # half of a surrogate pair
    except UnicodeEncodeError:
        return False
    reader = ValueReader(Repairs(frozenset()))
    # The blank ends a number.
    if reader.read(content + " ", 0) != len(content) or reader.status != DONE:
        return False
    return not _NUMBER_BEGINS.count(content[0]) or math.isfinite(float(content))
