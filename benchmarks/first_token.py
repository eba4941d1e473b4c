"""What a grammar adds to a reply's first token, and to each other one.

The same reply to the same request with `tool_choice: "auto"`, which has no grammar, and with `"required"`. Cold: with tools
that the server has never seen. Warm: with the same once more, as in an agent's next turn.
"""

import asyncio
from collections.abc import Mapping
from itertools import count
from typing import Any, NamedTuple

import aiohttp
from competitors import Call, Reply, ours
from servers import Server, stream

from chat_adapters.adapters import ADAPTERS

__all__ = ["CHOICES", "grammar_of"]

PROPERTIES = ("path", "content", "mode")
ARGUMENTS = {name: f"the {name} of the file, " * 10 for name in PROPERTIES}
CHOICES = ("auto", "required")
_numbers = count()


class Reading(NamedTuple):
    """How long a reply has taken."""

    first_ms: float
    """To its first piece; a message with the call's name."""
    token_ms: float
    """From there a token."""


def grammar_of(server: Server, many: int, rounds: int) -> dict[str, dict[str, float]]:
    """Of replies to requests with so many tools the one that began soonest, by `tool_choice` and whether the tools are new.

    Now and then vLLM hands the first hundred tokens over together, whatever the parser: then the first is late.
    """
    readings: dict[tuple[str, str], list[Reading]] = {}
    for turn in range(-1, rounds):
        for choice in CHOICES[:: 1 if turn % 2 else -1]:
            body = _body(server, many, choice, next(_numbers))
            for state in ("cold", "warm"):
                reading = asyncio.run(_ask(server, body))
                if turn >= 0:  # the first is for what a server makes once
                    readings.setdefault((choice, state), []).append(reading)
    return {f"{choice}, {state}": min(all_of)._asdict() for (choice, state), all_of in readings.items()}


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
