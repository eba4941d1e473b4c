"""The numbers as tables in Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bars import Bar, Behind
from competitors import COMPETITORS, FLOOR, OURS, PEERS, PYTHON, RIVALS
from grid import Point
from tables import table

__all__ = ["report", "summary"]

Measured = Mapping[str, Mapping[str, Any]]
CELLS = """\
Medians. The floor in microseconds, on the machine of this run. **wrong**: text or calls did not come out as they went in.
A dash: too slow to be run there."""
NAMES = [each.label for each in COMPETITORS]


def report(
    axes: Mapping[str, Mapping[str, Point]],
    streams: Mapping[Point, Measured],
    wholes: Mapping[str, Measured],
    counts: Mapping[str, Mapping[str, float]],
    judged: Sequence[Bar],
    behind: Iterable[Behind],
) -> str:
    """All of it."""
    labels: dict[Point, str] = {}
    for axis, points in axes.items():
        for label, point in points.items():
            labels.setdefault(point, f"{axis}: {label}")  # one that is on more axes is in the table once
    parts = [
        "# What tool parsers cost",
        "Made by `make bench` with parsers.json and parsers.svg; docs/performance.md says what the numbers mean.",
        "## What must hold",
        _judged(judged),
        "## A streamed delta, times the floor",
        CELLS,
        table(["", *NAMES], [[label, *_row(streams[point])] for point, label in labels.items()]),
        "## Where a peer is ahead of the adapter for the same text",
        "Peers with a format of their own are compared with the slowest adapter.",
        table(
            ["point", "adapter", "peer", "ours, times the peer", "why"],
            [[labels[one.point], one.ours, one.peer, f"{one.ratio:.2f}", one.reason] for one in behind],
        ),
        "## A whole reply, times `json.loads` of its arguments",
        _wholes(wholes),
        "## Instructions of the parser alone, a delta",
        "One call of 1 kB in deltas of 4 characters; what the floor takes is left out.",
        _counts(counts),
    ]
    return "\n\n".join(parts) + "\n"


def summary(points: Mapping[str, Point], streams: Mapping[Point, Measured], judged: Sequence[Bar]) -> str:
    """What the README says: a delta by the length of the argument, and how many bounds hold."""
    engine = [peer.label for peer in PEERS if peer not in RIVALS]
    head = [
        "argument",
        "ours, the slowest",
        *(peer.label for peer in RIVALS),
        "vLLM's engine, the fastest of six",
    ]
    rows = []
    for label, point in points.items():
        found = streams[point]
        floor = found[FLOOR.label]["us"]
        slowest = max(found[each.label]["us"] for each in OURS)
        right = [found[name]["us"] for name in engine if found.get(name, {}).get("right")]
        cells = [_cell(found.get(peer.label), floor) for peer in RIVALS]
        rows.append([label, f"{slowest / floor:.1f}", *cells, f"{min(right) / floor:.1f}" if right else "-"])
    held = sum(bar.holds for bar in judged)
    parts = [
        "CPU time of a streamed delta of four characters, times that of a parser which only wraps it in vLLM's message:",
        table(head, rows),
        "![CPU time of a delta, by the length of the argument](benchmarks/parsers.svg)",
        f"All points, where a peer is ahead and why, and the {held} of {len(judged)} bounds that hold: "
        + "[benchmarks/parsers.md](benchmarks/parsers.md). The engine's fastest keeps an argument back until it is whole.",
    ]
    return "\n\n".join(parts)


def _judged(judged: Sequence[Bar]) -> str:
    rows = [
        [bar.what, f"{bar.found:.2f}", f"{'at least' if bar.at_least else 'at most'} {bar.bound:g}", "yes" if bar.holds else "**no**"]
        for bar in judged
    ]  # fmt: skip
    return table(["", "measured", "must be", "holds"], rows)


def _row(found: Measured) -> list[str]:
    floor = found[FLOOR.label]["us"]
    return [f"{floor:.1f} us", *(_cell(found.get(name), floor) for name in NAMES[1:])]


def _cell(found: Mapping[str, Any] | None, floor: float) -> str:
    if found is None:
        return "-"
    return f"{found['us'] / floor:.1f}" if found["right"] else "**wrong**"


def _wholes(wholes: Mapping[str, Measured]) -> str:
    names = [each.label for each in (*OURS, PYTHON, *RIVALS)]
    rows = [
        [label, *(f"{found[name]['x']:.1f}" if found[name]["right"] else "**wrong**" for name in names)]
        for label, found in wholes.items()
    ]
    return table(["", *names], rows)


def _counts(counts: Mapping[str, Mapping[str, float]]) -> str:
    rows = [
        [name, *(f"{count[name]:,.0f}" if name in count else "-" for count in counts.values())]
        for name in NAMES[1:]
    ]
    return table(["", *counts], rows)
