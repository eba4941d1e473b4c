"""Prompts, traces and grammars' refusals on a terminal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from .terminal import one_line, plain
from .tracing import Said, Trace

if TYPE_CHECKING:
    from .inspect_grammar import Leave
    from .prompts import Piece

__all__ = ["show_deltas", "show_leave", "show_prompt", "show_trace"]

STYLES = {
    "text": "",
    "prelude": "dim",
    "lead": "dim",
    "close": "dim",
    "stop": "dim",
    "opening": "cyan",
    "arguments": "green",
    "closing": "cyan",
}
BEFORE = 60
"""Characters that are shown before the place where a text leaves a grammar."""


def show_prompt(pieces: Sequence["Piece"], tokens: Sequence[tuple[int, str]] | None) -> None:
    """The prompt, special tokens coloured; with ids, each token on a line."""
    special = {piece.text for piece in pieces if piece.special}
    if tokens is None:
        _print(Text.assemble(*((plain(piece.text), _style(piece.special)) for piece in pieces)))
    else:
        for id, text in tokens:
            _print(Text.assemble((f"{id:>7}  ", "dim"), (one_line(text), _style(text in special))))


def show_trace(trace: Trace) -> None:
    """Span by span, then what was repaired and counted, then why something is no call."""
    for span in trace.spans:
        gets = f"  -> {span.gets}" if span.gets and span.gets != span.text else ""
        what = span.what if span.call is None else f"{span.what} {span.call}"
        half = "" if span.complete else "  (not complete)"
        _print(
            Text.assemble(
                (f"{span.start:>6}  {what:<13}", "dim"),
                (one_line(span.text), STYLES[span.what]),
                (one_line(gets) + half, "italic"),
            )
        )
    for note in trace.notes:
        _print(
            Text.assemble(
                (f"{note.at:>6}  ", "dim"), (f"{note.what} {note.name}: ", "yellow"), plain(note.words)
            )
        )
    for reason in trace.why:
        place = f"{reason.start:>6}  "
        _print(Text.assemble((place, "dim"), ("no call: ", "bold red"), plain(reason.words)))
        for remedy in reason.remedies:
            _print(Text(" " * 10 + plain(remedy), "italic"))


def show_deltas(trace: Trace) -> None:
    """What was fed, what left, and what is held back and why."""
    for delta in trace.deltas:
        fed = one_line(trace.text[delta.start : delta.end]) or "the end"
        _print(Text.assemble((f"{delta.start:>6}  ", "dim"), ("fed   ", "dim"), fed))
        for said in delta.left:
            _print(Text.assemble(" " * 8, ("left  ", "green"), _said(said)))
        if delta.why:
            held = one_line(trace.text[delta.held_from : delta.end])
            _print(Text.assemble(" " * 8, ("held  ", "yellow"), held, (f"  ({delta.why})", "dim")))


def show_leave(text: str, found: "Leave | None") -> None:
    """Where a text leaves the grammar, and what was expected."""
    if found is None:
        _print(Text("The grammar admits it.", "green"))
        return
    line = text.count("\n", 0, found.at) + 1
    column = found.at - (text.rfind("\n", 0, found.at) + 1) + 1
    where = f"character {found.at} (line {line}, column {column})"
    if found.at < len(text):
        said = f"The grammar refuses {one_line(text[found.at])!r} at {where}."
    else:
        said = f"The text may not end here, at {where}."
    _print(Text(plain(said), "bold red"))
    before = text[max(0, found.at - BEFORE) : found.at]
    _print(Text.assemble("before    ", one_line(before, 2 * BEFORE)))
    _print(Text.assemble("here      ", (one_line(text[found.at : found.at + BEFORE]) or "the end", "red")))
    if found.expected:
        _print(Text.assemble("expected  ", (one_line(found.expected), "green")))
    else:
        _print(Text.assemble("expected  ", (plain(found.allowed), "green")))


def _said(said: Said) -> str:
    where = "" if said.call is None else f" {said.call}"
    return f"{said.what}{where}: {one_line(said.text)}"


def _style(special: bool) -> str:
    return "bold magenta" if special else ""


def _print(text: Text) -> None:
    Console(highlight=False).print(text, soft_wrap=True)
