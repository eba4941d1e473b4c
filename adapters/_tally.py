"""What became of a reply, in numbers, for whoever runs a server."""

from collections import Counter
from dataclasses import dataclass, field

__all__ = ["EXCERPT", "MISSES", "Tally"]

EXCERPT = 200
"""Characters that are kept of a reply, from the first marker that gave no call."""

MISSES = {
    "bad_arguments": "its arguments cannot be read",
    "cut": "the reply ended before the call",
    "malformed": "what follows is no call",
    "no_interpreter": "what follows is code, and no interpreter is offered",
    "too_long": "what follows is too long for what leads to arguments",
    "unknown_tool": "its tool is not offered",
}
"""Why a marker gave no call: by name, in words."""


@dataclass(slots=True)
class Tally:
    """The calls of one reply, and the markers that gave none; the same for every way of cutting the reply."""

    calls: int = 0
    """Calls whose arguments are complete."""
    unknown_tools: int = 0
    """Calls of tools that were not offered, whether they are forwarded or content."""
    coercions: Counter[str] = field(default_factory=Counter)
    """How often a text became a value of each of JSON Schema's types."""
    misses: Counter[str] = field(default_factory=Counter)
    """How often a marker gave no call, by the names of `MISSES`."""
    why: str = ""
    """The first of them."""
    excerpt: str = ""
    """The reply from that marker on, once it is over; at most `EXCERPT` characters."""

    def miss(self, why: str) -> None:
        """A marker gave no call."""
        self.why = self.why or why
        self.misses[why] += 1
