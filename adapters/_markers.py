"""Finds a format's markers in text, whole ones and one that the end of the text has cut."""

import re
from functools import cache

from ._format import Form, Format

__all__ = ["CLOSE", "CUT", "PRELUDE", "Fence", "Markers", "markers_of"]

CLOSE = "close"
"""The group of a closing marker."""
CUT = "cut"
"""The group of what may become a marker with more text."""
PRELUDE = "prelude"
"""The group of markup that a reply may begin with."""


class Markers:
    """The markers of a format.

    Its patterns match an opening marker, in the group `form0`, `form1`... of its form, with the lead before it; or
    a closing marker; or a prelude; or what may still become one of these.
    """

    def __init__(self, format: Format) -> None:
        self.forms: dict[str, Form] = {f"form{index}": form for index, form in enumerate(format.forms)}
        self._lead = format.lead
        self._patterns: dict[tuple[str, str], re.Pattern[str]] = {}
        self.start = self._start(format.preludes)
        """What counts only at the start of a reply; None if nothing does."""

    def text(self, close: str = "") -> re.Pattern[str]:
        """In text: the opening markers, and the closing one that is being waited for."""
        return self._made("text", close, self.forms, led=True)

    def adjacent(self, close: str = "") -> re.Pattern[str]:
        """Behind a call and its separator: the same, without what leads to an opening marker in text."""
        return self._made("adjacent", close, self.forms, led=False)

    def bad_arguments(self, close: str = "") -> re.Pattern[str]:
        """In arguments that have gone bad: their closing marker, or the next opening one if they have none."""
        forms = {} if close else {group: form for group, form in self.forms.items() if form.marked}
        return self._made("bad", close, forms, led=True)

    def _made(self, where: str, close: str, forms: dict[str, Form], *, led: bool) -> re.Pattern[str]:
        key = (where, close)
        if key not in self._patterns:
            whole: list[str] = []
            literals: list[str] = []
            for group, form in forms.items():
                opener = form.open.strip()
                lead = ("\n" if form.at_line_start else self._lead) if led else ""
                optional = "" if form.at_line_start else "?"
                whole.append(f"(?:{re.escape(lead)}){optional}(?P<{group}>{re.escape(opener) or '[{[]'})")
                literals += [lead + (opener or "{"), "" if form.at_line_start else opener]
            if close:
                whole.append(f"(?P<{CLOSE}>{re.escape(close)})")
            self._patterns[key] = _pattern(whole or ["(?!)"], [*literals, close])
        return self._patterns[key]

    def _start(self, preludes: tuple[str, ...]) -> re.Pattern[str] | None:
        openers = {group: form.open.strip() for group, form in self.forms.items() if form.at_line_start}
        if not openers and not preludes:
            return None
        longest_first = sorted(preludes, key=len, reverse=True)
        whole = [f"(?P<{PRELUDE}>{'|'.join(map(re.escape, longest_first))})"] if preludes else []
        whole += [f"(?P<{group}>{re.escape(opener)})" for group, opener in openers.items()]
        return _pattern(whole, [*preludes, *openers.values()], cuts_first=True)


@cache
def markers_of(format: Format) -> Markers:
    """The markers of a format; their patterns are made once."""
    return Markers(format)


def _pattern(whole: list[str], literals: list[str], *, cuts_first: bool = False) -> re.Pattern[str]:
    cuts = sorted({_cut(literal) for literal in literals if len(literal) > 1})
    cut = [f"(?P<{CUT}>(?:{'|'.join(cuts)})\\Z)"] if cuts else []
    return re.compile("|".join([*cut, *whole] if cuts_first else [*whole, *cut]))


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
