"""Reads one call written as a JSON object: name, arguments, and whatever stands around them."""

import re
from collections.abc import Callable, Mapping
from functools import cache, partial

from ._format import ARGUMENTS_KEYS, MAX_NAME, NAME_CHARS, NAME_LETTERS, SKIPPED_KEYS, JsonCall
from ._python_value import PythonReader
from ._reader import CallReader, Setting, Start, fence_line
from ._values import BAD, DONE, WHITE, ValueReader, next_significant, skip_white

__all__ = ["JsonCallReader"]

_KEY = re.compile(r"""(["'])([^"'\\\x00-\x1f]{0,64})\1""")
_KEY_CUT = re.compile(r"""["']([^"'\\\x00-\x1f]{0,64})\Z""")
# A name with an escape in it is none that a tool may have.
_NAME = re.compile(r"""(["'])([^"'\\\x00-\x1f]{1,256})\1""")
_NAME_CUT = re.compile(r"""["']([^"'\\\x00-\x1f]{0,256})\Z""")
_LATER_KEY = re.compile(r""",[ \t\n\r]{0,64}(?:\}|(["'])[^"'\\\x00-\x1f]{0,64}\1[ \t\n\r]{0,64}:)""")
_LATER_KEY_CUT = re.compile(r""",[ \t\n\r]{0,64}(?:(["'])[^"'\\\x00-\x1f]{0,64}(?:\1[ \t\n\r]{0,64})?)?\Z""")
_PYTHON_NAME = re.compile(rf"({NAME_CHARS}{{1,{MAX_NAME}}})\(")
_PYTHON_NAME_CUT = re.compile(rf"{NAME_CHARS}{{1,{MAX_NAME}}}\Z")


