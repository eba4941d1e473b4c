"""What all calls have in common while they are read, whatever their form."""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from typing import Protocol

from ._decoded_value import DecodedReader, opening_in_string
from ._format import Tool
from ._repairs import Repairs
from ._values import BAD, DONE, MORE, ValueReader, cut

__all__ = ["CallReader", "Offered", "Value"]

_INTERPRETERS = ("interpreter", "code_interpreter", "python", "ipython")
_NO_ARGUMENTS = ("null", "None")


class Value(Protocol):
    """Reads the arguments of a call: see `ValueReader`."""

    status: int

    @property
    def out(self) -> list[str]: ...
    @property
    def opened(self) -> bool: ...
    @property
    def complete(self) -> bool: ...
    @property
    def doubled(self) -> bool: ...
    @property
    def closable(self) -> bool: ...
    def read(self, text: str, pos: int) -> int: ...
    def finish(self, text: str, pos: int) -> int: ...
    def close(self) -> None: ...


class Offered:
    """The tools that the request offers."""

    __slots__ = ("_parameters", "_sorted")

    def __init__(self, tools: Iterable[Tool]) -> None:
        self._parameters = {tool.name: tool.parameters for tool in tools}
        self._sorted = sorted(self._parameters)

    def __contains__(self, name: str) -> bool:
        return name in self._parameters

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


class CallReader:
    """Reads one call, from behind its opening marker.

    `read` works as `ValueReader.read` does. A call is `announced` once it is certain to be one: then `name` is set
    and `take` gives the pieces of its arguments. When `status` is BAD before that, it was no call; after that, its
    arguments have gone bad. DONE: the call is over, or what follows does not belong to it.

    A form of call is a subclass with steps: each looks at text[pos], which is there, and returns the position after
    what it has read, or None if that cannot be told without more text.
    """

    def __init__(self, offered: Offered, repairs: frozenset[str]) -> None:
        self.repairs = Repairs(repairs)
        self.status = MORE
        self.name: str | None = None
        self.announced = False
        self.in_array = False
        """The call stands in an array of calls."""
        self.surplus = 0
        """How many closing braces more than opening ones may follow."""
        self._offered = offered
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
        if self._value is None:
            return ""
        pieces = self._value.out
        arguments = pieces[0] if len(pieces) == 1 else "".join(pieces)
        pieces.clear()
        return arguments

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

    def _bad(self, pos: int) -> int:
        self.status = BAD
        return pos
