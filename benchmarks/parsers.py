"""What tool parsers cost, side by side in one run: `make bench`, or `python benchmarks/parsers.py`.

Ours, vLLM's own, and the floor, which only wraps each delta in vLLM's message. It writes parsers.json, parsers.md and
parsers.svg into this folder, and a summary into the README. docs/performance.md says what is measured, and how.
"""

import argparse
import json
import logging
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "tests" / "serving"))  # what writes into pages

import vllm
from bars import bars, behind
from competitors import FLOOR, OURS
from counts import bytecodes, machine
from grid import AXES, QUICK, WHOLE, Point
from made import put
from measure import kept, register_ms, streams, wholes
from plot import plot
from report import report, summary

KILOBYTE = 1024
ROUNDS = 9


def bench(folder: Path, *, quick: bool = False) -> dict[str, Any]:
    """Measures, writes the three files into the folder, and gives what is in parsers.json."""
    axes, rounds = (QUICK, 1) if quick else (AXES, ROUNDS)
    whole_points = {"one text, 1 kB": Point()} if quick else WHOLE
    streamed = streams(dict.fromkeys(point for points in axes.values() for point in points.values()), rounds)
    read_whole = wholes(whole_points.values(), rounds)
    memory = kept((16 * KILOBYTE, 64 * KILOBYTE) if quick else (64 * KILOBYTE, KILOBYTE * KILOBYTE))
    register = register_ms(1 if quick else 5)
    counts = {"Python's": bytecodes()}
    counts |= {} if quick else {"the machine's": machine()}
    judged, ahead = bars(streamed, read_whole, memory, register), behind(streamed)
    labelled = {label: read_whole[point] for label, point in whole_points.items()}
    found = {
        "vllm": vllm.__version__,
        "python": platform.python_version(),
        "bars": [{**bar._asdict(), "holds": bar.holds} for bar in judged],
        "streams": {axis: {label: streamed[point] for label, point in points.items()} for axis, points in axes.items()},
        "whole": labelled,
        "instructions a delta": counts,
        "bytes kept": memory,
        "loading the plugin, ms": register,
        "behind": [{**one._asdict(), "point": one.point._asdict()} for one in ahead],
    }  # fmt: skip
    folder.joinpath("parsers.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    folder.joinpath("parsers.md").write_text(report(axes, streamed, labelled, counts, judged, ahead), "utf-8")
    folder.joinpath("parsers.svg").write_text(plot(_lines(streamed), [each.label for each in OURS]), "utf-8")
    if not quick:
        put(summary(axes["argument"], streamed, judged), folder.parent / "README.md", "make bench")
    return found


def _lines(streamed: Mapping[Point, Mapping[str, Mapping[str, Any]]]) -> dict[str, dict[int, float]]:
    """By competitor and length of the argument, times the floor; what is wrong has no point."""
    lines: dict[str, dict[int, float]] = {}
    for point, found in streamed.items():
        if point == Point(size=point.size):
            for name, one in found.items():
                if name != FLOOR.label and one["right"]:
                    lines.setdefault(name, {})[point.size] = one["us"] / found[FLOOR.label]["us"]
    return lines


def main() -> None:
    logging.disable(logging.CRITICAL)  # vLLM's parsers log what they cannot read
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", type=Path, metavar="FOLDER", help="a few points, once, into this folder")
    quick = parser.parse_args().quick
    found = bench(quick or HERE, quick=quick is not None)
    for bar in found["bars"]:
        if not bar["holds"]:
            print(f"does not hold: {bar['what']}: {bar['found']:.2f}, bound {bar['bound']:g}")
    print(f"{sum(bar['holds'] for bar in found['bars'])} of {len(found['bars'])} bounds hold")


if __name__ == "__main__":
    main()