class JsonCallReader(CallReader):
    """Reads a JSON call, from its opening brace (or from the bracket of an array of calls) to its closing one."""

    def __init__(self, form: JsonCall, setting: Setting, start: Start) -> None:
        super().__init__(form, setting, start)
        self._certain = form.marked and not form.weak
        """What opened the call stands before nothing else."""
        self._weak = form.weak and self.marked
        self.marked = self.marked and self._certain
        self._python = form.python
        self.fenced = form.fenced
        if form.python:
            self.elements += NAME_LETTERS
        self._depth = 0
        self._skipped: ValueReader
        self._members = _members(form.name_key, form.arguments_key)
        self._member: _Step
        self._step = self._open

    # The steps before the announcement.

    def _open(self, text: str, pos: int) -> int | None:
        char = text[pos]
        if char in WHITE:
            return skip_white(text, pos)
        if char == "`" and self.close and not self.in_array and not self.fenced:
            fence = fence_line(text, pos)
            self.fenced = bool(fence)
            return fence or (None if fence is None else self._bad(pos))
        if char == "[" and not self.in_array:
            self.in_array = True
            return pos + 1
        if char != "{":
            return self._python_name(text, pos) if self._python and self.in_array else self._bad(pos)
        self._depth = 1
        self._step = self._first_key
        return pos + 1

    def _python_name(self, text: str, pos: int) -> int | None:
        """The name of a call in Python, which must be offered: a list of anything may stand in an answer."""
        name = _PYTHON_NAME.match(text, pos)
        if name is None:
            cut = _PYTHON_NAME_CUT.match(text, pos)
            return None if cut and self._offered.could_begin(cut.group()) else self._bad(pos)
        if name[1] not in self._offered:
            return self._bad(pos)
        self.name = name[1]
        self._value = PythonReader(self.repairs)
        self._step = self._read_arguments
        return name.end()

    def _first_key(self, text: str, pos: int) -> int | None:
        if text[pos] == "{" and self._depth == 1 and not self.surplus and self.repairs.make("doubled_brace"):
            self.surplus = 1
            return pos + 1
        return self._key(text, pos)

    def _key(self, text: str, pos: int) -> int | None:
        if text[pos] in WHITE:
            return skip_white(text, pos)
        if text[pos] == "}":
            return self._close(pos)
        if text[pos] not in "\"'":
            return self._no_json(pos)
        match = _KEY.match(text, pos)
        if match is None:
            cut = _KEY_CUT.match(text, pos)
            return None if cut and self._could_be_key(cut[1].strip()) else self._bad(pos)
        written = match[2]
        key = written.strip()
        member = self._members.get(key)
        if (
            (member is None and not self._certain)
            or (match[1] == "'" and not self.repairs.make("single_quotes"))
            or (key != written and not self.repairs.make("key_blank"))
        ):
            return self._bad(pos)
        self._member = partial(member or JsonCallReader._other, self)
        self._step = self._colon
        return match.end()

    def _could_be_key(self, start: str) -> bool:
        """Behind a marker that is certain any key may stand; else only those of a call."""
        return self._certain or any(key.startswith(start) for key in self._members)

    def _colon(self, text: str, pos: int) -> int:
        if text[pos] in WHITE:
            return skip_white(text, pos)
        if text[pos] != ":":
            return self._no_json(pos)
        self._step = self._member
        return pos + 1

    def _name(self, text: str, pos: int) -> int | None:
        if text[pos] in WHITE:
            return skip_white(text, pos)
        if self.name is not None:
            return self._other(text, pos)
        match = _NAME.match(text, pos)
        if match is None:
            start = _NAME_CUT.match(text, pos)
            possible = start and (self._certain or self._offered.could_begin(start[1]))
            return None if possible else self._bad(pos)
        name = match[2]
        if not name.strip() or (not self._certain and name not in self._offered):
            return self._bad(pos)
        if match[1] == "'" and not self.repairs.make("single_quotes"):
            return self._bad(pos)
        self.name = name
        self.marked = self.marked or self._weak
        self._step = self._next_member
        self._announce_if_certain()
        return match.end()

    def _arguments(self, text: str, pos: int) -> int | None:
        if text[pos] in WHITE:
            return skip_white(text, pos)
        if self._value is not None:
            return self._other(text, pos)
        return self._begin_arguments(text, pos)

    def _null_arguments(self) -> None:
        self._step = self._next_member  # arguments may still come under another key

    def _arguments_done(self) -> None:
        if isinstance(self._value, PythonReader):
            self.status = DONE
        self._step = self._tail if self.announced else self._next_member

    def _function(self, text: str, pos: int) -> int | None:
        if text[pos] in WHITE:
            return skip_white(text, pos)
        if text[pos] != "{" or self._depth == 2:
            return self._bad(pos)
        self._depth = 2
        self._step = self._first_key
        return pos + 1

    def _other(self, text: str, pos: int) -> int:
        """A member that says nothing about the call."""
        self._skipped = ValueReader(self.repairs)
        self._step = self._skip_member
        return pos

    def _skip_member(self, text: str, pos: int) -> int | None:
        after = self._skip(text, pos)
        if self._skipped.status == BAD:
            return self._bad(after)
        if self._skipped.status == DONE:
            self._step = self._next_member
        elif after == pos:
            return None
        return after

    def _next_member(self, text: str, pos: int) -> int | None:
        char = text[pos]
        if char in WHITE:
            return skip_white(text, pos)
        if char == ",":
            self._step = self._key
            return pos + 1
        return self._close(pos) if char == "}" else self._no_json(pos)

    def _no_json(self, pos: int) -> int:
        self.other = False
        return self._bad(pos)

    def _close(self, pos: int) -> int:
        self._step = self._next_member
        self._depth -= 1
        if self._depth:
            return pos + 1
        # No arguments at all: only a marker makes a call of that.
        if self.name is None or not self._certain:
            return self._bad(pos)
        self._call_without_arguments()
        return pos + 1

    def _announce_if_certain(self) -> None:
        value = self._value
        if value is not None and value.opened:
            self.announced = True
            if value.status == DONE:
                self._step = self._tail

    # The steps behind the arguments: the call is complete, nothing can undo it.

    def _tail(self, text: str, pos: int) -> int | None:
        here = next_significant(text, pos)
        if here == len(text):
            return None
        if text[here] == "}":
            return self._close_tail(here + 1)
        if text[here] == ",":
            if _LATER_KEY.match(text, here):
                self._skipped = ValueReader(self.repairs, inside=True)
                self._step = self._tail_members
                return here
            if _LATER_KEY_CUT.match(text, here):
                return None
        return self._over(pos)

    def _tail_members(self, text: str, pos: int) -> int | None:
        after = self._skip(text, pos)
        if self._skipped.status == BAD:
            return self._over(after)
        if self._skipped.status == DONE:
            return self._close_tail(after)
        return after if after > pos else None

    def _close_tail(self, pos: int) -> int:
        self._step = self._tail
        self._depth -= 1
        if not self._depth:
            self.status = DONE
        return pos

    def _over(self, pos: int) -> int:
        self.status = DONE
        return pos

    def _skip(self, text: str, pos: int) -> int:
        after = self._skipped.read(text, pos)
        self._skipped.out.clear()
        return after


_Step = Callable[[str, int], int | None]


@cache
def _members(
    name_key: str, arguments_key: str
) -> Mapping[str, Callable[[JsonCallReader, str, int], int | None]]:
    """The steps at the values of the keys that a call may have."""
    name, arguments, other = JsonCallReader._name, JsonCallReader._arguments, JsonCallReader._other
    return {
        "name": name,
        name_key: name,
        **dict.fromkeys((*ARGUMENTS_KEYS, arguments_key), arguments),
        "function": JsonCallReader._function,
        **dict.fromkeys(SKIPPED_KEYS, other),
    }
