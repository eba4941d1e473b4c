"""Reads one value as it arrives and writes it as JSON: valid JSON byte for byte, near misses repaired.

Near misses are what models write in place of JSON: a Python literal (single quotes, `True`, `None`), a raw line
feed in a string, a trailing comma, `{{`. Each repair has a name, is counted, and can be switched off; where one is
off, or nothing helps, the value is bad from that character on.
"""

import re
from collections.abc import Callable

from ._repairs import Repairs
from ._runs import Runs

__all__ = [
    "BAD",
    "DONE",
    "HOLD",
    "MAX_DEPTH",
    "MORE",
    "WHITE",
    "Value",
    "ValueReader",
    "cut",
    "next_significant",
    "skip_white",
]

MORE, DONE, BAD = range(3)

# What is nested deeper would not load: Python's and most clients' JSON readers recurse.
MAX_DEPTH = 200
# Nor would a longer integer: Python refuses to convert it.
MAX_DIGITS = 4300

HOLD = 64
"""How many characters a comma, a quote or a separator may be held back, with the white space behind it."""

WHITE = " \t\n\r"
_WHITE_RUN = re.compile(r"[ \t\n\r]*")
_RUNS = Runs(r'\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})')
_RUN_SINGLE = re.compile(r"""[^'"\\\x00-\x1f]*""")
_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}|(?P<cut>(?:u[0-9A-Fa-f]{0,3})?\Z))')
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_DIGITS = re.compile(r"[0-9]*")
_EXPONENT = re.compile(r"[eE][+-]?[0-9]")
_EXPONENT_CUT = re.compile(r"[eE][+-]?\Z")
_CONTROL = {chr(code): f"\\u{code:04x}" for code in range(32)} | {
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
}
_WORDS = {
    "true": ("true", None),
    "false": ("false", None),
    "null": ("null", None),
    "True": ("true", "python_constant"),
    "False": ("false", "python_constant"),
    "None": ("null", "python_constant"),
    "NaN": ("null", "not_a_number"),
    "Infinity": ("null", "not_a_number"),
    "-Infinity": ("null", "not_a_number"),
}
_WORD = re.compile("|".join(_WORDS))
_WORD_STARTS = frozenset(word[:end] for word in _WORDS for end in range(1, len(word)))


class Value:
    """What reads the arguments of a call, whatever they are written in, and writes them as JSON.

    `read(text, pos)` reads on and returns the position up to which it has; what lies behind that position is to be
    given again with more text (an escape or a number cut in two, a comma that may be a trailing one). Then `status`
    is MORE; DONE once the value is whole; BAD when the character at the position cannot follow. `take` gives the
    JSON.
    """

    __slots__ = ("doubled", "opened", "out", "status")

    def __init__(self) -> None:
        self.out: list[str] = []
        self.status = MORE
        self.opened = False
        """An object whose first key has begun, or that has closed without one."""
        self.doubled = False
        """The value's own opening brace was doubled: one closing brace more is to be expected."""

    @property
    def complete(self) -> bool:
        return self.status == DONE

    @property
    def closable(self) -> bool:
        """BAD where only closing braces are missing."""
        return False

    def read(self, text: str, pos: int) -> int:
        raise NotImplementedError

    def finish(self, text: str, pos: int) -> int:
        """The reply ends behind the text: most values make nothing of that."""
        return pos

    def close(self) -> None:
        """Writes the closing braces that are missing; only where `closable`."""
        raise AssertionError

    def take(self) -> str:
        """The JSON that is certain and was not taken yet; it ends with no half of an escape."""
        pieces = self.out
        taken = pieces[0] if len(pieces) == 1 else "".join(pieces)
        pieces.clear()
        return taken


