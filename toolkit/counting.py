"""A second copy of the engine whose work is counted: each character that it looks at, and each that it copies.

The engine has no hooks for this. It is imported once more with an `re` whose patterns count, and is given replies of a
class of text that counts.
"""

import importlib
import re
import sys
from dataclasses import fields, is_dataclass
from functools import cache
from types import ModuleType
from typing import Any, Self, SupportsIndex, cast

import regex

PACKAGE = "chat_adapters.adapters"
__all__ = ["COUNT", "CountedText", "counted_engine", "translated"]


class Count:
    """The work so far."""

    def __init__(self) -> None:
        self.examined = 0
        """Characters that were looked at, once for each look; one alone that is looked at again at once does not count."""
        self.copied = 0
        """Characters of slices and joined texts."""
        self._last = -1

    def look(self, place: int, size: int) -> None:
        """So many characters were looked at, from this place in the reply on."""
        if size > 1 or place != self._last:
            self.examined += size
        self._last = place if size == 1 else -1


COUNT = Count()


class CountedText(str):
    """A text that counts what is done with it; its pieces are such texts too."""

    start: int
    """Where it begins in the reply."""
    _hashed: bool

    def __new__(cls, text: str, start: int = 0) -> Self:
        """A piece of the reply, which begins there."""
        made = super().__new__(cls, text)
        made.start = start
        made._hashed = False
        return made

    def __getitem__(self, key: SupportsIndex | slice) -> "CountedText":
        piece = str.__getitem__(self, key)
        place = range(self.start, self.start + len(self))[key]
        if isinstance(place, range):
            COUNT.copied += len(piece)
            return CountedText(piece, place.start)
        COUNT.look(place, 1)
        return CountedText(piece, place)

    def __add__(self, other: str) -> "CountedText":
        COUNT.copied += len(self) + len(other)
        return CountedText(str.__add__(self, other), self.start)

    def __radd__(self, other: str) -> "CountedText":
        COUNT.copied += len(self) + len(other)
        return CountedText(str.__add__(other, self), self.start - len(other))

    def __contains__(self, part: object) -> bool:
        place = str.find(self, cast("str", part))
        COUNT.look(self.start, len(self) if place < 0 else place + 1)
        return place >= 0

    def __hash__(self) -> int:
        """All is looked at, once: Python keeps it."""
        if not self._hashed:
            self._hashed = True
            COUNT.look(self.start, len(self))
        return str.__hash__(self)

    def _common(self, other: str) -> None:
        """The common beginning is looked at, and the character behind it."""
        size = next(
            (n for n, (one, two) in enumerate(zip(str(self), other, strict=False), 1) if one != two), 0
        )
        COUNT.look(self.start, size or min(len(self), len(other)))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str) and len(self) == len(other):
            self._common(other)
        return str.__eq__(self, other)

    def __gt__(self, other: str) -> bool:  # the bisection asks the other way round
        self._common(other)
        return str.__gt__(self, other)

    def startswith(self, prefix: Any, start: Any = 0, end: Any = None) -> bool:
        """The common part is looked at, and the character behind it."""
        size = 0
        for size, char in enumerate(prefix, 1):
            if str.__getitem__(self, slice(start + size - 1, start + size)) != char:
                break
        COUNT.look(self.start + start, size)
        return str.startswith(self, prefix, start, end)

    def removeprefix(self, prefix: str, /) -> str:
        """The same."""
        return str.removeprefix(self, prefix) if self.startswith(prefix) else str(self)

    def rstrip(self, chars: Any = None) -> str:
        """What is taken away is looked at, and the character before it."""
        rest = str.rstrip(self, chars)
        COUNT.look(self.start + max(0, len(rest) - 1), min(len(self), len(self) - len(rest) + 1))
        return rest

    def lstrip(self, chars: Any = None) -> str:
        """What is taken away is looked at, and the character behind it."""
        rest = str.lstrip(self, chars)
        COUNT.look(self.start, min(len(self), len(self) - len(rest) + 1))
        return rest


def _counting_all(name: str) -> Any:
    method = getattr(str, name)

    def counted(self: CountedText, *arguments: Any) -> Any:
        COUNT.look(self.start, len(self))
        return method(self, *arguments)

    return counted


# Whatever else is done with a text looks at all of it.
for _name in dir(str):
    if not _name.startswith("_") and _name not in vars(CountedText):
        setattr(CountedText, _name, _counting_all(_name))


def _start(text: str) -> int:
    return text.start if isinstance(text, CountedText) else 0


class CountedPattern:
    """A pattern that counts how far it has to look."""

    def __init__(self, pattern: "re.Pattern[str]") -> None:
        self._pattern = pattern
        self._partial = regex.compile(pattern.pattern, pattern.flags & ~re.UNICODE)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pattern, name)

    def search(self, text: str, pos: int = 0) -> "re.Match[str] | None":
        found = self._pattern.search(text, pos)
        COUNT.look(_start(text) + pos, (found.end() if found else len(text)) - pos)
        return found

    def match(self, text: str, pos: int = 0, end: int = sys.maxsize) -> "re.Match[str] | None":
        end = min(end, len(text))
        found = self._pattern.match(text, pos, end)
        COUNT.look(
            _start(text) + pos,
            min(found.end() + 1, end) - pos if found else self._until_hopeless(text, pos, end),
        )
        return found

    def _until_hopeless(self, text: str, pos: int, end: int) -> int:
        """How many characters it takes to see that nothing matches here."""

        def hopeless(size: int) -> bool:
            return self._partial.match(text, pos, min(pos + size, end), partial=True) is None

        low, high = 0, 1
        while pos + high < end and not hopeless(high):
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if hopeless(middle) else (middle, high)
        return min(high, end - pos)


@cache
def counted_engine() -> Any:
    """The adapters' package, imported once more; what is imported elsewhere stays as it is."""
    counting = ModuleType("re")
    vars(counting).update(vars(re))
    vars(counting).update(compile=lambda *arguments: CountedPattern(re.compile(*arguments)))
    kept = {name: module for name, module in sys.modules.items() if name.startswith(PACKAGE)}
    parent = sys.modules[PACKAGE.partition(".")[0]]
    for name in kept:
        del sys.modules[name]
    sys.modules["re"] = counting
    try:
        engine = importlib.import_module(PACKAGE)
        for name in engine.__all__:  # some are loaded when they are asked for
            getattr(engine, name)
        return engine
    finally:
        sys.modules["re"] = re
        for name in [name for name in sys.modules if name.startswith(PACKAGE)]:
            del sys.modules[name]
        sys.modules.update(kept)
        vars(parent)["adapters"] = kept[PACKAGE]


def translated(value: Any) -> Any:
    """The same description of a format, made of the classes of the engine that counts."""
    if isinstance(value, tuple):
        return tuple(map(translated, value))
    if not is_dataclass(value):
        return value
    kind = getattr(counted_engine(), type(value).__name__)
    return kind(**{field.name: translated(getattr(value, field.name)) for field in fields(value)})
