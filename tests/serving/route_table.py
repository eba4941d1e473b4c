"""`make routes`: every recorded reply on every route, whole and streamed, one table a family: are the calls the same?

`ADAPTER=llama3_1 make routes` shows one family. The model is made to write each reply (see `replay.py`).
"""

import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from recorded import load, output, recorded, script, tools_of
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from routes import ROUTES, Answer, Ask
from server import DUMMY, Server, ServerFailed
from tiny import FAMILIES, write_tiny_checkpoint

from chat_adapters.adapters import UnknownAdapterError, get

__all__ = ["CHAT", "DIFFERENT", "KNOWN", "SAME", "WAYS", "Answers", "Way", "asked", "verdict"]


class Way(NamedTuple):
    """How an answer is asked for."""

    route: str
    stream: bool

    def __str__(self) -> str:
        return self.route.removeprefix("/v1/") + ", streamed" * self.stream


CHAT = "/v1/chat/completions"
WAYS = tuple(Way(route, stream) for route in ROUTES for stream in (False, True))
Answers = Mapping[Way, Future[Answer]]

SAME, DIFFERENT = "same", "DIFFERENT"
KNOWN = {
    "announced": "a call was cut or went bad when its name had been streamed: it stays one; whole, it is content",
    "stopped": "a stop string cut a call: on the Messages route the reason is stop_sequence, so that nobody executes it",
    "left out": "vLLM's stream of responses has no place for text in the delta that ends a call and the reply",
}
"""How a streamed answer may differ, and why."""


@contextmanager
def asked(server: Server) -> Iterator[dict[Path, Answers]]:
    """All of a family's recorded replies, asked for in every way; sent at once, they take a fraction of the time."""
    adapter = get(server.adapter)

    def send(way: Way, folder: Path, ids: Future[list[int]]) -> Answer:
        template = load(folder, "request").get("chat_template_kwargs")
        ask = Ask(tools_of(folder), tuple(ids.result()), template=template)
        return ROUTES[way.route](server, ask, way.stream)

    with ThreadPoolExecutor(16) as pool:
        ids = {
            folder: pool.submit(server.ids, script(adapter, output(folder)))
            for folder in recorded(adapter).values()
        }
        yield {folder: {way: pool.submit(send, way, folder, ids[folder]) for way in WAYS} for folder in ids}
        pool.shutdown(cancel_futures=True)


def verdict(way: Way, answers: Answers, log: str) -> str:
    """Whether this answer is that of Chat Completions, whole: SAME, DIFFERENT, or one of KNOWN.

    Args:
        log: the server's.
    """
    answer, whole = answers[way].result(), answers[Way(CHAT, False)].result()
    if not way.stream:
        return SAME if values(answer) == values(whole) else DIFFERENT
    streamed = answers[Way(CHAT, True)].result()
    if answer != streamed and way.route == "/v1/messages":
        cut = bool(answer.calls) and value(answer.calls[-1][1]) is None
        return "stopped" if cut and answer == replace(streamed, finish="stop") else DIFFERENT
    if answer != streamed:
        left = streamed.text.removeprefix(answer.text)
        known = answer == replace(streamed, text=streamed.text.removesuffix(left))
        return "left out" if known and f"was left out: {left!r:.80}" in log else DIFFERENT
    if answer == whole:
        return SAME
    complete = tuple(call for call in answer.calls if isinstance(value(call[1]), dict))
    if complete != whole.calls:
        return DIFFERENT
    return "announced" if complete != answer.calls else DIFFERENT


def values(answer: Answer) -> tuple[object, ...]:
    """What an answer says, whichever way its JSON is spelled."""
    calls = [(name, value(arguments)) for name, arguments in answer.calls]
    return answer.text, calls, answer.finish, answer.tokens


def value(arguments: str) -> object:
    """The arguments; None if they do not load."""
    try:
        return json.loads(arguments)
    except ValueError:
        return None


def show(server: Server, console: Console) -> Counter[str]:
    """Print a family's table, and count the verdicts."""
    counts: Counter[str] = Counter()
    table = Table("recorded reply", "calls", *map(str, WAYS), title=server.adapter)
    with asked(server) as replies:
        for folder, answers in replies.items():
            calls = answers[Way(CHAT, False)].result().calls
            every = {way: future.result() for way, future in answers.items()}
            verdicts = [verdict(way, answers, server.log_text()) for way in every]
            counts.update(verdicts)
            lines = "\n".join(f"{name}({' '.join(arguments.split())})" for name, arguments in calls)
            table.add_row(folder.name, escape(lines), *verdicts)
    console.print(table)
    return counts


def main() -> int:
    console = Console(width=160, highlight=False)
    names = [get(os.environ["ADAPTER"]).name] if os.environ.get("ADAPTER") else list(FAMILIES)
    counts: Counter[str] = Counter()
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            model = write_tiny_checkpoint(Path(folder) / "tiny", FAMILIES[name])
            with Server(model, name, *DUMMY, *FAMILIES[name].arguments, workdir=Path(folder)) as server:
                counts += show(server, console)
    for what, why in KNOWN.items():
        console.print(f"{what}: {why}")
    console.print(", ".join(f"{count} {what}" for what, count in counts.most_common()))
    return 1 if counts[DIFFERENT] else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (ServerFailed, UnknownAdapterError) as error:
        sys.exit(str(error))
