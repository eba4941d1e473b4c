"""Reads one call whose name stands in a head of its own, the arguments behind it."""

import re
from functools import cache

from ._format import HeadedCall
from ._raw_value import RawReader
from ._reader import FENCE, CallReader, Setting, Start, fence_line
from ._values import BAD, MORE, WHITE, cut, next_significant

__all__ = ["HeadedCallReader"]


class HeadedCallReader(CallReader):
    """Reads a headed call, from its name on; `name` is given for another call under the same head."""

    def __init__(self, form: HeadedCall, setting: Setting, start: Start) -> None:
        super().__init__(form, setting, start)
        self._form = form
        self.marked = not form.weak or self.name is not None  # else the name of a tool must follow
        # Behind a weak marker, a call without arguments is none.
        self._ends = () if form.weak else tuple(end for end in (self.close, *setting.waits) if end)
        self._step = self._name if start.name is None else self._arguments

    def _name(self, text: str, pos: int) -> int | None:
        match = _head(self._form).match(text, pos)
        if match is None:
            return self._bad(pos)
        name, weak = match["name"].rstrip(WHITE), self._form.weak
        if match["end"] is None:
            possible = match.end() == len(text) and (not weak or self._offered.could_begin(name))
            return None if possible else self._bad(pos)
        if not name or (weak and name not in self._offered):
            return self._bad(pos)
        self.name = name
        self.marked = True
        self._step = self._between
        return match.end("name")

    # White space before what is missing stays where it is: another head may begin with that line feed.

    def _between(self, text: str, pos: int) -> int | None:
        mark = self._form.between.strip()
        here = next_significant(text, pos)
        if text.startswith(mark, here):
            self._step = self._arguments
            return here + len(mark)
        return None if cut(mark, text, here) else self._stopped(text, pos, here)

    def _arguments(self, text: str, pos: int) -> int | None:
        here = next_significant(text, pos)
        if here == len(text):
            return None
        if text[here] == "`" and self._form.fenced_code and self._offered.is_interpreter(self.name):
            return self._code(text, here)
        if self._form.weak and text[here] not in "{\"'":
            return self._bad(pos)
        after = self._begin_arguments(text, here)
        return self._stopped(text, pos, here) if self.status == BAD else after

    def _stopped(self, text: str, pos: int, here: int) -> int | None:
        """Neither arguments nor what leads to them: a call without any if the model ends it here, else no call."""
        self.status = MORE
        for end in self._ends:
            if text.startswith(end, here):
                self._call_without_arguments()
                return pos
            if cut(end, text, here):
                return None
        return self._bad(pos)

    def _code(self, text: str, pos: int) -> int | None:
        code = fence_line(text, pos)
        if not code:
            return None if code is None else self._bad(pos)
        assert self.name is not None
        marks = (self._form.open.strip(), self._form.between.strip(), *self._ends)
        return self._read_raw(
            RawReader(self._offered.code_key(self.name), "\n" + FENCE, marks), self.name, code
        )


@cache
def _head(form: HeadedCall) -> re.Pattern[str]:
    """A name of at most 256 characters, and the first character of what ends it, if that is there already.

    Nor is there in a name the sign that an opening marker begins with: behind many markers each name would be read
    again.
    """
    end, opener = re.escape(form.between[0]), "" if form.open[0].isalpha() else re.escape(form.open[0])
    return re.compile(rf"[ \t]{{0,32}}(?P<name>[^{end}{opener}\x00-\x1f]{{0,256}})(?P<end>{end})?")
