"""Reads JSON that turned out to be no call: no part of an answer is a call either."""

from ._repairs import Repairs
from ._values import MORE, ValueReader

__all__ = ["Answer"]

# Read at a time: of a long text, an answer must not cost what follows it.
_PIECE = 1024
_NONE = Repairs(frozenset())


class Answer:
    """An answer in JSON, from its first character to its last, or to the first that cannot be JSON."""

    __slots__ = ("_rest", "_value")

    def __init__(self, held: str) -> None:
        """`held` is what was read of it while it might have been a call."""
        self._value = ValueReader(_NONE)
        self._rest = held[self._value.read(held, 0) :]

    @property
    def over(self) -> bool:
        return self._value.status != MORE

    def read(self, text: str, pos: int) -> int:
        """Reads on and returns the position behind what belongs to the answer."""
        piece = text[pos : pos + _PIECE]
        value = self._rest + piece
        after = self._value.read(value, 0)
        self._value.out.clear()
        if not self.over:
            self._rest = value[after:]
            return pos + len(piece)
        return max(pos, pos + len(piece) - (len(value) - after))
