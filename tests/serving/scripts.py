"""Replies for a soak: what a model is made to write, and what a client must get of it, read without a server."""

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple

from counters import Counts, counts_of
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from recorded import as_sent, before_stop, load, output, recorded, tools_of, without_blank
from replies import tool
from server import Server

from chat_adapters.adapters import Adapter, Arguments, CallBegin, PythonCall, Text, Tool
from chat_adapters.toolkit.checks import read, reply_of
from chat_adapters.toolkit.strategies import (
    atoms,
    calls_of,
    contents,
    mutated,
    noise,
    tool_sets,
    written_calls,
)
from chat_adapters.toolkit.writing import write_reply

__all__ = ["QUESTION", "Said", "Script", "Template", "drawn", "prepare", "said"]

QUESTION: list[dict[str, Any]] = [{"role": "user", "content": "What is the weather in Paris?"}]
NAMES = ("get_weather", "interpreter")
LONG = 16_000
"""Characters of a long argument. Runs of a character are few tokens, so that it fits into a short context."""
MOST_TOKENS = 1900
"""Of a reply: prompt and reply share the server's 4096."""
Template = Mapping[str, object] | None


@dataclass(frozen=True, slots=True)
class Script:
    """A reply that the model is made to write, and the request that it answers."""

    ids: tuple[int, ...]
    seen: str
    """What the server makes of the tokens, up to what ends the reply."""
    cut: tuple[int, str]
    """A number of tokens, and what the server makes of so many."""
    tools: list[dict[str, Any]]
    messages: list[dict[str, Any]]
    template: Template


class Said(NamedTuple):
    """What a client must get of a reply, and what the server counts of it."""

    text: str
    calls: tuple[tuple[str, str], ...]
    counts: Counts

    @property
    def characters(self) -> int:
        return len(self.text) + sum(len(arguments) for _, arguments in self.calls)


def said(adapter: Adapter, tools: Sequence[Mapping[str, Any]], text: str, stream: bool) -> Said:
    """Whole, a call that was cut or went bad is content; streamed, it is what has been announced."""
    offered = [Tool(one["function"]["name"], one["function"].get("parameters")) for one in tools]
    format = adapter.with_dialects()
    reading = read(format, offered, [text])
    counts = counts_of(adapter, reading)
    if not stream:
        reply = reply_of(format, offered, text)
        return Said(
            without_blank(reply.content, text),
            tuple((call.name, call.arguments) for call in reply.calls),
            counts,
        )
    content = "".join(event.text for event in reading.events if isinstance(event, Text))
    calls: list[tuple[str, str]] = []
    for event in reading.events:
        if isinstance(event, CallBegin):
            calls.append((event.name, ""))
        elif isinstance(event, Arguments):
            calls[-1] = (calls[-1][0], calls[-1][1] + event.text)
    return Said(without_blank(content, text), tuple(calls), counts)


def drawn(strategy: st.SearchStrategy[Any], count: int, number: int) -> list[Any]:
    """Examples of a strategy, the same for the same number."""
    found: list[Any] = []

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def keep(example: Any) -> None:
        found.append(example)

    keep()
    return found


def prepare(server: Server, adapter: Adapter, number: int, count: int) -> list[Script]:
    """The recorded replies, as many of each other kind, and a long one at the end, in the server's tokens."""
    chance = Random(number)

    def script(written: tuple[str, list[dict[str, Any]], list[dict[str, Any]], Template]) -> Script | None:
        # vLLM keeps a last U+FFFD back for ever: it may be half a character.
        text = written[0].replace("\N{REPLACEMENT CHARACTER}", "?")
        ids = server.ids(text + adapter.stop_tokens[0])
        ends = {server.ids(token)[-1] for token in adapter.stop_tokens}
        end = next(place for place, token in enumerate(ids) if token in ends)
        if end > MOST_TOKENS or (isinstance(adapter.format.call, PythonCall) and text.startswith(" ")):
            return None
        seen = before_stop(server.text(ids[:end]), adapter.format.stop_strings)
        return Script(tuple(ids[: end + 1]), seen, cut_of(server, ids[:end], chance), *written[1:])

    with ThreadPoolExecutor(8) as pool:
        return [script for script in pool.map(script, texts(adapter, number, count)) if script is not None]


def cut_of(server: Server, ids: Sequence[int], chance: Random) -> tuple[int, str]:
    """Never within a character: vLLM leaves the beginning of one out."""
    count = chance.randint(1, len(ids)) if ids else 0
    while count and server.text(ids[:count]).endswith("\N{REPLACEMENT CHARACTER}"):
        count -= 1
    return count, server.text(ids[:count])


def texts(
    adapter: Adapter, number: int, count: int
) -> Iterator[tuple[str, list[dict[str, Any]], list[dict[str, Any]], Template]]:
    """Replies, with the tools, the messages and the template's arguments of the requests that they answer."""
    format = adapter.format
    replies = [output(folder) for folder in recorded(adapter).values()]
    for folder in recorded(adapter).values():
        request = load(folder, "request")
        messages = as_sent(request["messages"])
        yield output(folder), tools_of(folder), messages, request.get("chat_template_kwargs")
    plain = [tool(name) for name in NAMES]
    hurt = st.one_of(
        written_calls(format, NAMES), noise(format, NAMES), mutated(replies, atoms(format, NAMES))
    )
    for text in drawn(hurt, 2 * count, number):
        yield text, plain, QUESTION, None
    for schemas, calls, content in drawn(conversations(adapter), count, number):
        tools = [tool(name, schema) for name, schema in schemas.items()]
        calls = [(name, json.dumps(value, ensure_ascii=False)) for name, value in calls]
        yield write_reply(format, *calls, text=content), tools, QUESTION, None
    run = "".join(sign * 64 for sign in "[ }{]")
    long = json.dumps({"text": run * (LONG // len(run) + 1)})
    yield write_reply(format, (NAMES[0], long), text="Let me see."), plain, QUESTION, None


def conversations(adapter: Adapter) -> st.SearchStrategy[Any]:
    """Tools, calls of them, and a text before the calls."""
    return tool_sets().flatmap(
        lambda tools: st.tuples(st.just(tools), calls_of(tools), contents(adapter.format))
    )
