"""What all calls have in common while they are read, whatever their form."""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from ._asked import Asked, asked_by
from ._decoded_value import DecodedReader, opening_in_string
from ._format import Form, Tool
from ._raw_value import RawReader
from ._repairs import REPAIRS, Repairs
from ._values import BAD, DONE, MORE, Value, ValueReader, cut

__all__ = ["FENCE", "CallReader", "Offered", "Setting", "Start", "fence_line"]

FENCE = "```"
_FENCE_LINE = re.compile(r"```[A-Za-z0-9_+-]{0,32}[ \t]{0,32}\r?\n")
_FENCE_LINE_CUT = re.compile(r"`{1,2}\Z|```[A-Za-z0-9_+-]{0,32}[ \t]{0,32}\r?\Z")
_INTERPRETERS = ("interpreter", "code_interpreter", "python", "ipython")
_NO_ARGUMENTS = ("null", "None")


class Offered:
    """The tools that the request offers."""

    __slots__ = ("_asked", "_parameters", "_sorted")

    def __init__(self, tools: Iterable[Tool]) -> None:
        self._parameters = {tool.name: tool.parameters for tool in tools}
        self._sorted = sorted(self._parameters)
        self._asked: dict[str, Asked | None] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._parameters

    def __iter__(self) -> Iterator[str]:
        return iter(self._parameters)

    def asked(self, name: str) -> Asked | None:
        """What the tool's schema asks for."""
        if name not in self._asked:
            self._asked[name] = asked_by(self._parameters.get(name))
        return self._asked[name]

    def could_begin(self, start: str) -> bool:
        """Whether some name begins like this."""
        place = bisect_left(self._sorted, start)
        return place < len(self._sorted) and self._sorted[place].startswith(start)

    @property
    def interpreter(self) -> str | None:
        """The tool that takes code."""
        return next((name for name in _INTERPRETERS if name in self._parameters), None)

    def is_interpreter(self, name: str | None) -> bool:
        """Whether this tool takes code."""
        return name in _INTERPRETERS and name in self._parameters

    def code_key(self, name: str) -> str:
        """The key of an interpreter's code: its only required text, else `code`."""
        parameters = self._parameters.get(name)
        if not isinstance(parameters, dict):
            return "code"
        required, properties = parameters.get("required"), parameters.get("properties")
        if not isinstance(required, list) or not isinstance(properties, dict):
            return "code"
        texts = [
            key
            for key in required
            if isinstance(properties.get(key), dict) and properties[key].get("type") == "string"
        ]
        return str(texts[0]) if len(texts) == 1 else "code"


class Setting(NamedTuple):
    """What all calls of a reply are read with."""

    offered: Offered
    repairs: frozenset[str] = REPAIRS
    """Those that may be made."""
    waits: tuple[str, ...] = ()
    """What stands behind a call that waits for its result."""


class Start(NamedTuple):
    """How a call begins."""

    opening: str = ""
    """The text that opened it."""
    name: str | None = None
    """Its name, if it is another call under the same head."""
    in_array: bool = False
    """It is a later call of an array."""


