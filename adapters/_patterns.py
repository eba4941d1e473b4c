"""Patterns of JSON Schema as expressions of xgrammar's EBNF, for what is written between the quotes of a string.

Why not xgrammar's own `Regex`: 0.2.8 reads `(ab*)?c` as if it were `(ab*|b*)c`, and some counts wrongly as well. Its
EBNF has neither fault.
"""

import json
import re
from collections.abc import Iterable, Mapping

from ._errors import SchemaError

__all__ = ["plain_but", "written"]

_Ranges = list[tuple[int, int]]
"""Code points, from one to another."""

PIECE = re.compile(
    r"\\u[0-9a-fA-F]{4} | \\. | \[(?:\\.|[^]\\])+\] | \(\?: | [*+?]\?? | \{[0-9,]+\}\?? | .", re.VERBOSE
)
MEMBER = re.compile(r"(\\u[0-9a-fA-F]{4}|\\.|.)(?:-(\\u[0-9a-fA-F]{4}|\\.|.))?", re.DOTALL)
# What ECMAScript means by them.
CLASSES: Mapping[str, _Ranges] = {
    r"\d": [(0x30, 0x39)],
    r"\w": [(0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)],
    r"\s": [(ord(char), ord(char)) for char in "\t\n\v\f\r \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff"]
    + [(0x2000, 0x200A)],
}
LINE_BREAKS = [(ord(char), ord(char)) for char in "\n\r\u2028\u2029"]
CONTROLS = {r"\n": 10, r"\r": 13, r"\t": 9}
NO_TEXT = [(0x00, 0x1F), (ord("\\"), ord("\\")), (0xD800, 0xDFFF)]
"""Control characters and the backslash, which need an escape, and halves of pairs."""


def written(pattern: str, quote: str) -> str:
    """What may stand between two quotes for a text that fits a pattern as a whole, with characters as they are.

    Args:
        pattern: one that `normalise` lets through.
        quote: the quotes; they are escaped where the pattern asks for them, and otherwise do not occur.

    Raises:
        SchemaError: no character fits one of the pattern's classes.
    """
    pieces = ['""']
    for piece in PIECE.findall(pattern.removeprefix("^").removesuffix("$")):
        if piece[0] in "*+?{":
            pieces[-1] += piece[: len(piece) - (piece[-1] == "?" and len(piece) > 1)]
        elif piece in ("(", "(?:", "|"):
            pieces += [piece[0], '""']
        else:
            pieces.append(piece if piece == ")" else _character(piece, quote))
    return f"({' '.join(pieces)})"


def plain_but(characters: Iterable[str]) -> str:
    """One character that needs no escape and is none of these."""
    # Never as `[^...]`: of `\x1f` and a hexadecimal digit behind it xgrammar 0.2.8 makes one character.
    return _class(_others([*NO_TEXT, *((ord(char), ord(char)) for char in characters)]))


def _character(piece: str, quote: str) -> str:
    ranges = _meant(piece)
    plain = _others([*_others(ranges), *NO_TEXT, (ord(quote), ord(quote))])
    if plain:
        return _class(plain)
    if ranges == [(ord(quote), ord(quote))] or ranges == [(ord("\\"), ord("\\"))]:
        return f'"\\\\\\{chr(ranges[0][0])}"'
    raise SchemaError(f"no character of a text without escapes fits {piece!r}")


def _meant(piece: str) -> _Ranges:
    """The characters that one piece of a pattern stands for."""
    if piece == ".":
        return _others(LINE_BREAKS)
    if piece[0] != "[":
        return _member(piece, "")
    inside = piece[1:-1].removeprefix("^")
    ranges = [span for first, last in MEMBER.findall(inside) for span in _member(first, last)]
    return _others(ranges) if piece[1] == "^" else ranges


def _member(first: str, last: str) -> _Ranges:
    if first in CLASSES:
        return CLASSES[first]
    if first.lower() in CLASSES:
        return _others(CLASSES[first.lower()])
    return [(_code(first), _code(last or first))]


def _code(char: str) -> int:
    return CONTROLS.get(char) or ord(json.loads(f'"{char}"') if char[:2] == r"\u" else char[-1])


def _others(ranges: Iterable[tuple[int, int]]) -> _Ranges:
    """All code points but these."""
    found, free = [], 0
    for first, last in sorted(ranges):
        if free < first:
            found.append((free, first - 1))
        free = max(free, last + 1)
    return [*found, (free, 0x10FFFF)] if free <= 0x10FFFF else found


def _class(ranges: _Ranges) -> str:
    return f"[{''.join(map(_range, ranges))}]"


def _range(span: tuple[int, int]) -> str:
    first, last = (chr(code) if chr(code).isalnum() and code < 0x80 else f"\\U{code:08x}" for code in span)
    return first if first == last else f"{first}-{last}"
