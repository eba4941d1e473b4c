"""What a grammar adds to a reply's first token and to each other one, on a real server, on a CPU: `make bench-serving`.

The same reply to the same request with `tool_choice: "auto"`, which has no grammar, and with `"required"`. Cold: with tools
that the server has never seen. Warm: with the same once more, as in an agent's next turn. For vLLM's own grammar of the
same text, too. It writes first_token.json and first_token.md into this folder.
"""

import argparse
import asyncio
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import aiohttp
from competitors import Call, Reply, ours
from servers import Server, servers, stream
from tables import table

from chat_adapters.adapters import ADAPTERS

HERE = Path(__file__).resolve().parent
TOOLS = (1, 20, 200)
ROUNDS = 5
PROPERTIES = ("path", "content", "mode")
ARGUMENTS = {name: f"{name} of the file" for name in PROPERTIES}
CHOICES = ("auto", "required")
LONG = ("--max-model-len", "32768")
"""For the tools of a request."""


class Reading(NamedTuple):
    """How long a reply has taken."""

    first_ms: float
    """To its first piece; a message with the call's name."""
    token_ms: float
    """From there a token."""


def bench(names: Sequence[str], tools: Sequence[int], rounds: int) -> dict[str, Any]:
    """By adapter, parser, number of tools, `tool_choice` and whether the tools are new: medians."""
    numbers = count()
    found: dict[str, Any] = {}
    for name in names:
        with servers(name, *LONG, floor=False) as started:
            found[name] = {
                parser: {str(many): _measured(server, many, rounds, numbers) for many in tools}
                for parser, server in started.items()
            }
    return found


def _measured(server: Server, many: int, rounds: int, numbers: Iterator[int]) -> dict[str, Any]:
    readings: dict[tuple[str, str], list[Reading]] = {}
    for turn in range(-1, rounds):
        for choice in CHOICES[:: 1 if turn % 2 else -1]:
            body = _body(server, many, choice, next(numbers))
            for state in ("cold", "warm"):
                reading = asyncio.run(_ask(server, body))
                if turn >= 0:  # the first is for what a server makes once
                    readings.setdefault((choice, state), []).append(reading)
    return {
        f"{choice}, {state}": {
            "first_ms": median(one.first_ms for one in all_of),
            "token_ms": median(one.token_ms for one in all_of),
        }
        for (choice, state), all_of in readings.items()
    }


def _body(server: Server, many: int, choice: str, number: int) -> dict[str, Any]:
    """A request whose tools no other has."""
    parameters = {
        "type": "object",
        "properties": {name: {"type": "string"} for name in PROPERTIES},
        "required": list(PROPERTIES),
        "additionalProperties": False,
    }
    names = [f"tool_{number}_{place}" for place in range(many)]
    adapter = ADAPTERS[server.adapter]
    text = ours(adapter.name).write(Reply("", (Call(names[-1], ARGUMENTS),))) + adapter.stop_tokens[0]
    script = server.ids(text)
    return {
        "model": server.name,
        "messages": [{"role": "user", "content": "?"}],
        "tools": [
            {"type": "function", "function": {"name": name, "parameters": parameters}} for name in names
        ],
        "tool_choice": choice,
        "stream": True,
        "max_tokens": len(script),
        "vllm_xargs": {"replay_ids": script},
    }


async def _ask(server: Server, body: Mapping[str, Any]) -> Reading:
    async with aiohttp.ClientSession() as session:
        streamed = await stream(session, server.url, body)
    assert b'"finish_reason":"tool_calls"' in streamed.wrote, streamed.wrote[-500:]
    first, last = streamed.times[0], streamed.times[-1]
    tokens = len(body["vllm_xargs"]["replay_ids"])
    return Reading(1e3 * (first - streamed.began), 1e3 * (last - first) / (tokens - 1))


def report(found: Mapping[str, Any]) -> str:
    """All of it, as a table."""
    rows = []
    for name, parsers in found.items():
        for parser, by_tools in parsers.items():
            for many, one in by_tools.items():
                cells = [name, parser, many]
                for state in ("cold", "warm"):
                    free, held = (one[f"{choice}, {state}"] for choice in CHOICES)
                    cells += [f"{free['first_ms']:.0f}", f"{held['first_ms'] - free['first_ms']:+.1f}"]
                free, held = (one[f"{choice}, warm"]["token_ms"] for choice in CHOICES)
                rows.append([*cells, f"{free:.2f}", f"{held - free:+.2f}"])
    head = [
        "adapter", "parser", "tools",
        "first token, cold, ms", "the grammar adds", "warm, ms", "the grammar adds", "a token, ms", "the grammar adds",
    ]  # fmt: skip
    parts = [
        "# What a grammar adds",
        "Made by `make bench-serving` with first_token.json; docs/performance.md says what the numbers mean.",
        table(head, rows),
    ]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    logging.disable(logging.WARNING)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("adapters", nargs="*", default=list(ADAPTERS), metavar="ADAPTER")
    parser.add_argument("--folder", type=Path, default=HERE, help="where the two files go")
    parser.add_argument("--tools", type=int, nargs="+", default=TOOLS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args()
    found = bench(asked.adapters, asked.tools, asked.rounds)
    asked.folder.joinpath("first_token.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    asked.folder.joinpath("first_token.md").write_text(report(found), "utf-8")


if __name__ == "__main__":
    main()
