"""Many streams of one server at once, and what they cost it."""

import asyncio
import json
import urllib.request
from collections.abc import Mapping, Sequence
from statistics import median, quantiles
from typing import Any, NamedTuple

import aiohttp
import psutil
from competitors import ours
from grid import TOOL, Point, reply_of
from servers import Server, Streamed, stream

from chat_adapters.adapters import ADAPTERS

__all__ = ["rounds_of", "run_of"]

REQUESTS = 4
"""How many are sent in a run at least: one after the other where fewer are on their way."""
POINT = Point(size=512)


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


def rounds_of(started: Mapping[str, Server], streams: int, rounds: int) -> dict[str, list[dict[str, Any]]]:
    """The runs of each server, by its parser: in each round they take turns, in another order."""
    runs: dict[str, list[dict[str, Any]]] = {parser: [] for parser in started}
    parsers = list(started)
    for turn in range(rounds):
        place = turn % len(parsers)
        for parser in (*parsers[place:], *parsers[:place]):
            runs[parser].append(run_of(started[parser], streams)._asdict())
    return runs


def text_of(name: str) -> str:
    """The reply with its stop token."""
    return ours(name).write(reply_of(POINT)) + ADAPTERS[name].stop_tokens[0]


def run_of(server: Server, streams: int) -> Run:
    """Loads the server once."""
    return asyncio.run(_load(server, server.ids(text_of(server.adapter)), streams))


async def _load(server: Server, script: Sequence[int], streams: int) -> Run:
    body = {
        "model": server.name,
        "messages": [{"role": "user", "content": "?"}],
        "tools": [{"type": "function", "function": {"name": TOOL}}],
        "stream": True,
        "max_tokens": len(script),
        "vllm_xargs": {"replay_ids": list(script)},
    }
    requests = max(REQUESTS, streams)
    waiting = iter(range(requests))
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
    tokens = requests * len(script)
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