class CallReader:
    """Reads one call, from behind its opening marker.

    `read` works as `ValueReader.read` does. A call is `announced` once it is certain to be one: then `name` is set
    and `take` gives the pieces of its arguments. When `status` is BAD before that, it was no call; after that, its
    arguments have gone bad. DONE: the call is over, or what follows does not belong to it.

    A form of call is a subclass with steps: each looks at text[pos], which is there, and returns the position after
    what it has read, or None if that cannot be told without more text.
    """

    def __init__(self, form: Form, setting: Setting, start: Start) -> None:
        self.repairs = Repairs(setting.repairs)
        self.status = MORE
        self.name = start.name
        self.announced = False
        self.in_array = start.in_array
        """The call stands in an array of calls."""
        self.elements = "{"
        """What another call of the array may begin with."""
        self.fenced = False
        """It stands in a code fence between its markers, alone or with the rest of its array."""
        self.close = form.close.strip()
        """The closing marker that may follow."""
        self.surplus = 0
        """How many closing braces more than opening ones may follow."""
        self.marked = form.marked and not start.in_array
        """A marker of a call was seen."""
        self.other = True
        """If it was no call, it may be other JSON."""
        self.miss = "malformed"
        """Why it was no call, if it was none: one of `MISSES`."""
        self._offered = setting.offered
        self._value: Value | None = None
        self._step: Callable[[str, int], int | None]

    def read(self, text: str, pos: int) -> int:
        while pos < len(text) and self.status == MORE:
            after = self._step(text, pos)
            if after is None:
                break
            pos = after
        return pos

    def finish(self, text: str, pos: int) -> int:
        """The reply ends behind the text: some values end there, and only there."""
        return self._value.finish(text, pos) if self._value is not None else pos

    @property
    def complete(self) -> bool:
        """The arguments are one whole JSON object."""
        return self._value is not None and self._value.complete

    @property
    def closable(self) -> bool:
        """The arguments lack nothing but closing braces."""
        return self._value is not None and self._value.closable

    def close_arguments(self) -> None:
        """Writes the closing braces that are missing; only where `closable`."""
        assert self._value is not None
        self._value.close()

    def take(self) -> str:
        """The arguments read since the last time."""
        return self._value.take() if self._value is not None else ""

    def _begin_arguments(self, text: str, pos: int) -> int | None:
        """The step at the first character of the arguments: an object, one written into a string, or none."""
        char = text[pos]
        if char == "{":
            self._value = ValueReader(self.repairs)
            self._step = self._read_arguments
            return pos
        if char in "\"'":
            brace = opening_in_string(text, pos + 1)
            if brace == len(text):
                return None
            if text[brace] != "{" or not self.repairs.make("arguments_string"):
                return self._bad(pos)
            self._value = DecodedReader(self.repairs, char)
            self._step = self._read_arguments
            return brace
        for word in _NO_ARGUMENTS:
            if text.startswith(word, pos) and (word == "null" or self.repairs.make("python_constant")):
                self._null_arguments()
                return pos + len(word)
            if cut(word, text, pos):
                return None
        return self._bad(pos)

    def _read_raw(self, value: RawReader, name: str, pos: int) -> int:
        """Announces a call of `name` whose arguments are raw text from `pos` on."""
        self.name = name
        self._value = value
        self.announced = True
        self._step = self._read_arguments
        return pos

    def _read_arguments(self, text: str, pos: int) -> int | None:
        """The step that reads `_value`."""
        value = self._value
        assert value is not None
        after = value.read(text, pos)
        if self.name is not None and value.opened:
            self.announced = True
        if value.status == BAD:
            return self._bad(after)
        if value.status == DONE:
            self.surplus += value.doubled
            self._arguments_done()
        elif after == pos:
            return None
        return after

    def _arguments_done(self) -> None:
        """The arguments are over, the call perhaps not."""
        self.status = DONE

    def _null_arguments(self) -> None:
        """`null` stands for the arguments."""
        self._call_without_arguments()

    def _call_without_arguments(self) -> None:
        self._value = ValueReader(self.repairs)
        self._value.read("{}", 0)
        self.announced = True
        self.status = DONE

    def _no_interpreter(self, pos: int) -> int:
        """What stands here is code."""
        self.miss = "no_interpreter"
        return self._bad(pos)

    def _bad(self, pos: int) -> int:
        self.status = BAD
        return pos


def fence_line(text: str, pos: int) -> int | None:
    """The position behind the line that opens a code fence; 0 if there is none, None if that cannot be told yet."""
    line = _FENCE_LINE.match(text, pos)
    if line:
        return line.end()
    return None if _FENCE_LINE_CUT.match(text, pos) else 0
