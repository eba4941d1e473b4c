"""Golden prompts, golden grammars, and replies whose reading is known: the folders of an adapter's fixtures.

A case is a folder: `request.json`, and `prompt.txt`, `grammar.json`, or `output.txt` with `message.json`. Replies that
were recorded without a prompt are rows of `recorded.jsonl` beside the cases.
"""

import json
from collections.abc import Iterable, Sequence
from difflib import unified_diff
from pathlib import Path
from typing import Any

from ..adapters import Tool, as_tools, structural_tag
from .checks import reply_of
from .kit_case import Failed, Skipped, Subject, fail, read_every_way
from .rendering import render

__all__ = ["golden_grammars", "golden_prompts", "recorded_replies", "replies", "write_missing"]

RECORDED = "recorded.jsonl"
CUTS = (2, 3, 7)
"""Sizes of the deltas, besides the whole and single characters."""


def request_of(case: Path) -> dict[str, Any]:
    request: dict[str, Any] = json.loads((case / "request.json").read_text("utf-8"))
    return request


def prompt_of(subject: Subject, case: Path) -> str:
    """What the template writes for a case."""
    request = request_of(case)
    return render(
        subject.template,
        request["messages"],
        request.get("tools"),
        add_generation_prompt=request.get("add_generation_prompt", True),
        continue_final_message=request.get("continue_final_message", False),
        **request.get("chat_template_kwargs", {}),
    )


def grammars_of(subject: Subject, case: Path) -> dict[str, object]:
    """The grammars of a case; a named choice is the first tool."""
    tools, format = as_tools(request_of(case).get("tools") or ()), subject.adapter.format
    return {
        "auto": structural_tag(format, tools, "auto"),
        "required": structural_tag(format, tools, "required"),
        "forced": structural_tag(format, tools[:1], "forced"),
    }


def golden_prompts(subject: Subject) -> None:
    """Every golden prompt is what the template writes."""
    for path in _some(subject, "prompt.txt"):
        _same(path, path.read_bytes().decode(), prompt_of(subject, path.parent))


def golden_grammars(subject: Subject) -> None:
    """Every golden grammar is what is built: one that changes is reviewed, for what a server enforces changes with it."""
    for path in _some(subject, "grammar.json"):
        golden, built = json.loads(path.read_text("utf-8")), grammars_of(subject, path.parent)
        if built != golden:
            _same(path, _pretty(golden), _pretty(built))


def replies(subject: Subject) -> None:
    """Every reply of the fixtures reads as its message says, however it is cut."""
    for path in _some(subject, "output.txt"):
        message = json.loads((path.parent / "message.json").read_text("utf-8"))
        tools = as_tools(request_of(path.parent).get("tools") or ())
        expected = [(call["name"], call["arguments"]) for call in message["tool_calls"]]
        _reads_as(subject, path.parent.name, tools, path.read_bytes().decode(), message["content"], expected)


def recorded_replies(subject: Subject) -> None:
    """Every row of `recorded.jsonl` reads as it says."""
    path = subject.fixtures / RECORDED if subject.fixtures else None
    if path is None or not path.is_file():
        raise Skipped(f"there is no {RECORDED} among the fixtures")
    for line in path.read_text("utf-8").splitlines():
        row = json.loads(line)
        expected = [(call["name"], call["arguments"]) for call in row["expected"] or ()]
        _reads_as(subject, row["id"], as_tools(row["tools"] or ()), row["raw"], row["content"], expected)


def write_missing(subject: Subject) -> list[Path]:
    """Writes the golden prompts that cases have not, and a golden grammar if none has one: to be read, then believed.

    Returns:
        The files that were written.
    """
    cases = [path.parent for path in subject.cases("request.json")]
    texts = {
        case / "prompt.txt": prompt_of(subject, case) for case in cases if not (case / "prompt.txt").exists()
    }
    with_tools = [case for case in cases if request_of(case).get("tools")]
    if not subject.cases("grammar.json"):
        texts |= {
            case / "grammar.json": _pretty(grammars_of(subject, case)) + "\n" for case in with_tools[:1]
        }
    for path, text in texts.items():
        path.write_bytes(text.encode())
    return list(texts)


def _some(subject: Subject, file: str) -> list[Path]:
    cases = subject.cases(file)
    if not cases:
        raise Skipped(
            f"there is no {file} among the fixtures" if subject.fixtures else "there are no fixtures"
        )
    return cases


def _reads_as(
    subject: Subject,
    name: str,
    tools: Sequence[Tool],
    text: str,
    content: str | None,
    calls: list[tuple[str, Any]],
) -> None:
    format = subject.adapter.format
    read_every_way(format, tools, text, [range(0, len(text), step) for step in CUTS])
    reply = reply_of(format, tools, text)
    told = [(call.name, json.loads(call.arguments)) for call in reply.calls]
    if (reply.content, told) != (content or "", calls):
        why = f"{name}: it is read as {reply.content!r} and {told}, not as {content or ''!r} and {calls}"
        fail(why, format, tools, text)


def _same(path: Path, golden: str, made: str) -> None:
    if made != golden:
        case = f"{path.parent.name}/{path.name}"
        raise Failed(f"{case} is not what is made now:\n" + "\n".join(_difference(golden, made)))


def _difference(golden: str, made: str) -> Iterable[str]:
    before, after = golden.splitlines(keepends=True), made.splitlines(keepends=True)
    return (repr(line)[1:-1] for line in unified_diff(before, after, "golden", "made now", n=1))


def _pretty(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1)
