"""Reads one call of the interpreter: its code, between two markers."""

from ._format import CodeCall
from ._raw_value import RawReader
from ._reader import FENCE, CallReader, Setting, Start, fence_line
from ._values import next_significant

__all__ = ["CodeCallReader"]


class CodeCallReader(CallReader):
    """Reads code from behind its opening marker; in a fence or bare."""

    def __init__(self, form: CodeCall, setting: Setting, start: Start) -> None:
        super().__init__(form, setting, start)
        self._step = self._open

    def _open(self, text: str, pos: int) -> int | None:
        interpreter = self._offered.interpreter
        if interpreter is None:
            return self._no_interpreter(pos)
        here = next_significant(text, pos)
        if here == len(text):
            return None
        fence = fence_line(text, here)
        if fence is None:
            return None
        # Without a fence, with the blanks before it: code may be indented.
        end = "\n" + FENCE if fence else ""
        code = RawReader(self._offered.code_key(interpreter), end, stop=self.close)
        return self._read_raw(code, interpreter, fence or pos + text.startswith("\n", pos))
