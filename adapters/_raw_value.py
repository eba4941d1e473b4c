"""Reads arguments that are raw text: code, or an unescaped query."""

import json
import re

from ._values import DONE, HOLD, MORE, cut

__all__ = ["RawReader"]


class RawReader:
    """Reads text that is not JSON, code or an unescaped query, as the one member of an object.

    It runs up to `end`, but only where the reply ends behind it or one of `before` follows: the text may hold `end`
    itself. With no `end` it runs to the end of the reply. The same interface as `ValueReader`.
    """

    __slots__ = ("_before", "_cut", "_end", "out", "status")

    opened = True
    doubled = False
    closable = False

    def __init__(self, key: str, end: str, before: tuple[str, ...] = ()) -> None:
        self.out = [f'{{{json.dumps(key)}: "']
        self.status = MORE
        self._end = end
        self._before = before
        starts = "|".join(re.escape(end[:size]) for size in range(len(end) - 1, 0, -1))
        self._cut = re.compile(rf"{re.escape(end)}[ \t\n\r]{{0,{HOLD}}}|(?:{starts})\Z" if starts else "(?!)")

    @property
    def complete(self) -> bool:
        return self.status == DONE

    def close(self) -> None:
        """Never: raw text is not `closable`."""
        raise AssertionError

    def read(self, text: str, pos: int) -> int:
        while self._end and (found := self._cut.search(text, pos)):
            start, end = found.span()
            self._write(text[pos:start])
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
