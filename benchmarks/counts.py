"""Instructions of a parser alone: what a delta takes beyond the floor. They are the same in every run, on any load.

Two counts, as neither says all: Python's own instructions, which need nothing but Python and do not see what patterns
and `json` do in C; and the machine's, with all of that, which need valgrind.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

from competitors import COMPETITORS, FLOOR, Competitor, deltas, stream
from grid import Point, reply_of, request_of

__all__ = ["bytecodes", "machine"]

POINT = Point()
VALGRIND = ("valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null")
COUNTED = re.compile(r"==(\d+)== I +refs: +([\d,]+)")
STARTED = re.compile(r"^counted (\d+) (\w+)$", re.MULTILINE)


def bytecodes(competitors: Iterable[Competitor] = COMPETITORS) -> dict[str, float]:
    """Python's instructions a delta."""
    return _beyond_floor({competitor.name: _traced(_run_of(competitor)) for competitor in competitors})


def machine() -> dict[str, float]:
    """The machine's instructions a delta; empty without valgrind. It takes minutes, most of them to load vLLM."""
    if shutil.which(VALGRIND[0]) is None:
        return {}
    program = [*VALGRIND, sys.executable, __file__]
    ran = subprocess.run(
        program, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONHASHSEED": "0"}
    )
    counted = {process: int(count.replace(",", "")) for process, count in COUNTED.findall(ran.stderr)}
    totals = {name: counted[process] for process, name in STARTED.findall(ran.stdout)}
    nothing = totals.pop("nothing", 0)
    return _beyond_floor({name: total - nothing for name, total in totals.items()})


def _run_of(competitor: Competitor) -> Callable[[], Any]:
    """Reads the reply; it has been read once, so that what is made once is there."""
    cut, request = deltas(competitor, reply_of(POINT), POINT.delta), request_of(POINT)
    stream(competitor, cut, request)
    return lambda: stream(competitor, cut, request)


def _beyond_floor(counts: dict[str, int]) -> dict[str, float]:
    """For a delta, without what the floor takes."""
    floor = counts.pop(FLOOR.name, 0) / _size(FLOOR)
    return {
        competitor.name: counts[competitor.name] / _size(competitor) - floor
        for competitor in COMPETITORS
        if competitor.name in counts
    }


def _size(competitor: Competitor) -> int:
    return len(deltas(competitor, reply_of(POINT), POINT.delta))


def _traced(run: Callable[[], Any]) -> int:
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        run()
    finally:
        sys.settrace(before)
    return count


def main() -> None:
    """Under valgrind: a process for each competitor, whose count goes on from here; and one that does nothing."""
    runs = {"nothing": lambda: None, **{each.name: _run_of(each) for each in COMPETITORS}}
    for name, run in runs.items():
        process = os.fork()
        if not process:
            run()
            os._exit(0)
        os.waitpid(process, 0)
        print(f"counted {process} {name}", flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
