"""What parsers cost a real server under load, on a CPU: `make bench-serving`, or `python benchmarks/serving.py`.

For each adapter three servers that differ in nothing but `--tool-call-parser`: ours, vLLM's own for the same text where
there is one, and the floor. All are loaded with the same replies by turns. It writes serving.json and serving.md into this
folder. docs/performance.md says what is measured, and how.
"""

import argparse
import asyncio
import json
import logging
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any, NamedTuple

import aiohttp
import psutil
from competitors import ours
from floor import FLOOR
from grid import TOOL, Point, reply_of
from servers import Server, Streamed, servers, stream
from tables import table

from chat_adapters.adapters import ADAPTERS

HERE = Path(__file__).resolve().parent
STREAMS = (1, 8, 64)
"""How many are on their way at once."""
REQUESTS = 64
"""How many are sent in a run, one after the other where fewer are on their way."""
ROUNDS = 5
POINT = Point(size=1024)
BOUND = 1.1
"""Our server's CPU a token, times the floor's, with the most streams."""


class Run(NamedTuple):
    """What one load has cost."""

    cpu_us: float
    """Microseconds of the API server's process a token."""
    lag_ms: float
    """The event loop's, of a hundred moments the worst but one."""
    token_ms: float
    """From one token of a stream to the next, the median of all streams."""
    right: bool
    """Every client got the call."""


def bench(names: Sequence[str], streams: Sequence[int], rounds: int) -> dict[str, Any]:
    """For each adapter and number of streams, the runs of each parser."""
    found: dict[str, Any] = {}
    for name in names:
        with servers(name) as started:
            script = started[name].ids(text_of(name))
            for server in started.values():
                run_of(server, script, max(streams))  # what is made once is made
            found[name] = {str(most): rounds_of(started, script, most, rounds) for most in streams}
    return found


def rounds_of(
    started: Mapping[str, Server], script: Sequence[int], streams: int, rounds: int
) -> dict[str, list[dict[str, Any]]]:
    """In each round the parsers take turns, in another order."""
    runs: dict[str, list[dict[str, Any]]] = {label: [] for label in started}
    labels = list(started)
    for turn in range(rounds):
        place = turn % len(labels)
        for label in (*labels[place:], *labels[:place]):
            runs[label].append(run_of(started[label], script, streams)._asdict())
    return runs


def text_of(name: str) -> str:
    """The reply with its stop token."""
    return ours(name).write(reply_of(POINT)) + ADAPTERS[name].stop_tokens[0]


def run_of(server: Server, script: Sequence[int], streams: int) -> Run:
    """Loads the server once."""
    return asyncio.run(_load(server, script, streams))


async def _load(server: Server, script: Sequence[int], streams: int) -> Run:
    body = {
        "model": server.name,
        "messages": [{"role": "user", "content": "?"}],
        "tools": [{"type": "function", "function": {"name": TOOL}}],
        "stream": True,
        "max_tokens": len(script),
        "vllm_xargs": {"replay_ids": list(script)},
    }
    waiting = iter(range(REQUESTS))
    streamed: list[Streamed] = []

    async def client(session: aiohttp.ClientSession) -> None:
        for _ in waiting:
            streamed.append(await stream(session, server.url, body))

    process = psutil.Process(server.pid)
    _lag(server)
    before = process.cpu_times()
    timeout = aiohttp.ClientTimeout(total=600)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(client(session) for _ in range(streams)))
    after = process.cpu_times()
    spent = after.user + after.system - before.user - before.system
    tokens = REQUESTS * len(script)
    gaps = [(one.times[-1] - one.times[0]) / (len(script) - 1) for one in streamed]
    expected = reply_of(POINT).calls[0].arguments
    right = all(_arguments(one.wrote) == expected for one in streamed)
    return Run(1e6 * spent / tokens, 1e3 * quantiles(_lag(server), n=100)[-1], 1e3 * median(gaps), right)


def _arguments(wrote: bytes) -> Any:
    """The arguments of the one call that the client got; None if they do not load."""
    texts = []
    for line in wrote.splitlines():
        if line.startswith(b"data: {"):
            for choice in json.loads(line[6:])["choices"]:
                for call in choice["delta"].get("tool_calls") or ():
                    texts.append((call.get("function") or {}).get("arguments") or "")
    try:
        return json.loads("".join(texts))
    except ValueError:
        return None


def _lag(server: Server) -> list[float]:
    with urllib.request.urlopen(f"{server.url}/lag", timeout=60) as answer:
        late: list[float] = json.load(answer)
    return late


def ratio(runs: Mapping[str, Sequence[Mapping[str, Any]]], one: str, other: str) -> float:
    """CPU a token: the median of the paired runs' ratios."""
    pairs = zip(runs[one], runs[other], strict=True)
    return float(median(first["cpu_us"] / second["cpu_us"] for first, second in pairs))


def report(found: Mapping[str, Any]) -> str:
    """All of it, as tables."""
    rows = [
        [name, streams, label, *_cells(label, runs)]
        for name, levels in found.items()
        for streams, runs in levels.items()
        for label in runs
    ]
    head = [
        "adapter", "streams", "parser", "CPU a token, us", "times the floor", "the five pairs",
        "event loop late, p99 ms", "a token, ms",
    ]  # fmt: skip
    parts = [
        "# What parsers cost a server",
        "Made by `make bench-serving` with serving.json; docs/performance.md says what the numbers mean.",
        *(f"- {line}" for line in judged(found)),
        table(head, rows),
    ]
    return "\n\n".join(parts) + "\n"


def _cells(label: str, runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    own = runs[label]
    if label != FLOOR and not all(run["right"] for run in own):
        return ["**wrong**"] * 5
    pairs = [f"{one['cpu_us'] / floor['cpu_us']:.2f}" for one, floor in zip(own, runs[FLOOR], strict=True)]
    lag, token = (median(run[key] for run in own) for key in ("lag_ms", "token_ms"))
    return [
        f"{median(run['cpu_us'] for run in own):.0f}",
        f"{ratio(runs, label, FLOOR):.2f}",
        " ".join(pairs),
        f"{lag:.1f}",
        f"{token:.1f}",
    ]


def judged(found: Mapping[str, Any]) -> list[str]:
    """What must hold, and whether it does."""
    said = []
    for name, levels in found.items():
        streams = max(levels, key=int)
        times = ratio(levels[streams], name, FLOOR)
        holds = "holds" if times <= BOUND else "**does not hold**"
        said.append(
            f"{name}, {streams} streams: CPU a token {times:.3f} times the floor's, at most {BOUND}: {holds}"
        )
    return said


def main() -> None:
    logging.disable(logging.WARNING)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("adapters", nargs="*", default=list(ADAPTERS), metavar="ADAPTER")
    parser.add_argument("--folder", type=Path, default=HERE, help="where the two files go")
    parser.add_argument("--streams", type=int, nargs="+", default=STREAMS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args()
    found = bench(asked.adapters, asked.streams, asked.rounds)
    asked.folder.joinpath("serving.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    asked.folder.joinpath("serving.md").write_text(report(found), "utf-8")
    print("\n".join(judged(found)))


if __name__ == "__main__":
    main()
