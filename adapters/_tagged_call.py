"""Reads what stands behind a tag: a JSON call, a built-in one, or code."""

import re

from ._format import TaggedCall
from ._json_call import JsonCallReader
from ._raw_value import RawReader
from ._reader import Setting, Start
from ._values import WHITE, next_significant

__all__ = ["TaggedCallReader"]

_BUILT_IN = re.compile(r"([A-Za-z_][A-Za-z0-9_./-]{0,63})\.call\(([A-Za-z_][A-Za-z0-9_]{0,63})=\"")
_BUILT_IN_CUT = re.compile(
    r"[A-Za-z_][A-Za-z0-9_./-]{0,63}(?:\.(?:c(?:a(?:l(?:l(?:\((?:[A-Za-z_][A-Za-z0-9_]{0,63}=?)?)?)?)?)?)?)?\Z"
)


class TaggedCallReader(JsonCallReader):
    """Reads a call from behind its tag."""

    def __init__(self, form: TaggedCall, setting: Setting, start: Start) -> None:
        super().__init__(form, setting, start)
        self._builtins = form.builtins
        self._step = self._open if start.in_array else self._tagged

    def _tagged(self, text: str, pos: int) -> int | None:
        here = next_significant(text, pos)
        if here == len(text):
            return None
        if text[here] in "{[":
            self._step = self._open
            return here
        built_in = _BUILT_IN.match(text, here)
        if built_in and (built_in[1] in self._offered or built_in[1] in self._builtins):
            return self._read_raw(RawReader(built_in[2], '")'), built_in[1], built_in.end())
        if built_in is None and _BUILT_IN_CUT.match(text, here):
            return None
        interpreter = self._offered.interpreter
        if interpreter is None:
            return self._no_interpreter(here)
        # With the white space before it: code may be indented.
        return self._read_raw(RawReader(self._offered.code_key(interpreter)), interpreter, pos)

    def finish(self, text: str, pos: int) -> int:
        """What might have become a built-in call is code then."""
        interpreter = self._offered.interpreter
        if self._step == self._tagged and interpreter and text[pos:].strip(WHITE):
            self._read_raw(RawReader(self._offered.code_key(interpreter)), interpreter, pos)
            pos = self.read(text, pos)
        return super().finish(text, pos)
