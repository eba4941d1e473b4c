"""Why something in a reply is no call."""

from dataclasses import dataclass

from ..adapters import Adapter
from .watching import Steps

__all__ = ["Reason", "explain"]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why what stands from `start` to `end` is no call."""

    start: int
    end: int
    kind: str
    """A word for programs."""
    words: str
    remedies: tuple[str, ...] = ()
    """What would make a call of it: each was tried."""


def explain(adapter: Adapter, dialects: frozenset[str] | None, steps: Steps) -> tuple[Reason, ...]:
    """Of everything that could be taken for a call and is none; in the order of the reply."""
    return tuple(Reason(n.at, n.at, n.name, n.words) for n in steps.notes if n.what == "miss")
