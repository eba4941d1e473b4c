"""`make scale`: recorded replies through every process of a vLLM that is spread over several, one mode after another.

What must hold of each mode: the plugin is registered once in every process of vLLM's that has it to do, every API
server has answered every recorded reply, whole and streamed, from every engine, all of them read as in `fixtures/`,
and the counters on `/metrics` are those of all the replies together.

`MODE=headless make scale` runs one, ADAPTER=qwen2_5 another family. The results go to docs/scale-out.json, and as a
table into docs/scale-out.md.
"""

import json
import os
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count, product
from pathlib import Path
from typing import Any, NamedTuple

from counters import counters
from deployments import MODES, Deployment, deployed
from openai import OpenAIError
from recorded import as_sent, load, loads, output, recorded, script, through_vllm, tools_of
from replies import Reply, read
from rich.console import Console
from scale_report import Process, Result, screen, write
from server import Server, ServerFailed
from witness import Note, read_notes, ticket

from chat_adapters.adapters import UnknownAdapterError, get

__all__ = ["DEFAULT", "Scale"]

DEFAULT = "internlm2_5"
"""Its configuration is a class of the plugin's own, which every process must be able to load."""
AT_ONCE = 8
ROUNDS = 16
"""In each is sent what some API server has not answered yet."""
OWN = re.compile(r"VLLM::(\S+)|/bin/(vllm serve) |ray::(?:ServeReplica:\w+:)?(RayWorkerProc|LLMServer)")
"""In the titles of vLLM's own processes, and of actors of Ray's that are."""
KEPT = Path(__file__).resolve().parent.parent.parent / ".scale"
NO_PLUGIN = "DPCoordinator"
"""It passes messages on, and loads no plugins."""


class Case(NamedTuple):
    """One request: a recorded reply, and the way that it takes."""

    folder: Path
    stream: bool
    rank: int | None
    """The engine that is to take it, where there are several."""
    door: Server

    def __str__(self) -> str:
        way = "streamed" if self.stream else "whole"
        return f"{self.folder.name}, {way}" + ("" if self.rank is None else f", engine {self.rank}")


class Sent(NamedTuple):
    case: Case
    reply: Reply


