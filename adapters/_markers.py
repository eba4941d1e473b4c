"""Finds a format's markers in text, whole ones and one that the end of the text has cut."""

import re
from collections.abc import Sequence
from functools import cache

from ._format import MAX_NAME, NAME_CHARS, Form, Format, PythonCall

__all__ = ["CLOSE", "CUT", "LINE", "PRELUDE", "TURN", "WORD", "Fence", "Markers", "markers_of"]

CLOSE = "close"
"""The group of a closing marker."""
CUT = "cut"
"""The group of what may become a marker with more text."""
PRELUDE = "prelude"
"""The group of markup that a reply may begin with."""

LINE = "line"
"""The group of the line feed behind what may be a name."""
TURN = "turn"
"""The group of a marker that begins another turn, and no call."""
WORD = "word"
"""The group of what may become a name with more text."""

# Some tokenizers put white space between two special tokens when they write them as text.
_BETWEEN_TOKENS = re.compile(r"(?<=[>\]])(?=[<\[])")
_WHITE = r"[ \t\n\r]{0,8}"
_BLANKS = "[ ]{0,4}"
# Below a name that has no marker before it only a fence begins a call.
_NO_LINE = r"(?![ \t\n\r]{0,63}[^ \t\n\r`])"
_NAME = f"{NAME_CHARS}{{1,{MAX_NAME}}}+"


class Markers:
    """The markers of a format.

    Its patterns match an opening marker, in the group `form0`, `form1`... of its form, with the lead before it; or
    a closing marker; or a prelude; or what may still become one of these. Where a name opens a call, they match what
    may be one: which names do, the patterns do not know.
    """

    def __init__(self, format: Format) -> None:
        self.forms: dict[str, Form] = {f"form{index}": form for index, form in enumerate(format.forms)}
        self._lead = format.lead
        self._patterns: dict[tuple[str, str], re.Pattern[str]] = {}
        names, others = self._names(), self._line_starts()
        self.start = _pair(_prelude(format.preludes), names, others)
        """What counts only at the start of a reply, and what may become that; they match nothing if nothing does."""
        self.behind_blank = _pair(names, others)
        """The same behind a prelude of blanks."""
        self.behind_prelude = _pair(others)
        """The same behind another prelude: the turn that the prompt has begun is no call any more."""

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
            cuts: list[str] = []
            for group, form in forms.items():
                opener = _atoms(form.open.strip() or "{")
                cuts.append("" if form.at_line_start else _beginnings(opener))
                if isinstance(form, PythonCall):
                    turn = "".join(opener) + _BLANKS
                    cuts.append(f"{turn}{NAME_CHARS}{{0,{MAX_NAME}}}")
                    if where == "text":
                        whole.append(f"(?P<{TURN}>{turn}(?=\n))")
                        whole.append(
                            f"(?P<{group}>{turn}{_NAME}\n)|(?P<{LINE}>(?<={NAME_CHARS})\n{_NO_LINE})"
                        )
                        whole.append(rf"(?P<{WORD}>{NAME_CHARS}\Z)")
                    elif where == "adjacent":
                        whole.append(f"(?P<{group}>(?:{turn})?{_NAME}\n)")
                        whole.append(rf"(?P<{WORD}>{_NAME}\Z)")
                    else:
                        whole.append(f"(?P<{group}>{turn}{_NAME}\n)")
                    continue
                lead = ("\n" if form.at_line_start else self._lead) if led else ""
                optional = "" if form.at_line_start else "?"
                whole.append(f"(?:{re.escape(lead)}){optional}(?P<{group}>{_opener(form)})")
                cuts.append(_beginnings([*map(re.escape, lead), *opener]))
            if close:
                whole.append(f"(?P<{CLOSE}>{re.escape(close)})")
                cuts.append(_beginnings(_atoms(close)))
            cut = "|".join(sorted({*filter(None, cuts)}))
            self._patterns[key] = re.compile(
                "|".join([*whole, rf"(?P<{CUT}>(?:{cut})\Z)"] if cut else whole or ["(?!)"])
            )
        return self._patterns[key]

    def _names(self) -> "_Starts":
        return [
            (f"(?P<{group}>{_BLANKS}{_NAME}\n)", f"{_BLANKS}{NAME_CHARS}{{0,{MAX_NAME}}}")
            for group, form in self.forms.items()
            if isinstance(form, PythonCall)
        ]

    def _line_starts(self) -> "_Starts":
        return [
            (f"(?P<{group}>{_opener(form)})", _beginnings(_atoms(form.open.strip())))
            for group, form in self.forms.items()
            if form.at_line_start
        ]


_Starts = list[tuple[str, str]]
"""Patterns, each with one of what may become what it matches."""


@cache
def markers_of(format: Format) -> Markers:
    """The markers of a format; their patterns are made once."""
    return Markers(format)


def _prelude(preludes: tuple[str, ...]) -> _Starts:
    longest_first = sorted(preludes, key=len, reverse=True)
    whole = f"(?P<{PRELUDE}>{'|'.join(map(re.escape, longest_first))})"
    return (
        [(whole, "|".join(filter(None, (_beginnings(_atoms(one)) for one in preludes))))] if preludes else []
    )


def _pair(*starts: _Starts) -> tuple[re.Pattern[str], re.Pattern[str]]:
    whole, cuts = ([pair[side] for some in starts for pair in some if pair[side]] for side in (0, 1))
    return re.compile("|".join(whole) or "(?!)"), re.compile(rf"(?:{'|'.join(cuts)})\Z" if cuts else "(?!)")


def _opener(form: Form) -> str:
    return "".join(_atoms(form.open.strip())) or r"[{\[]"


def _atoms(literal: str) -> list[str]:
    """The patterns of a literal's characters, and of the white space that may stand between two special tokens."""
    first, *others = _BETWEEN_TOKENS.split(literal)
    atoms = [re.escape(char) for char in first]
    for token in others:
        atoms += [_WHITE, *map(re.escape, token)]
    return atoms


def _beginnings(atoms: Sequence[str]) -> str:
    """Every proper beginning of a literal: `a(?:b(?:c)?)?` for `abcd`."""
    pattern = ""
    for atom in reversed(atoms[:-1]):
        pattern = atom + (f"(?:{pattern})?" if pattern else "")
    return pattern


class Fence:
    """Whether prose stands inside an open code fence: a line that begins with three backticks."""

    __slots__ = ("_line", "open")

    def __init__(self) -> None:
        self.open = False
        self._line = ""

    def feed(self, text: str) -> None:
        """Takes the next piece of the prose."""
        first, *lines = text.split("\n")
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
