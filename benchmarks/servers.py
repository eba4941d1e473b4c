"""Real servers of one tiny checkpoint, which differ in nothing but their parser; and a stream of one, read as it comes."""

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "tests" / "serving"))  # the server of the tests

from competitors import PEERS
from floor import FLOOR
from server import DUMMY, Server
from tiny import FAMILIES, write_tiny_checkpoint

__all__ = ["Server", "Streamed", "servers", "stream"]

LONG = ("--max-model-len", "32768")
"""For the tools of a request."""
ONE_THREAD = ("VLLM_CPU_OMP_THREADS_BIND", "0")
"""For the model, on the first core: threads that wait for each other stand still whenever another process has a core."""


@contextmanager
def servers(name: str) -> Iterator[dict[str, Server]]:
    """The adapter's, that of vLLM's parser for the same text, and the floor's, by the parser's name."""
    parsers = [name, *(peer.name for peer in PEERS if peer.rival == name), FLOOR]
    os.environ.setdefault(*ONE_THREAD)
    with ExitStack() as stack:
        workdir = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        model = write_tiny_checkpoint(workdir / "tiny", FAMILIES[name])
        started = {}
        for parser in parsers:
            folder = workdir / parser
            folder.mkdir()
            server = Server(
                model,
                name,
                *(*DUMMY, *FAMILIES[name].arguments),
                *("--tool-call-parser", parser, "--tool-parser-plugin", str(HERE / "floor.py")),
                *("--middleware", "probe.Probe", *LONG),
                workdir=folder,
                imports=(HERE,),
            )
            started[parser] = stack.enter_context(server)
        yield started


class Streamed(NamedTuple):
    """An answer, piece by piece."""

    began: float
    """When it was asked for; seconds of the same clock as the pieces' times."""
    times: list[float]
    wrote: bytes


async def stream(session: aiohttp.ClientSession, url: str, body: Mapping[str, Any]) -> Streamed:
    """Asks for a chat completion.

    Raises:
        aiohttp.ClientResponseError: the server refused.
    """
    times: list[float] = []
    wrote = bytearray()
    began = time.perf_counter()
    async with session.post(f"{url}/v1/chat/completions", json=body) as answer:
        answer.raise_for_status()
        async for piece in answer.content.iter_any():
            times.append(time.perf_counter())
            wrote += piece
    return Streamed(began, times, bytes(wrote))
