"""`make soak`: thousands of requests of all kinds on a real server of each family, with 64 streams at once.

What must hold: no error of the server's, no character lost of what was replayed, memory that stays flat, an end of
every stream that the client did not leave, counters that agree, and a log without a traceback.

`ADAPTER=llama3_1 SOAK_REQUESTS=10000 make soak` says which family and how many; SOAK_SEED gives other requests.
"""

import asyncio
import os
import re
import shutil
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from counters import Counts, counters
from crowd import Crowd, Outcome, crowd
from judges import LEFT_OUT
from memory import PROCESSES, Sample, growth, resident
from replies import WEATHER, ask
from rich.console import Console
from rich.table import Table
from scripts import QUESTION
from server import DUMMY, Server, ServerFailed
from tiny import FAMILIES, write_tiny_checkpoint
from traffic import Case, Leave, Traffic

from chat_adapters.adapters import MISSES, UnknownAdapterError, get
from chat_adapters.toolkit.writing import write_reply

__all__ = ["Report", "Soak"]

STREAMS, WHOLES = 64, 16
"""How many requests of each are on their way at once."""
PARTS = 10
"""After each of these parts the server rests, and its memory is measured."""
WARM_UP = 2
"""Parts with as many requests of each kind, so that what is made once is made; then memory is to stay as it is."""
REST = 2.0
"""Seconds."""
FLAT = {"API server": 3072.0, "engine core": 3072.0}
"""Bytes a request by which a process may seem to grow. Of the worker nothing is asked: no code of ours runs in it, and
torch keeps what it made for each size of a batch."""
SMALL = (
    *("--max-model-len", "16384"),
    # The cache of keys and values is resident when it was written once: with so few blocks, in the warm-up.
    *("--num-gpu-blocks-override", "512"),
)
TIDY = {
    # For glibc: memory that was given back is not kept, so that what is resident is in use.
    "MALLOC_MMAP_THRESHOLD_": "131072",
    "MALLOC_TRIM_THRESHOLD_": "131072",
    # Of the grammars of odd requests vLLM keeps 512 MB otherwise: no soak would come to the end of that.
    "VLLM_XGRAMMAR_CACHE_MB": "16",
}
"""Settings of the server's processes without which nobody could see from outside whether memory is flat."""
KEPT = Path(__file__).resolve().parent.parent.parent / ".soak"
IDLE = 60.0
"""Seconds in which the engine must have dropped what clients left."""
RUNNING = re.compile(r"^vllm:num_requests_(?:running|waiting)\{.*\} (\S+)$", re.MULTILINE)
TROUBLE = re.compile(r"^.*(?:Traceback|\bERROR\b|\bCRITICAL\b).*$", re.MULTILINE)


@dataclass(slots=True)
class Report:
    """What a soak of one server found."""

    adapter: str
    seconds: float = 0.0
    kinds: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    left: Counter[Leave] = field(default_factory=Counter)
    """Connections that the client closed before the answer's end."""
    unended: int = 0
    characters: int = 0
    left_out: int = 0
    most_streams: int = 0
    samples: list[Sample] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def warm(self) -> list[Sample]:
        """The samples after the warm-up."""
        return self.samples[WARM_UP - 1 :]


