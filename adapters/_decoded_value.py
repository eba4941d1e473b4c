"""Reads arguments that are JSON once more: an object written into a string."""

import json
import re

from ._repairs import Repairs
from ._values import BAD, DONE, HOLD, MORE, Value, ValueReader

__all__ = ["DecodedReader", "opening_in_string"]

_STRING_WHITE = re.compile(r"(?:[ \t\n\r]|\\[nrt])*")
_PLAIN = {'"': re.compile(r'[^"\\]+'), "'": re.compile(r"[^'\\]+")}
_HIGH, _LOW = r"u[dD][89abAB][0-9A-Fa-f]{2}", r"u[dD][c-fC-F][0-9A-Fa-f]{2}"
_CUT = rf"(?P<cut>(?:u[0-9A-Fa-f]{{0,3}}|{_HIGH}(?:\\(?:u(?:[dD](?:[c-fC-F][0-9A-Fa-f]?)?)?)?)?)?\Z)"
_DECODABLE = re.compile(rf"\\(?:{_CUT}|{_HIGH}\\{_LOW}|u[0-9A-Fa-f]{{4}}|[\"'\\/bfnrt])")
_UNESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class DecodedReader(Value):
    """Reads a value that was written into a string, from behind the opening quote: `"{\\"city\\": \\"Paris\\"}"`.

    It is DONE behind the closing quote, and complete as soon as the object is.
    """

    __slots__ = ("_inner", "_quote")

    def __init__(self, repairs: Repairs, quote: str) -> None:
        super().__init__()
        self._inner = ValueReader(repairs)
        self._quote = quote

    @property
    def complete(self) -> bool:
        return self._inner.complete

    def take(self) -> str:
        return self._inner.take()

    def read(self, text: str, pos: int) -> int:
        if self._inner.status == MORE:
            decoded, places, closed = _decode(text, pos, self._quote)
            pos = places[self._inner.read(decoded, 0)]
            self.opened, self.doubled = self._inner.opened, self._inner.doubled
            if self._inner.status == BAD or (closed and self._inner.status == MORE):
                self.status = BAD
                return pos
        if self._inner.status == DONE and pos < len(text):
            pos = _STRING_WHITE.match(text, pos).end()  # type: ignore[union-attr]  # it matches everywhere
            if pos < len(text) and text[pos:] != "\\":
                self.status = DONE
                pos += text[pos] == self._quote
        return pos


def _decode(text: str, pos: int, quote: str) -> tuple[str, list[int], bool]:
    """The characters that a string stands for, the position each comes from and the one behind them, and whether
    the string ends there. An escape that is cut is left for later."""
    chars: list[str] = []
    places: list[int] = []
    closed = False
    while pos < len(text):
        plain = _PLAIN[quote].match(text, pos)
        if plain:
            chars.append(plain.group())
            places.extend(range(pos, plain.end()))
            pos = plain.end()
            continue
        closed = text[pos] == quote
        escape = _DECODABLE.match(text, pos)
        if closed or (escape and escape["cut"] is not None):
            break
        char, end = ("\\", pos + 1) if escape is None else (_unescape(escape.group()), escape.end())
        chars.append(char)
        places.extend([pos] * len(char))
        pos = end
    places.append(pos)
    return "".join(chars), places, closed


def _unescape(escape: str) -> str:
    if escape[1] != "u":
        return _UNESCAPED.get(escape[1], escape[1])
    char: str = json.loads(f'"{escape}"')
    return escape if "\ud800" <= char <= "\udfff" else char  # half a pair stays an escape


def opening_in_string(text: str, pos: int) -> int:
    """The position of the first character inside a string that stands for no white space: see `next_significant`."""
    end = _STRING_WHITE.match(text, pos, pos + HOLD).end()  # type: ignore[union-attr]  # it matches everywhere
    return len(text) if text[end:] == "\\" else end
