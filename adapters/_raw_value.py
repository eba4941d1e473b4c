"""Reads arguments that are raw text: code, or an unescaped query."""

import json
import re

from ._values import DONE, HOLD, MORE, Value, cut

__all__ = ["RawReader"]


class RawReader(Value):
    """Reads text that is not JSON, code or an unescaped query, as the one member of an object.

    It runs up to `end`, but only where the reply ends behind it or one of `before` follows: the text may hold `end`
    itself. A `stop` ends it wherever it stands. With neither it runs to the end of the reply.
    """

    __slots__ = ("_before", "_cut", "_end", "_stop")

    def __init__(self, key: str, end: str = "", before: tuple[str, ...] = (), stop: str = "") -> None:
        super().__init__()
        self.opened = True
        self.out.append(f'{{{json.dumps(key)}: "')
        self._end = end
        self._before = (*before, stop) if stop else before
        self._stop = stop
        whole = [f"{re.escape(end)}[ \t\n\r]{{0,{HOLD}}}"] if end else []
        whole += [re.escape(stop)] if stop else []
        starts = "|".join(
            re.escape(mark[:size]) for mark in (end, stop) for size in range(len(mark) - 1, 0, -1)
        )
        self._cut = re.compile("|".join([*whole, rf"(?:{starts})\Z"] if starts else whole or ["(?!)"]))

    def read(self, text: str, pos: int) -> int:
        while found := self._cut.search(text, pos):
            start, end = found.span()
            self._write(text[pos:start])
            if self._stop and text.startswith(self._stop, start):
                self._close()
                return start
            if end == len(text) or any(cut(mark, text, end) for mark in self._before):
                return start
            if any(text.startswith(mark, end) for mark in self._before):
                self._close()
                return start + len(self._end)
            self._write(text[start : start + 1])
            pos = start + 1
        self._write(text[pos:])
        return len(text)

    def finish(self, text: str, pos: int) -> int:
        """The reply ends behind the text: so does the value, if its end stands here."""
        if self.status == MORE and text.startswith(self._end, pos):
            self._close()
            return len(text)
        return pos

    def _close(self) -> None:
        self.out.append('"}')
        self.status = DONE

    def _write(self, text: str) -> None:
        if text:
            self.out.append(json.dumps(text, ensure_ascii=False)[1:-1])
