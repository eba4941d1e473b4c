"""What `make scale` found: as a table on the screen, as JSON, and as the table of docs/scale-out.md."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from made import put
from rich.table import Table

__all__ = ["Process", "Result", "screen", "write"]

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
HEAD = (
    *("mode", "", "processes with the plugin", "each registered it", "requests, all as recorded"),
    *("answered by each API server", "written by each worker", "seconds to start"),
)


@dataclass(slots=True)
class Process:
    """What one process has done."""

    title: str
    registered: int
    answered: int
    """Requests."""
    wrote: int
    """Replies."""


@dataclass(slots=True)
class Result:
    """What came of one mode."""

    mode: str
    what: str
    mute: str
    """Why it answers nothing here, if it does not."""
    adapter: str
    seconds: float
    """How long it took to start."""
    replies: int
    """How many recorded ones there are."""
    requests: int = 0
    processes: list[Process] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """What does not hold."""


def screen(result: Result) -> Table:
    """Its processes."""
    sent = result.mute or f"{result.requests} requests for {result.replies} replies"
    head = f"{result.mode}: {result.what}; {sent}"
    shown = Table("process", "registered", "answered", "wrote", title=head)
    for one in result.processes:
        shown.add_row(one.title, str(one.registered), str(one.answered), str(one.wrote))
    return shown


def write(results: Iterable[Result], modes: Iterable[str]) -> None:
    """Into the file and the page, where the results of other modes stay."""
    path, page = DOCS / "scale-out.json", DOCS / "scale-out.md"
    known = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    known |= {result.mode: asdict(result) for result in results}
    known = {mode: known[mode] for mode in modes if mode in known}
    path.write_text(json.dumps(known, ensure_ascii=False, indent=1) + "\n", "utf-8")
    put(markdown(known.values()), page, "make scale")


def markdown(results: Iterable[dict[str, Any]]) -> str:
    lines = [HEAD, ["---"] * len(HEAD), *map(row, results)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def row(result: dict[str, Any]) -> list[str]:
    registered = sorted({one["registered"] for one in result["processes"] if one["registered"]})
    return [
        f"`{result['mode']}`",
        result["what"],
        str(sum(one["registered"] > 0 for one in result["processes"])),
        "once" if registered == [1] else f"**{registered} times**",
        f"**{len(result['faults'])} things do not hold**"
        if result["faults"]
        else f"none: {result['mute']}"
        if result["mute"]
        else str(result["requests"]),
        *(
            ", ".join(str(one[did]) for one in result["processes"] if one[did]) or "-"
            for did in ("answered", "wrote")
        ),
        f"{result['seconds']:.0f}",
    ]