class ValueReader(Value):
    """Reads one value that is JSON, or nearly."""

    __slots__ = ("_digits", "_is_key", "_mark", "_number", "_stack", "_step", "_text", "repairs")
    _runs = _RUNS

    def __init__(self, repairs: Repairs, *, inside: bool = False) -> None:
        """With `inside` it starts inside an object, after a member: it is DONE at that object's end."""
        super().__init__()
        self.repairs = repairs
        self._stack: list[str] = ["{"] if inside else []
        self._step: Callable[[str, int], int | None] = self._next if inside else self._value
        self._is_key = False
        self._digits = 0
        self._number = False
        self._text = ""
        self._mark = 0

    def read(self, text: str, pos: int) -> int:
        self._text = text
        self._mark = pos
        size = len(text)
        while pos < size and self.status == MORE:
            after = self._step(text, pos)
            if after is None:
                break
            pos = after
        if pos > self._mark:
            self.out.append(text[self._mark : pos])
        return pos

    @property
    def closable(self) -> bool:
        """Not in an array, nor behind a number that might go on."""
        return self.status == BAD and self._step == self._next and "[" not in self._stack and not self._number

    def close(self) -> None:
        self.status = DONE
        self.out.append("}" * len(self._stack))

    # The steps: each looks at text[pos], which is there, and returns the position after what it has read, or None
    # if that cannot be told without more text. White space is a step of its own.

    def _value(self, text: str, pos: int) -> int | None:
        char = text[pos]
        if char in WHITE:
            return skip_white(text, pos)
        if char in "\"'":
            return self._open_string(char, pos, is_key=False)
        if char in "{[":
            if len(self._stack) == MAX_DEPTH:
                return self._bad(pos)
            self._stack.append(char)
            self._step = self._first_key if char == "{" else self._first_item
            return pos + 1
        number = _INTEGER.match(text, pos)
        if number:
            self._digits = len(number.group())
            self._step = self._zero if number.group() in ("0", "-0") else self._integer
            return number.end() if self._digits <= MAX_DIGITS else self._bad(pos + MAX_DIGITS)
        return self._word(text, pos)

    def _first_item(self, text: str, pos: int) -> int | None:
        if text[pos] in WHITE:
            return skip_white(text, pos)
        if text[pos] == "]":
            return self._close_array(pos)
        self._step = self._item
        return pos

    def _item(self, text: str, pos: int) -> int:
        if text[pos] in WHITE:
            return skip_white(text, pos)
        after = self._items(text, pos)
        if after == pos:
            self._step = self._value
        return after

    def _first_key(self, text: str, pos: int) -> int | None:
        char = text[pos]
        if char == "}":
            return self._close_object(pos)
        if char == "{" and self._stack[-1] == "{" and self.repairs.make("doubled_brace"):
            self._stack[-1] = "{{"
            return self._replace(pos, pos + 1, "")
        return self._next_key(text, pos)

    def _next_key(self, text: str, pos: int) -> int | None:
        char = text[pos]
        if char in WHITE:
            return skip_white(text, pos)
        if char not in "\"'":
            return self._bad(pos)
        after = self._members(text, pos)
        return after if after > pos else self._open_string(char, pos, is_key=True)

    def _members(self, text: str, pos: int) -> int:
        """Members that are plain and whole, all at once; the position is the next key's, or the closing brace's."""
        end = self._runs.members.match(text, pos).end()  # type: ignore[union-attr]  # it matches everywhere
        if end > pos:
            self.opened = True
            self._step = self._next if text[end] == "}" else self._next_key
        return end

    def _items(self, text: str, pos: int) -> int:
        """Items that are plain and whole, all at once; the position is the next one's, or the closing bracket's."""
        end = self._runs.items.match(text, pos).end()  # type: ignore[union-attr]  # it matches everywhere
        if end > pos and text[end] == "]":
            self._step = self._next
        return end

    def _colon(self, text: str, pos: int) -> int | None:
        if text[pos] in WHITE:
            return skip_white(text, pos)
        if text[pos] != ":":
            return self._bad(pos)
        self._step = self._value
        return pos + 1

    def _next(self, text: str, pos: int) -> int | None:
        char = text[pos]
        if char in WHITE:
            return skip_white(text, pos)
        in_array = self._stack[-1] == "["
        if char == ",":
            return self._comma(text, pos, "]" if in_array else "}")
        if char == "}" and not in_array:
            return self._close_object(pos)
        if char == "]" and in_array:
            return self._close_array(pos)
        return self._bad(pos)

    def _comma(self, text: str, pos: int, closer: str) -> int | None:
        held = next_significant(text, pos + 1)
        if held == len(text):
            return None
        if text[held] == closer and self.repairs.make("trailing_comma"):
            return self._replace(pos, pos + 1, "")
        self._step = self._item if closer == "]" else self._next_key
        return pos + 1

    def _close_array(self, pos: int) -> int:
        self._stack.pop()
        return self._complete(pos + 1)

    def _close_object(self, pos: int) -> int:
        self.opened = True
        doubled = self._stack.pop() == "{{"
        if doubled and self._stack:
            self._step = self._second_brace
            return pos + 1
        self.doubled = doubled
        return self._complete(pos + 1)

    def _second_brace(self, text: str, pos: int) -> int | None:
        if text[pos] in WHITE:
            return skip_white(text, pos)
        return self._complete(self._replace(pos, pos + 1, "") if text[pos] == "}" else pos)

    def _open_string(self, quote: str, pos: int, *, is_key: bool) -> int:
        self._is_key = is_key
        if quote == '"':
            self._step = self._string
            self.opened = True
            return pos + 1
        if not self.repairs.make("single_quotes"):
            return self._bad(pos)
        self._step = self._single
        self.opened = True
        return self._replace(pos, pos + 1, '"')

    def _string(self, text: str, pos: int) -> int | None:
        end = self._runs.string.match(text, pos).end()  # type: ignore[union-attr]  # it matches everywhere
        if end > pos:
            return end
        if text[pos] == '"':
            return self._close_string(pos + 1)
        return self._escape(text, pos) if text[pos] == "\\" else self._control(text, pos)

    def _single(self, text: str, pos: int) -> int | None:
        end = _RUN_SINGLE.match(text, pos).end()  # type: ignore[union-attr]  # it matches everywhere
        if end > pos:
            return end
        char = text[pos]
        if char == '"':
            return self._replace(pos, pos + 1, '\\"')
        if char != "'":
            return self._escape(text, pos) if char == "\\" else self._control(text, pos)
        held = next_significant(text, pos + 1)
        if held == len(text):
            return None
        if text[held] in "\"'" and not self._is_key:  # 'one' 'two' is one string in Python
            self._step = self._string if text[held] == '"' else self._single
            return self._replace(pos, held + 1, "")
        return self._close_string(self._replace(pos, pos + 1, '"'))

    def _close_string(self, pos: int) -> int:
        if self._is_key:
            self._step = self._colon
            return pos
        return self._complete(pos)

    def _escape(self, text: str, pos: int) -> int | None:
        escape = _ESCAPE.match(text, pos)
        if escape:
            return escape.end() if escape["cut"] is None else None
        if not self.repairs.make("invalid_escape"):
            return self._bad(pos)
        char = text[pos + 1]
        if char == "'":
            return self._replace(pos, pos + 2, char)
        if char in _CONTROL:
            return self._replace(pos, pos + 2, _CONTROL[char])
        return self._replace(pos, pos + 1, "\\\\")

    def _control(self, text: str, pos: int) -> int:
        if not self.repairs.make("control_character"):
            return self._bad(pos)
        return self._replace(pos, pos + 1, _CONTROL[text[pos]])

    def _integer(self, text: str, pos: int) -> int | None:
        end = _DIGITS.match(text, pos).end()  # type: ignore[union-attr]  # it matches everywhere
        if end == pos:
            return self._zero(text, pos)
        room = MAX_DIGITS - self._digits
        self._digits += end - pos
        return end if end - pos <= room else self._bad(pos + max(room, 0))

    def _zero(self, text: str, pos: int) -> int | None:
        if text[pos] != ".":
            return self._exponent(text, pos)
        if pos + 1 == len(text):
            return None
        if text[pos + 1] not in "0123456789":
            return self._bad(pos)
        self._step = self._fraction
        return pos + 2

    def _fraction(self, text: str, pos: int) -> int | None:
        end = _DIGITS.match(text, pos).end()  # type: ignore[union-attr]  # it matches everywhere
        return end if end > pos else self._exponent(text, pos)

    def _exponent(self, text: str, pos: int) -> int | None:
        if text[pos] not in "eE":
            return self._number_done(pos)
        if _EXPONENT_CUT.match(text, pos):
            return None
        exponent = _EXPONENT.match(text, pos)
        if exponent is None:
            return self._bad(pos)
        self._step = self._exponent_digits
        return exponent.end()

    def _exponent_digits(self, text: str, pos: int) -> int:
        end = _DIGITS.match(text, pos).end()  # type: ignore[union-attr]  # it matches everywhere
        return end if end > pos else self._number_done(pos)

    def _number_done(self, pos: int) -> int:
        self._complete(pos)
        self._number = True
        return pos

    def _word(self, text: str, pos: int) -> int | None:
        word = _WORD.match(text, pos)
        if word is None:
            start = text[pos : pos + 10]
            return None if len(text) - pos < 10 and start in _WORD_STARTS else self._bad(pos)
        written, repair = _WORDS[word.group()]
        if repair is None:
            return self._complete(word.end())
        if not self.repairs.make(repair):
            return self._bad(pos)
        return self._complete(self._replace(pos, word.end(), written))

    # What the steps share.

    def _replace(self, start: int, end: int, by: str) -> int:
        self.out.append(self._text[self._mark : start] + by)
        self._mark = end
        return end

    def _bad(self, pos: int) -> int:
        self.status = BAD
        return pos

    def _complete(self, pos: int) -> int:
        self._number = False
        if self._stack:
            self._step = self._next
        else:
            self.status = DONE
        return pos


def cut(literal: str, text: str, pos: int) -> bool:
    """Whether the text ends, at or behind `pos`, before it is clear that the literal stands there."""
    return len(text) - pos < len(literal) and literal.startswith(text[pos:])


def skip_white(text: str, pos: int) -> int:
    """The position behind the white space at `pos`."""
    return _WHITE_RUN.match(text, pos).end()  # type: ignore[union-attr]  # it matches everywhere


def next_significant(text: str, pos: int) -> int:
    """The position of the next character that is not white space; the end of the text if that is not there yet.

    More than `HOLD` white space is not looked past: then it is the position of one of its characters.
    """
    return min(skip_white(text, pos), pos + HOLD)
