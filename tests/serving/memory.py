"""The memory of a server's processes, and by how much it grows with each request."""

from collections.abc import Sequence
from statistics import median, quantiles
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
    """Bytes a request, from the first third of the samples to the last.

    Of each third the lower quartile counts: what a request in work takes comes on top, and goes again.
    """
    third = len(samples) // 3
    first, last = samples[:third], samples[-third:]
    more = low(last, process) - low(first, process)
    return more / (median(one.requests for one in last) - median(one.requests for one in first))


def low(samples: Sequence[Sample], process: str) -> float:
    return quantiles((one.resident[process] for one in samples), n=4)[0]
