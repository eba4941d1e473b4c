"""Finds in text what could be taken for a call, and says why it is none."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..adapters import Form, Format, HeadedCall, JsonCall, PythonCall, Tool
from ..adapters._format import ARGUMENTS_KEYS, SKIPPED_KEYS
from ..adapters._markers import Fence

__all__ = ["MAX_FOUND", "Reason", "lookalikes", "named", "object_is_none", "opener", "quoted", "show_tools"]

MAX_FOUND = 50
"""Of a long text no more is explained, so that it takes no longer than reading it a few times."""

_OBJECT = re.compile(r"[{\[]")
_CALL_KEY = re.compile(r"""\[?\s*\{+\s*["']?\s*(?:name|function|arguments|parameters|type|id)\s*["']?\s*:""")
_CODE = re.compile(r"(?<![\w.])([A-Za-z_][\w.]{0,63})\(")
_BETWEEN_TOKENS = re.compile(r"(?<=[>\]])(?=[<\[])")
_DECODER = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Reason:
    """Why what stands from `start` to `end` is no call."""

    start: int
    end: int
    kind: str
    """A word for programs."""
    words: str
    remedies: tuple[str, ...] = ()
    """What would make a call of it: each was tried on this reply."""


def lookalikes(format: Format, tools: Sequence[Tool], text: str, start: int, end: int) -> Iterator[Reason]:
    """What in a reply's text, from `start` to `end`, looks like a call; of two in the same place the first counts."""
    names = [tool.name for tool in tools]
    yield from _openers(format, names, text, start, end)
    yield from _half_markers(format, text, start, end)
    yield from _headless(format, text, start, end)
    yield from _objects(format, names, text, start, end)
    yield from _code(format, names, text, start, end)
    yield from _closers(format, text, start, end)


def named(text: str) -> set[str]:
    """Names of tools that anything in the text may call."""
    patterns = (
        r'"name"\s*:\s*"([\w./-]{1,64})"',
        r"(?:Action|✿FUNCTION✿): *([\w./-]{1,64})",
        r"<function=([\w./-]{1,64})>",
        r"(?:^|>)[ ]?([\w./-]{1,64})\n\s{0,8}```",
    )
    found = [name for pattern in patterns for name in re.findall(pattern, text, re.MULTILINE)]
    return set(found[:MAX_FOUND])


def quoted(text: str, size: int = 40) -> str:
    """A text as a sentence shows it: its beginning, on one line."""
    shown = text[:size].replace("\n", "\\n").replace("\t", "\\t") + "…" * (len(text) > size)
    return f"“{shown}”" if "`" in shown else f"`{shown}`"


def show_tools(names: Sequence[str]) -> str:
    """What a request offers, in words."""
    if not names:
        return "the request offers no tools"
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"the request offers {', '.join(f'`{name}`' for name in names[:5])}{more}"


def opener(form: Form) -> str:
    """What a call of this form begins with, in words."""
    if isinstance(form, PythonCall):
        return f"the tool's name on a line of its own, and a code fence with `{form.again}` below it"
    if form.open:
        return quoted(form.open.strip())
    return f'a JSON object with "{form.name_key}" and "{form.arguments_key}"'  # type: ignore[union-attr]


def object_is_none(value: Any, names: Sequence[str], marked: bool) -> str:
    """Why this JSON is no call; empty if it might be one."""
    if isinstance(value, list):
        if not value or not isinstance(value[0], dict):
            return "It is an array, and its first element is no object"
        value = value[0]
    if isinstance(value.get("function"), dict):
        value = value["function"]
    if not value:
        return "The object is empty"
    keys = ("name", "function", *ARGUMENTS_KEYS, *SKIPPED_KEYS)
    if not marked and next(iter(value)) not in keys:
        first = quoted(str(next(iter(value))))
        return f'Its first key is {first}; an object without a marker is a call only if it begins as one, with "name"'
    if "name" not in value:
        if isinstance(value.get("function"), str):
            return 'The tool\'s name stands under "function"; a call has it under "name"'
        return f'It has no "name"; its keys are {", ".join(quoted(str(key)) for key in list(value)[:5])}'
    name = value["name"]
    if not isinstance(name, str) or not name.strip():
        return f'Its "name" is {quoted(json.dumps(name))}, which is no name of a tool'
    if not marked and name not in names:
        return f"It names {quoted(name)}, and {show_tools(names)}"
    found = [value[key] for key in ARGUMENTS_KEYS if key in value]
    if not found:
        return (
            "" if marked else 'It has no "arguments" and no "parameters": only a marker makes a call of that'
        )
    written = isinstance(found[0], str) and found[0].lstrip().startswith("{")
    if not (isinstance(found[0], dict) or written or (found[0] is None and marked)):
        return f"Its arguments are {quoted(json.dumps(found[0], ensure_ascii=False))}, and must be an object"
    return ""


def _openers(format: Format, names: Sequence[str], text: str, start: int, end: int) -> Iterator[Reason]:
    """Markers that do not count where they stand."""
    for form in format.forms:
        mark = form.open.strip()
        found = text.find(mark, start, end) if mark else -1
        for _ in range(MAX_FOUND):
            if found < 0:
                break
            stop = _line_end(text, found + len(mark), end)
            behind = text[found + len(mark) : stop].strip()
            if form.at_line_start and found and text[found - 1] != "\n":
                said = f"{quoted(mark)} stands inside a line: it opens a call at the start of a line only."
                yield Reason(found, found + len(mark), "inside_a_line", said)
            elif isinstance(form, PythonCall):
                why = f"begins a turn; a call needs a tool's name behind it, then a fence with `{form.again}`"
                yield Reason(found, stop, "turn", f"{quoted(mark)} {why}; here stands {quoted(behind)}.")
            elif getattr(form, "weak", False):
                why = (
                    "opens a call only with the name of an offered tool and an object of arguments behind it"
                )
                said = f"{quoted(mark)} {why}; here stands {quoted(behind)}, and {show_tools(names)}."
                yield Reason(found, stop, "weak_marker", said)
            else:
                yield Reason(found, stop, "unexplained", f"{quoted(mark)} stands here and gave no call.")
            found = text.find(mark, found + len(mark), end)


def _half_markers(format: Format, text: str, start: int, end: int) -> Iterator[Reason]:
    """The first of two special tokens that are a marker together."""
    whole: dict[str, list[str]] = {}
    for form in format.forms:
        first, *rest = _BETWEEN_TOKENS.split(form.open.strip(), maxsplit=1)
        if rest:
            whole.setdefault(first, []).append(form.open.strip())
    for first, marks in whole.items():
        found = text.find(first, start, end)
        if found >= 0 and not any(text.startswith(mark, found) for mark in marks):
            behind = text[found + len(first) : end]
            ways = " or ".join(quoted(mark) for mark in marks)
            said = f"{quoted(first)} alone opens no call: the marker is {ways}; here follows {quoted(behind, 20)}."
            yield Reason(found, found + len(first), "half_marker", said)


def _headless(format: Format, text: str, start: int, end: int) -> Iterator[Reason]:
    """What leads to arguments, without the head that has the name."""
    for form in format.forms:
        mark = form.between.strip() if isinstance(form, HeadedCall) else ""
        found = text.find(mark, start, end) if len(mark) > 1 else -1
        if found >= 0:
            said = f"{quoted(mark)} leads to arguments only where {opener(form)} and a tool's name stand right before it."
            yield Reason(found, found + len(mark), "no_head", said)


def _objects(format: Format, names: Sequence[str], text: str, start: int, end: int) -> Iterator[Reason]:
    """Objects in JSON, and what begins like one of a call and is no JSON."""
    unmarked = any(isinstance(form, JsonCall) and not form.open for form in format.forms)
    pos = start
    for _ in range(MAX_FOUND):
        found = _OBJECT.search(text, pos, end)
        if found is None:
            break
        here = found.start()
        pos = here + 1
        try:
            value, stop = _DECODER.raw_decode(text, here)
        except json.JSONDecodeError as error:
            if _CALL_KEY.match(text, here) and error.pos <= end:
                why = f"is not JSON: {error.msg} at {quoted(text[error.pos : end], 20)}"
                if error.pos >= len(text.rstrip()):
                    why = "is not whole: the reply ends inside it"
                yield Reason(here, max(error.pos, here + 1), "broken_json", f"This object {why}.")
                pos = max(error.pos, pos)
            continue
        except (RecursionError, ValueError):
            continue
        if stop <= end and (isinstance(value, dict) or (value and isinstance(value[0], dict))):
            yield Reason(here, stop, *_of_object(format, names, unmarked, value, _fenced(text, start, here)))
            pos = stop


def _of_object(
    format: Format, names: Sequence[str], unmarked: bool, value: Any, fenced: bool
) -> tuple[str, str]:
    why = object_is_none(value, names, False)
    if not unmarked and (why or fenced):
        begins = f"here a call begins with {opener(format.call)}"
        return (
            "json",
            f"This is JSON and no call: {begins}." if why else f"This is JSON in a code fence: {begins}.",
        )
    if why:
        return "json", f"This is JSON and no call. {why}."
    if fenced:
        return "fenced", "This would be a call if it did not stand in a code fence: there it is an example."
    if not unmarked:
        said = "This names an offered tool and has arguments, but no marker stands before it: "
        return "no_marker", f"{said}a call begins with {opener(format.call)}."
    return "unexplained", "This looks like a call and is read as text."


def _code(format: Format, names: Sequence[str], text: str, start: int, end: int) -> Iterator[Reason]:
    """Calls as a program writes them."""
    functions = {form.function for form in format.forms if isinstance(form, PythonCall)}
    for count, found in enumerate(_CODE.finditer(text, start, end)):
        name, at_start = found[1], found.start() == start or text[found.start() - 1] == "\n"
        stop = _line_end(text, found.end(), end)
        if count == MAX_FOUND:
            break
        if name in functions:
            said = f"`{name}(` needs a line with the tool's name above its fence, and there is none: which tool is meant is not said."
            yield Reason(found.start(), stop, "no_name_line", said)
        elif name in names:
            said = f"This is written as a program calls a function; here a call begins with {opener(format.call)}."
            yield Reason(found.start(), stop, "code", said)
        elif at_start:
            said = f"This is code, and no call: `{name}` is no offered tool, and code is never run. Here a call begins with {opener(format.call)}."
            yield Reason(found.start(), stop, "code", said)


def _closers(format: Format, text: str, start: int, end: int) -> Iterator[Reason]:
    """Closing markers that close nothing."""
    closers = dict.fromkeys(
        form.close.strip() for form in format.forms if form.close and not isinstance(form, PythonCall)
    )
    for mark in closers:
        found = text.find(mark, start, end)
        if found >= 0:
            said = f"{quoted(mark)} closes a call, and none is open here."
            yield Reason(found, found + len(mark), "closing_marker", said)


def _fenced(text: str, start: int, place: int) -> bool:
    fence = Fence()
    fence.feed(text[start:place])
    return fence.open


def _line_end(text: str, pos: int, end: int) -> int:
    line = text.find("\n", pos, end)
    return end if line < 0 else line