class Soak:
    """One server's.

    Args:
        requests: how many are sent.
        seed: the same one gives the same requests.
        flat: bytes a request by which each process may grow; those that are not named may grow as they like.
        parts: after each the server rests.
    """

    def __init__(
        self, server: Server, requests: int, seed: int, flat: dict[str, float], parts: int = PARTS
    ) -> None:
        self.report = Report(server.adapter)
        self._server = server
        self._requests = requests
        self._flat = flat
        self._parts = parts
        self._traffic = Traffic(server, seed)
        self._streams = 0
        self._least: Counts = Counter()
        """What the server must have counted."""
        self._maybe: Counts = Counter()
        """What it may have counted besides, where nobody can know."""

    def run(self) -> Report:
        before, logged, began = counters(self._server), len(self._server.log_text()), time.monotonic()
        asyncio.run(self._run())
        self.report.seconds = time.monotonic() - began
        found = [
            *self._afterwards(before, self._server.log_text()[logged:])
        ]  # which takes away from those there are
        self.report.faults += found
        return self.report

    @property
    def kinds(self) -> list[str]:
        """Of requests."""
        return self._traffic.kinds

    async def _run(self) -> None:
        async with crowd(self._server) as some:
            for part in range(self._parts):
                await self._send(some, part)
                await asyncio.sleep(REST)
                self.report.samples.append(Sample(self.report.kinds.total(), resident(self._server.pid)))

    async def _send(self, crowd: Crowd, part: int) -> None:
        """A part of the requests, from the first to the last answer."""
        streams = self._requests * STREAMS // (STREAMS + WHOLES)
        async with asyncio.TaskGroup() as group:
            for stream, many, all_ in ((True, STREAMS, streams), (False, WHOLES, self._requests - streams)):
                numbers = iter(range(all_ * part // self._parts, all_ * (part + 1) // self._parts))
                for _ in range(many):
                    group.create_task(self._client(crowd, stream, numbers, part < WARM_UP))

    async def _client(self, crowd: Crowd, stream: bool, numbers: Iterator[int], evenly: bool) -> None:
        """Sends one request after the other."""
        for number in numbers:
            case = await asyncio.to_thread(self._traffic.case, number, stream, evenly)
            self._streams += stream
            self.report.most_streams = max(self.report.most_streams, self._streams)
            outcome = await crowd.send(case)
            self._streams -= stream
            self._note(number, outcome)

    def _note(self, number: int, outcome: Outcome) -> None:
        report, case = self.report, outcome.case
        report.kinds[case.kind] += 1
        report.statuses[str(outcome.status or "none: the client left")] += 1
        if outcome.ended and not outcome.faults:
            report.characters += case.characters
        if case.leave and not outcome.ended:
            report.left[case.leave] += 1
        elif not outcome.ended:
            report.unended += 1
        way = "stream" if case.stream else "whole"
        report.faults += [f"{case.kind}, {way} {number}, {case.path}: {fault}" for fault in outcome.faults]
        self._expect(case, outcome)

    def _expect(self, case: Case, outcome: Outcome) -> None:
        """What the server counts of this one."""
        name = self._server.adapter
        if case.counts is None:
            self._least["calls", name] += outcome.calls
        elif case.leave:
            self._maybe += case.counts
        else:
            self._least += case.counts
        if case.judge is None and not case.refused:  # a token of the model's own may be a marker
            self._maybe.update({("unparsed_markers", name, why): 1 for why in MISSES})

    def _afterwards(self, before: Counts, log: str) -> Iterator[str]:
        """What does not hold when all requests are through."""
        report = self.report
        lost = [fault for fault in report.faults if LEFT_OUT in fault]
        known = [fault for fault in lost if fault[fault.index(LEFT_OUT) :] in log]
        report.left_out = len(known)
        report.faults = [fault for fault in report.faults if fault not in known]
        if not self._idle():
            yield f"the engine still has requests {IDLE:.0f} s after the last answer"
        counted = counters(self._server) - before
        for key in sorted({*counted, *self._least}):
            least, most = self._least[key], self._least[key] + self._maybe[key]
            if not least <= counted[key] <= most:
                yield f"/metrics counted {counted[key]} of {key}, not {least} to {most}"
        yield from self._last_request()
        for process, flat in self._flat.items():
            more = growth(report.warm, process)
            if more > flat:
                yield f"{process}: {more:.0f} bytes more with each request; up to {flat:.0f} are flat"
        yield from (f"the log says: {line:.300}" for line in TROUBLE.findall(log) if not explained(line))

    def _idle(self) -> bool:
        """Whether the engine comes to rest."""
        until = time.monotonic() + IDLE
        while time.monotonic() < until:
            with urllib.request.urlopen(f"{self._server.url}/metrics", timeout=60) as answer:
                running = RUNNING.findall(answer.read().decode())
            if running and not any(map(float, running)):
                return True
            time.sleep(0.5)
        return False

    def _last_request(self) -> Iterator[str]:
        """The server is as good as at the beginning."""
        adapter, paris = get(self._server.adapter), ("get_weather", '{"city": "Paris", "days": 3}')
        written = write_reply(adapter.format, paris) + adapter.stop_tokens[0]
        for stream in (False, True):
            reply = ask(self._server, stream=stream, replay=written, messages=QUESTION, tools=[WEATHER])
            if (reply.content, reply.calls, reply.finish_reason) != ("", (paris,), "tool_calls"):
                yield f"afterwards a plain request is answered by {reply}"


EXPLAINED = {
    r"\[api_router\.py:\d+\]": "the Messages route logs what it refuses with a traceback; the status says what it is",
    r"cannot determine if tools should be extracted": "vLLM logs a null tool_choice beside tools, and answers",
    r"\[serving\.py:\d+\] Error with model": "a request named another model",
}
"""Lines of the log that look like trouble, and why they are none."""


def explained(line: str) -> bool:
    return any(re.search(pattern, line) for pattern in EXPLAINED)


def table(reports: list[Report]) -> Table:
    """What the soaks found, a column each."""
    shown = Table("", *(report.adapter for report in reports))

    def row(title: str, *cells: object) -> None:
        shown.add_row(title, *map(str, cells))

    kinds = list(dict.fromkeys(kind for report in reports for kind in report.kinds))
    for kind in kinds:
        row(kind, *(report.kinds[kind] for report in reports))
    row("requests", *(report.kinds.total() for report in reports))
    row("seconds", *(round(report.seconds) for report in reports))
    row("streams at once", *(report.most_streams for report in reports))
    for leave in Leave:
        row(f"left {leave.value}", *(report.left[leave] for report in reports))
    for status in sorted({status for report in reports for status in report.statuses}):
        row(f"HTTP {status}", *(report.statuses[status] for report in reports))
    row("streams without an end", *(report.unended for report in reports))
    row("characters compared", *(f"{report.characters:,}" for report in reports))
    row("text left out by vLLM", *(report.left_out for report in reports))
    for process in PROCESSES:
        row(f"{process}: MB", *(megabytes(report, process) for report in reports))
        row("bytes a request", *(f"{growth(report.warm, process):.0f}" for report in reports))
    row("what does not hold", *(len(report.faults) for report in reports))
    return shown


def megabytes(report: Report, process: str) -> str:
    """From the warm-up to the end."""
    return " ".join(f"{one.resident[process] / 2**20:.0f}" for one in report.warm)


def keep_log(server: Server, report: Report, console: Console) -> None:
    if report.faults:
        KEPT.mkdir(exist_ok=True)
        kept = shutil.copyfile(server.log, KEPT / f"{server.adapter}.log")
        console.print(f"{server.adapter}: the server's log is in {kept.relative_to(KEPT.parent)}")


def main() -> int:
    console = Console(width=180, highlight=False)
    names = [get(os.environ["ADAPTER"]).name] if os.environ.get("ADAPTER") else list(FAMILIES)
    requests, seed = int(os.environ.get("SOAK_REQUESTS") or 4000), int(os.environ.get("SOAK_SEED") or 0)
    os.environ.update(TIDY)
    reports = []
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            model = write_tiny_checkpoint(Path(folder) / "tiny", FAMILIES[name])
            arguments = (*DUMMY, *FAMILIES[name].arguments, *SMALL)
            with Server(model, name, *arguments, workdir=Path(folder)) as server:
                reports.append(Soak(server, requests, seed, FLAT).run())
                console.print(f"{name}: {len(reports[-1].faults)} things do not hold")
                for fault in reports[-1].faults:
                    console.print(f"{name}: {fault}", markup=False, style="red")
                keep_log(server, reports[-1], console)
    console.print(table(reports))
    return 1 if any(report.faults for report in reports) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (ServerFailed, UnknownAdapterError) as error:
        sys.exit(str(error))
