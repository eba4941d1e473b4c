"""Who did what: the processes of a server note when they register the plugin, answer a request, or write a reply.

vLLM loads this file as a plugin of its own, before ours, and as a middleware; `replay.py` notes what it writes. Each
process has one file in the folder that WITNESS names. A request says who it is: `ticket` names one.
"""

import json
import multiprocessing
import os
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

__all__ = [
    "FOLDER",
    "MIDDLEWARE",
    "Answered",
    "Note",
    "note",
    "platform",
    "plugin",
    "read_notes",
    "ticket",
    "write_plugin",
]

FOLDER = "WITNESS"
HEADER = "x-witness"
MIDDLEWARE = ("--middleware", "witness.Answered")
Note = dict[str, Any]
App = Callable[[MutableMapping[str, Any], Any, Any], Awaitable[None]]


def ticket(number: int, rank: int | None = None) -> dict[str, dict[str, Any]]:
    """What a request brings along to be recognised by, in the words of the openai client.

    Args:
        number: no other request's.
        rank: which engine is to take it; any, if none is named.
    """
    engine = {} if rank is None else {"X-data-parallel-rank": str(rank)}
    return {
        "extra_headers": {HEADER: str(number), **engine},
        "extra_body": {"vllm_xargs": {"ticket": number}},
    }


def note(what: str, **more: Any) -> None:
    """Writes a line into this process's file, at once; without a folder nothing happens."""
    if folder := os.environ.get(FOLDER):
        process = {"pid": os.getpid(), "name": multiprocessing.current_process().name}
        with Path(folder, f"{os.getpid()}.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"what": what, **process, **more}) + "\n")


def read_notes(folder: Path) -> Iterator[Note]:
    """Every note of every process."""
    for path in sorted(folder.glob("*.jsonl")):
        yield from map(json.loads, path.read_text("utf-8").splitlines())


def plugin() -> None:
    """vLLM calls this with the other plugins, and had to import the file for it: that is all it is for."""


def platform() -> str:
    """Where vLLM finds a platform that Ray takes."""
    return "ray_platform.RayCpuPlatform"


def write_plugin(folder: Path, ray: bool = False) -> Path:
    """What makes vLLM load this file, for the folder to be put on PYTHONPATH: there it is found before ours.

    Args:
        ray: whether vLLM is to run on the platform of `ray_platform.py`.
    """
    info = folder / "witness-0.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: witness\nVersion: 0\n", encoding="utf-8")
    points = ["[vllm.general_plugins]", "witness = witness:plugin"]
    if ray:
        points += ["[vllm.platform_plugins]", "witness = witness:platform"]
    (info / "entry_points.txt").write_text("\n".join(points) + "\n", encoding="utf-8")
    return folder


class Answered:
    """A middleware that notes which requests this API server has answered."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        headers = dict(scope.get("headers") or ())
        if number := headers.get(HEADER.encode()):
            # Before the answer, so that who has the answer finds the note.
            note("answered", ticket=int(number))
        await self._app(scope, receive, send)


def count_registrations() -> None:
    """From now on, each call of our plugin's `register` is noted, with what vLLM knows afterwards."""
    from chat_adapters import vllm_plugin

    register = vllm_plugin.register

    def counted() -> None:
        register()
        from vllm.tool_parsers import ToolParserManager

        note("registered", known=vllm_plugin.AUTO in ToolParserManager.list_registered())

    vllm_plugin.register = counted


if FOLDER in os.environ and "VLLM_PLUGINS" not in os.environ:
    count_registrations()
