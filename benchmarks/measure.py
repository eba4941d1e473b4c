"""The clocks: streams and whole replies, what a parser keeps, and what the plugin adds to a process."""

import gc
import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import product
from statistics import median
from time import thread_time
from typing import Any

from competitors import COMPETITORS, OURS, PEERS, PYTHON, RIVALS, Competitor, deltas, ours, stream, whole
from grid import Point, reply_of, request_of

from chat_adapters.adapters import ADAPTERS, Adapter, Parser

__all__ = ["kept", "register_ms", "streams", "wholes"]

# A competitor that has taken this long at a point is not run there again: its median is of fewer runs.
SECONDS_A_POINT = 0.3
DELTAS_A_TURN = 4096
"""A short reply is read again and again: a few milliseconds say little."""
WARM = Point(size=256)
LOAD = """\
import time
import vllm.entrypoints.openai.api_server
began = time.thread_time()
from chat_adapters.vllm_plugin import register
register()
print(time.thread_time() - began)
"""

Measured = dict[str, dict[str, Any]]
"""What was found for each competitor, by its label."""


def streams(points: Iterable[Point], rounds: int) -> dict[Point, Measured]:
    """Microseconds a delta at each point; in each round all competitors take turns at every point."""
    found: dict[Point, Measured] = {point: {} for point in points}
    times: dict[tuple[Point, str], list[float]] = {}
    for competitor in COMPETITORS:  # what is compiled or imported at the first reply is in no time
        stream(competitor, deltas(competitor, reply_of(WARM), WARM.delta), request_of(WARM))
    for turn, point in product(range(rounds), found):
        expected, request = reply_of(point), request_of(point)
        for competitor in _rotated(COMPETITORS, turn):
            spent = times.setdefault((point, competitor.label), [])
            if point.size * point.calls > competitor.longest or _enough(competitor, spent):
                continue
            cut = deltas(competitor, expected, point.delta)
            gc.freeze()  # as vLLM's server does; nor shall the collector walk the deltas that wait here
            for _ in range(max(1, DELTAS_A_TURN // len(cut))):
                outcome = stream(competitor, cut, request)
                spent.append(outcome.seconds)
                if _enough(competitor, spent):
                    break
            gc.unfreeze()
            found[point][competitor.label] = {
                "us": 1e6 * median(spent) / len(cut),
                "runs": len(spent),
                "right": outcome.reply == expected,
                "deltas": len(cut),
                "pieces": outcome.pieces,
            }
    return found


def wholes(points: Iterable[Point], rounds: int) -> dict[Point, Measured]:
    """How many times as long as `json.loads` of the arguments a reply takes that is not streamed."""
    found: dict[Point, Measured] = {point: {} for point in points}
    times: dict[tuple[Point, str], list[float]] = {}
    for turn, point in product(range(rounds), found):
        expected, request = reply_of(point), request_of(point)
        base = times.setdefault((point, "json.loads"), [])
        base.append(_seconds(partial(json.loads, expected.json)))
        for competitor in _rotated([*OURS, PYTHON, *RIVALS], turn):
            spent = times.setdefault((point, competitor.label), [])
            if _enough(competitor, spent):
                continue
            outcome = whole(competitor, competitor.write(expected), request)
            spent.append(outcome.seconds)
            found[point][competitor.label] = {
                "x": median(spent) / median(base),
                "runs": len(spent),
                "right": outcome.reply == expected,
            }
    return found


def kept(sizes: Sequence[int], delta: int = 64) -> Measured:
    """Bytes that each adapter's parser holds after so many characters of arguments have left it."""
    return {
        name: {str(size): _kept(adapter, size, delta) for size in sizes} for name, adapter in ADAPTERS.items()
    }


def _kept(adapter: Adapter, size: int, delta: int) -> int:
    text = ours(adapter.name).write(reply_of(Point(size=size)))
    tracemalloc.start()
    parser = Parser(adapter.format)
    for start in range(0, len(text), delta):
        parser.feed(text[start : start + delta])
    gc.collect()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size


def register_ms(processes: int) -> float:
    """What loading the plugin takes in a process that has imported vLLM's server: the median of some fresh ones."""
    command = [sys.executable, "-c", LOAD]
    ran = [
        subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(processes)
    ]
    return 1000 * median(float(output.splitlines()[-1]) for output in ran)


def _rotated(competitors: Sequence[Competitor], turn: int) -> list[Competitor]:
    """In another order in each round."""
    return [*competitors[turn % len(competitors) :], *competitors[: turn % len(competitors)]]


def _enough(competitor: Competitor, spent: list[float]) -> bool:
    return competitor in PEERS and sum(spent) > SECONDS_A_POINT


def _seconds(run: Callable[[], Any]) -> float:
    began = thread_time()
    run()
    return thread_time() - began
