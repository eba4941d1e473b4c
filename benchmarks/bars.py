"""What must hold of the numbers, and the points where a peer is ahead, each with its reason."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from competitors import FLOOR, OURS, PEERS, PYTHON, Competitor
from grid import Point

__all__ = ["Bar", "Behind", "bars", "behind"]

Found = Mapping[Point, Mapping[str, Mapping[str, Any]]]

# Why a peer is ahead where it is: what it leaves out.
PROSE = {
    "llama3_json": "it looks for a call at the reply's beginning alone, and loses one behind a text",
    "internlm": "it looks for its one marker; ours for every spelling that it reads, and for code fences",
}
ELSEWHERE = {
    "deepseek_v32": "it keeps an argument back until it is whole, and so makes few messages",
}


class Bar(NamedTuple):
    """A number and what it must keep to."""

    what: str
    found: float
    bound: float
    at_least: bool = False

    @property
    def holds(self) -> bool:
        return self.found >= self.bound if self.at_least else self.found <= self.bound


class Behind(NamedTuple):
    """A point where a peer takes less than the adapter that it is compared with."""

    point: Point
    ours: str
    peer: str
    ratio: float
    reason: str


def bars(
    streams: Found, wholes: Found, kept: Mapping[str, Mapping[str, Any]], register_ms: float
) -> list[Bar]:
    """All that the points measured say something of."""
    return [
        *_a_delta(streams),
        *_rivals(streams),
        *_whole(wholes),
        *(
            Bar(f"{name}: memory after {max(sizes, key=int)} characters, times that after {min(sizes, key=int)}",
                sizes[max(sizes, key=int)] / sizes[min(sizes, key=int)], 1.1)
            for name, sizes in kept.items()
        ),
        Bar("loading the plugin, ms", register_ms, 50),
    ]  # fmt: skip


def _lengths(streams: Found) -> dict[int, Mapping[str, Any]]:
    """The measured points of one call, by the length of its argument."""
    return {point.size: found for point, found in streams.items() if point == Point(size=point.size)}


def _a_delta(streams: Found) -> Iterator[Bar]:
    lengths = _lengths(streams)
    for ours in OURS:
        floors = [found[ours.label]["us"] / found[FLOOR.label]["us"] for found in lengths.values()]
        yield Bar(f"{ours.label}: a delta, times the floor, at the worst length", max(floors), 2)
        if {4096, 262_144} <= lengths.keys():
            long, short = (lengths[size][ours.label]["us"] for size in (262_144, 4096))
            yield Bar(f"{ours.label}: a delta at 256 kB, times that at 4 kB", long / short, 1.15)


def _rivals(streams: Found) -> Iterator[Bar]:
    found = _lengths(streams).get(16_384, {})
    for peer, ours, bound in (("llama3_json", "llama3_1", 120), ("hermes", "qwen2_5", 3)):
        if peer in found:
            ratio = found[peer]["us"] / found[ours]["us"]
            yield Bar(f"{peer} at 16 kB, times {ours}", ratio, bound, at_least=True)


def _whole(wholes: Found) -> Iterator[Bar]:
    for point, found in wholes.items():
        for ours in OURS:
            bound = 10 if point.kind == "text" else 30 if ours.name == PYTHON.name else 20
            what = f"{ours.label}: {point.kind}, {point.size // 1024} kB whole, times json.loads"
            yield Bar(what, found[ours.label]["x"], bound)
        what = f"{PYTHON.label}: {point.kind}, {point.size // 1024} kB whole, times json.loads"
        yield Bar(what, found[PYTHON.label]["x"], 30)


def behind(streams: Found) -> list[Behind]:
    """Where a peer that is right takes less than the adapter for the same text, or than the slowest if there is none."""
    points = []
    for point, found in streams.items():
        for peer in PEERS:
            if not found.get(peer.label, {}).get("right"):
                continue
            ours = peer.rival or max((each.label for each in OURS), key=lambda label: found[label]["us"])
            ratio = found[ours]["us"] / found[peer.label]["us"]
            if ratio > 1:
                points.append(Behind(point, ours, peer.label, ratio, _reason(point, peer)))
    return points


def _reason(point: Point, peer: Competitor) -> str:
    if point.kind == "prose":
        return PROSE.get(peer.name, PROSE["internlm"])
    return ELSEWHERE.get(peer.name, "none known")
