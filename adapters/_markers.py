"""Finds a format's markers in text, whole ones and one that the end of the text has cut."""

import re
from functools import cache

from ._format import Format, JsonCall

__all__ = ["CLOSE", "CUT", "Fence", "Markers", "closer_pattern"]

CLOSE = "close"
"""The group of a closing marker."""
CUT = "cut"
"""The group of what may become a marker with more text."""


class Markers:
    """The opening markers of a format.

    The patterns match one of them, in the group `form0`, `form1`... of its form, with the lead before it; or the
    closing marker that is being waited for; or what may still become one of these.
    """

    def __init__(self, format: Format) -> None:
        self.forms: dict[str, JsonCall] = {f"form{index}": form for index, form in enumerate(format.forms)}
        self._lead = format.lead
        self._patterns: dict[str, re.Pattern[str]] = {}

    def pattern(self, close: str = "") -> re.Pattern[str]:
        """The pattern of the opening markers, and of the closing one that is being waited for."""
        if close not in self._patterns:
            whole, literals = [], []
            for group, form in self.forms.items():
                opener = form.open.strip()
                whole.append(
                    f"(?:{re.escape(self._lead)})?(?P<{group}>{re.escape(opener) if opener else '[{[]'})"
                )
                literals += [opener, self._lead + (opener or "{")]
            self._patterns[close] = _pattern(
                [*whole, f"(?P<{CLOSE}>{re.escape(close)})"] if close else whole, [*literals, close]
            )
        return self._patterns[close]


@cache
def markers_of(format: Format) -> Markers:
    """The markers of a format; their patterns are made once."""
    return Markers(format)


@cache
def closer_pattern(close: str) -> re.Pattern[str]:
    """The pattern of one closing marker."""
    return _pattern([f"(?P<{CLOSE}>{re.escape(close)})"], [close])


def _pattern(whole: list[str], literals: list[str]) -> re.Pattern[str]:
    cuts = sorted({_cut(literal) for literal in literals if len(literal) > 1})
    alternatives = [*whole, f"(?P<{CUT}>(?:{'|'.join(cuts)})\\Z)"] if cuts else whole
    return re.compile("|".join(alternatives))


def _cut(literal: str) -> str:
    """Every proper beginning of the literal: `a(?:b(?:c)?)?` for `abcd`."""
    pattern = ""
    for char in reversed(literal[:-1]):
        pattern = re.escape(char) + (f"(?:{pattern})?" if pattern else "")
    return pattern


class Fence:
    """Whether prose stands inside an open code fence: a line that begins with three backticks."""

    __slots__ = ("_line", "open")

    def __init__(self) -> None:
        self.open = False
        self._line = ""

    def feed(self, text: str) -> None:
        """Takes the next piece of the prose."""
        first, *lines = text.split("\n") if "\n" in text else (text,)
        self._extend(first)
        for line in lines:
            self._line = ""
            self._extend(line)

    def _extend(self, text: str) -> None:
        # Up to three blanks may stand before a fence: seven characters decide.
        if len(self._line) < 7:
            before = self._line.lstrip(" ").startswith("```")
            self._line += text[: 7 - len(self._line)]
            if not before and self._line.lstrip(" ").startswith("```"):
                self.open = not self.open
