"""The memory of a server's processes, and by how much it grows with each request."""

from collections.abc import Sequence
from itertools import combinations
from statistics import median
from typing import NamedTuple

import psutil

__all__ = ["PROCESSES", "Sample", "growth", "resident"]

PROCESSES = {"API server": "", "engine core": "EngineCore", "worker": "Worker"}
"""What they are, and the sign in their titles; the first is the one that was started."""


class Sample(NamedTuple):
    """How many bytes are resident, of each process, after a number of requests."""

    requests: int
    resident: dict[str, int]


def resident(pid: int) -> dict[str, int]:
    """Of the processes of the server that this one leads; those that have just ended are left out."""
    server = psutil.Process(pid)
    found = {"API server": server.memory_info().rss}
    for child in server.children(recursive=True):
        try:
            title = " ".join(child.cmdline())
            for name, sign in PROCESSES.items():
                if sign and sign in title:
                    found[name] = child.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return found


def growth(samples: Sequence[Sample], process: str) -> float:
    """Bytes a request: the median of what each two samples say, so that one step is not taken for a slope."""
    return median(
        (after.resident[process] - before.resident[process]) / (after.requests - before.requests)
        for before, after in combinations(samples, 2)
    )