class Scale:
    """A mode that runs, and its requests.

    Args:
        replies: how many recorded ones; all of the family if no number is given.
    """

    def __init__(self, deployment: Deployment, replies: int | None = None) -> None:
        self._deployment = deployment
        self._mode = deployment.mode
        self._adapter = get(deployment.nodes[0].adapter)
        self._folders = [*recorded(self._adapter).values()][:replies]
        self._numbers = count()
        self._sent: dict[int, Sent] = {}
        """By their tickets."""

    def run(self, name: str) -> Result:
        doors = self._deployment.doors
        seconds = max(door.seconds for door in doors)
        result = Result(
            name, self._mode.what, self._mode.mute, self._adapter.name, seconds, len(self._folders)
        )
        ranks = range(self._mode.engines) if self._mode.engines > 1 else (None,)
        cases = [Case(*case) for case in product(self._folders, (False, True), ranks, doors)]
        ids = {folder: doors[0].ids(script(self._adapter, output(folder))) for folder in self._folders}
        for _ in range(0 if self._mode.mute else ROUNDS):
            with ThreadPoolExecutor(AT_ONCE) as pool:
                for sent in [
                    pool.submit(self._send, case, ids[case.folder]) for case in self._missing(cases)
                ]:
                    sent.result()
        notes = [*read_notes(self._deployment.notes)]
        result.requests = len(self._sent)
        result.processes = [*self._processes(notes)]
        result.faults = [*self._wrong_processes(result.processes, notes)]
        if not self._mode.mute:
            result.faults += [*self._wrong_replies(), *self._wrong_counts(), *self._wrong_work(notes)]
            result.faults += [f"not every process was asked for {case}" for case in self._missing(cases)]
        return result

    def _missing(self, cases: Sequence[Case]) -> list[Case]:
        """Those that not every process behind their door has answered: which one takes a connection is chance."""
        mode = self._mode
        what, wanted = (
            ("answered", mode.api_servers // len(self._deployment.doors))
            if mode.api_servers
            else ("wrote", mode.workers)
        )
        done: dict[Case, set[int]] = {}
        for note in read_notes(self._deployment.notes):
            if note["what"] == what:
                done.setdefault(self._sent[note["ticket"]].case, set()).add(note["pid"])
        return [case for case in cases if len(done.get(case, ())) < wanted]

    def _send(self, case: Case, ids: list[int]) -> None:
        """Over a connection of its own."""
        number = next(self._numbers)
        request = load(case.folder, "request")
        mark = ticket(number, case.rank)
        mark["extra_headers"]["Connection"] = "close"
        mark["extra_body"]["vllm_xargs"]["replay_ids"] = ids
        mark["extra_body"]["chat_template_kwargs"] = request.get("chat_template_kwargs")
        create: Any = case.door.client.chat.completions.create
        answer = create(
            model=case.door.name,
            messages=as_sent(request["messages"]),
            tools=tools_of(case.folder),
            stream=case.stream,
            **mark,
        )
        self._sent[number] = Sent(case, read(answer))

    def _wrong_replies(self) -> Iterator[str]:
        server = self._deployment.doors[0]
        want = {
            folder: through_vllm(self._adapter, folder, server.seen(output(folder)))
            for folder in self._folders
        }
        for case, reply in self._sent.values():
            if not as_recorded(reply, case.stream, *want[case.folder]):
                yield f"{case}: {reply.content!r} {reply.calls} {reply.finish_reason}"

    def _wrong_counts(self) -> Iterator[str]:
        calls = sum(loads(arguments) for _, reply in self._sent.values() for _, arguments in reply.calls)
        if self._mode.api_servers:  # Ray Serve has no /metrics there
            counted = sum(counters(door)["calls", self._adapter.name] for door in self._deployment.doors)
            if counted != calls:
                yield f"/metrics counted {counted} calls of {calls}"

    def _processes(self, notes: Sequence[Note]) -> Iterator[Process]:
        """Those of vLLM's, and those that have noted something."""
        did = {what: Counter[int]() for what in ("registered", "answered", "wrote")}
        for what, pid, _ in {(note["what"], note["pid"], note.get("ticket", object())) for note in notes}:
            did[what][pid] += 1
        for pid, title in self._deployment.titles().items():
            own = OWN.search(title)
            name = next(filter(None, own.groups())) if own else title
            counts = [did[what][pid] for what in did]
            if own or any(counts):
                yield Process(name, *counts)

    def _wrong_processes(self, processes: Sequence[Process], notes: Sequence[Note]) -> Iterator[str]:
        for one in processes:
            if one.registered != 1 and not (one.title.startswith(NO_PLUGIN) and not one.registered):
                yield f"{one.title} has registered the plugin {one.registered} times"
        if not all(note["known"] for note in notes if note["what"] == "registered"):
            yield "a process that has registered the plugin does not know the parsers"

    def _wrong_work(self, notes: Sequence[Note]) -> Iterator[str]:
        everything = set(product(self._folders, (False, True)))
        for what, wanted in (("answered", self._mode.api_servers), ("wrote", self._mode.workers)):
            done: dict[int, set[tuple[Path, bool]]] = {}
            for note in notes:
                if note["what"] == what:
                    case = self._sent[note["ticket"]].case
                    done.setdefault(note["pid"], set()).add((case.folder, case.stream))
            complete = sum(some == everything for some in done.values())
            if complete != wanted:
                yield f"{complete} processes {what} every reply, whole and streamed, not {wanted}"


def as_recorded(reply: Reply, stream: bool, content: str, calls: list[tuple[str, object]]) -> bool:
    """Whether a reply is what it must be; a stream cannot take back a call that it has announced."""
    complete = [call for call in reply.calls if loads(call[1])]
    if [(name, json.loads(text)) for name, text in complete] != calls:
        return False
    if stream and len(complete) < len(reply.calls):
        return True
    finish = "tool_calls" if calls else "stop"
    return len(complete) == len(reply.calls) and (reply.content, reply.finish_reason) == (content, finish)


def run(name: str, adapter: str) -> Result:
    """One mode; if not all of it holds, the logs of its nodes are kept."""
    mode = MODES[name]
    with tempfile.TemporaryDirectory() as folder:
        try:
            with deployed(mode, adapter, Path(folder)) as running:
                result = Scale(running).run(name)
        except (ServerFailed, OpenAIError, OSError) as error:
            result = Result(name, mode.what, mode.mute, adapter, 0, 0, faults=[f"{error}"])
        for log in Path(folder).glob("*.log") if result.faults else ():
            (KEPT / name).mkdir(parents=True, exist_ok=True)
            shutil.copy(log, KEPT / name)
    return result


def main() -> int:
    console = Console(width=160, highlight=False)
    adapter = get(os.environ.get("ADAPTER") or DEFAULT).name
    results = []
    for name in sys.argv[1:] or MODES:
        results.append(run(name, adapter))
        console.print(screen(results[-1]))
        for fault in results[-1].faults:
            console.print(f"{name}: {fault}", markup=False, style="red")
    write(results, MODES)
    return 1 if any(result.faults for result in results) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UnknownAdapterError as error:
        sys.exit(str(error))
