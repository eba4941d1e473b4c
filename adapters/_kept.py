"""What was worked out for the last requests: agents send the same tools with every turn."""

from collections import OrderedDict
from threading import Lock

__all__ = ["Kept"]


class Kept:
    """Texts by texts, the last used of them: so many characters together, and none that is a tenth of that.

    Args:
        size: how many characters.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._used = 0
        self._found: OrderedDict[str, str] = OrderedDict()
        self._lock = Lock()

    def get(self, key: str) -> str | None:
        with self._lock:
            found = self._found.get(key)
            if found is not None:
                self._found.move_to_end(key)
            return found

    def put(self, key: str, value: str) -> None:
        if len(key) + len(value) > self._size // 10:
            return
        with self._lock:
            if key not in self._found:
                self._found[key] = value
                self._used += len(key) + len(value)
            while self._used > self._size:
                self._used -= sum(map(len, self._found.popitem(last=False)))
