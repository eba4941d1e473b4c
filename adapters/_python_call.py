"""Reads one call written in Python, from behind the line with its name."""

from ._format import PythonCall
from ._python_value import PythonReader
from ._raw_value import RawReader
from ._reader import FENCE, CallReader, Setting, Start, fence_line
from ._values import cut, next_significant

__all__ = ["PythonCallReader"]


class PythonCallReader(CallReader):
    """Reads a Python call; `start.opening` is the line with its name, the turn's marker before it."""

    def __init__(self, form: PythonCall, setting: Setting, start: Start) -> None:
        super().__init__(form, setting, start)
        self._form = form
        self._waits = setting.waits
        self._headed = start.opening.startswith(form.open)
        self._step = self._fence if start.name is None else self._arguments
        if self.name is None:
            self.name = start.opening.removeprefix(form.open).strip()
        self._interpreter = self.name if self._offered.is_interpreter(self.name) else None
        if self.name == form.interpreter and self.name not in self._offered:
            self._interpreter = self._offered.interpreter

    def _fence(self, text: str, pos: int) -> int | None:
        here = next_significant(text, pos)
        if here == len(text):
            return None
        if text[here] == "{" and self._headed and self.name in self._offered:
            self.close = ""
            return self._begin_arguments(text, here)
        body = fence_line(text, here)
        if body:
            self._step = self._body
            return body
        return None if body is None else self._bad(here)

    def _body(self, text: str, pos: int) -> int | None:
        here = next_significant(text, pos)
        call = self._form.again
        if text.startswith(call, here):
            self._step = self._arguments
            return here + len(call)
        if cut(call, text, here):
            return None
        if self._interpreter is None:
            return self._bad(pos)
        value = RawReader(
            self._offered.code_key(self._interpreter), "\n" + FENCE, (self._form.open, *self._waits)
        )
        return self._read_raw(value, self._interpreter, pos)

    def _arguments(self, text: str, pos: int) -> int:
        if self._interpreter is not None:
            self.name = self._interpreter
        self._value = PythonReader(self.repairs)
        self._step = self._read_arguments
        return pos
