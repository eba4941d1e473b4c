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
        self._blank = False
        if start.name is not None:
            self._step = self._arguments
            return
        self.marked = False  # any line may be a name
        self._step = self._fence
        name = start.opening.removeprefix(form.open).strip()
        if name == form.interpreter and name not in self._offered:
            name = self._offered.interpreter or name
        self.name = name

    def _fence(self, text: str, pos: int) -> int | None:
        here = next_significant(text, pos)
        if here == len(text):
            return None
        if text[here] == "{" and self._headed and self.name in self._offered:
            self.close = ""
            self.marked = True
            return self._begin_arguments(text, here)
        body = fence_line(text, here)
        if body:
            self.marked = True
            self._blank = here > pos
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
        # A sentence that ends in "python" may stand before any code; a call has a blank before the fence.
        if not self._offered.is_interpreter(self.name) or not (self._headed or self._blank):
            return self._bad(pos)
        assert self.name is not None
        value = RawReader(self._offered.code_key(self.name), "\n" + FENCE, (self._form.open, *self._waits))
        return self._read_raw(value, self.name, pos)

    def _arguments(self, text: str, pos: int) -> int:
        self._value = PythonReader(self.repairs)
        self._step = self._read_arguments
        return pos
