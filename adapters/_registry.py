"""The adapters there are: those of this package, and those that other installed packages bring.

A package brings one by an entry point, whose name is the adapter's:

    [project.entry-points."chat_adapters.adapters"]
    lantern = "chat_adapters_lantern:LANTERN"

Its name is known without loading the package, as vLLM wants to know names in processes that parse nothing.
"""

import logging
from collections.abc import ItemsView, Iterable, Iterator, Mapping, ValuesView
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

from ._adapter import Adapter
from ._errors import AdapterLoadError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["AUTO", "GROUP", "Registry"]

AUTO = "auto"
"""The name that no adapter has: it leaves the choice of the adapter to the checkpoint."""

GROUP = "chat_adapters.adapters"
"""The group of entry points."""

_log = logging.getLogger("chat_adapters")


class Registry(Mapping[str, Adapter]):
    """Every adapter by its name.

    An installed one is loaded when it is asked for. One that cannot be used keeps its name, and raises when it is
    asked for; `values` and `items` leave it out, and the log says so once.
    """

    def __init__(self, builtin: Iterable[Adapter]) -> None:
        self.builtin: Mapping[str, Adapter] = MappingProxyType({adapter.name: adapter for adapter in builtin})
        """Those of this package."""
        self._loaded: dict[str, Adapter | AdapterLoadError] = {}
        self._told: set[str] = set()

    def __getitem__(self, name: str) -> Adapter:
        """
        Raises:
            KeyError: there is no such adapter.
            AdapterLoadError: it is registered, but it cannot be used.
        """
        if name in self.builtin:
            return self.builtin[name]
        if name not in self._loaded:
            self._loaded[name] = _load(self._installed[name])
        found = self._loaded[name]
        if isinstance(found, AdapterLoadError):
            raise found
        return found

    def __iter__(self) -> Iterator[str]:
        yield from self.builtin
        yield from self._installed

    def __len__(self) -> int:
        return len(self.builtin) + len(self._installed)

    def __contains__(self, name: object) -> bool:
        return name in self.builtin or name in self._installed

    def distribution(self, name: str) -> str | None:
        """The distribution that brings an adapter, by its name for pip; None if it is this one, or not known."""
        entry = self._installed.get(name)
        return entry.dist.name if entry and entry.dist else None

    def values(self) -> ValuesView[Adapter]:
        """Those that can be used."""
        return self._usable().values()

    def items(self) -> ItemsView[str, Adapter]:
        """Those that can be used."""
        return self._usable().items()

    def _usable(self) -> dict[str, Adapter]:
        usable = {}
        for name in self:
            try:
                usable[name] = self[name]
            except AdapterLoadError as error:
                if name not in self._told:
                    self._told.add(name)
                    _log.warning("%s", error)
        return usable

    @cached_property
    def _installed(self) -> dict[str, "EntryPoint"]:
        """What other packages bring, by name; the first of a name counts."""
        from importlib.metadata import entry_points  # takes longer to load than all of this

        found: dict[str, EntryPoint] = {}
        for entry in entry_points(group=GROUP):
            if entry.name in self.builtin or entry.name == AUTO:
                _log.warning("%s is not used: that name is taken here", _described(entry))
            elif entry.name in found:
                _log.warning("%s is not used: %s is", _described(entry), _described(found[entry.name]))
            else:
                found[entry.name] = entry
        return found


def _load(entry: "EntryPoint") -> Adapter | AdapterLoadError:
    """The adapter, or why it cannot be used: a package of others' may fail in any way."""
    try:
        adapter = entry.load()
    except Exception as error:  # noqa: BLE001 - whatever another's package raises
        return AdapterLoadError(_described(entry), f"{type(error).__name__}: {error}")
    if not isinstance(adapter, Adapter):
        return AdapterLoadError(_described(entry), f"it is of type {type(adapter).__name__}, not an Adapter")
    if adapter.name != entry.name:
        why = f"its own name is {adapter.name!r}; the entry point's must be the same"
        return AdapterLoadError(_described(entry), why)
    return adapter


def _described(entry: "EntryPoint") -> str:
    source = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unknown distribution"
    return f"the adapter {entry.name!r} ({entry.value}) of {source}"
