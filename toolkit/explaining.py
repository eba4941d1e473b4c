"""Why something in a reply is no call, in words: what was counted, what it looks like, and what would change it."""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice

from ..adapters import (
    Adapter,
    Arguments,
    CallBegin,
    CallEnd,
    CodeCall,
    Form,
    HeadedCall,
    JsonCall,
    PythonCall,
    Text,
)
from ..adapters._markers import _opener
from .lookalikes import MAX_FOUND, Reason, lookalikes, object_is_none, opener, quoted, show_tools
from .remedies import with_remedies
from .watching import Note, Steps

__all__ = ["Reason", "explain"]


def explain(adapter: Adapter, dialects: frozenset[str] | None, steps: Steps) -> tuple[Reason, ...]:
    """Of everything that could be taken for a call and is none; in the order of the reply.

    Of very many such things the first are explained, so that a hostile reply costs no more than it is long.

    Args:
        dialects: those that are on; None for those that are safe.
        steps: the reply, as it was read.
    """
    names = [tool.name for tool in steps.setup.tools]
    missed = (note for note in steps.notes if note.what == "miss")
    reasons = [_missed(steps, note, names) for note in islice(missed, MAX_FOUND)]
    reasons += _cut_short(steps, reasons)
    for start, end in islice(_texts(steps), MAX_FOUND):
        for found in lookalikes(steps.setup.format, steps.setup.tools, steps.text, start, end):
            if not any(reason.start < found.end and found.start < reason.end for reason in reasons):
                reasons.append(found)
    reasons = with_remedies(adapter, dialects, steps, reasons)
    if not any(isinstance(event, CallBegin) for _, event in steps.events):
        if not names:
            said = "The request offers no tools: without any, nothing is read as a call."
            reasons.append(Reason(0, len(steps.text), "no_tools", said))
        if all(reason.kind == "no_tools" for reason in reasons):
            reasons.append(_prose(steps, names))
    return tuple(sorted(reasons, key=lambda reason: (reason.start, reason.end)))


def _cut_short(steps: Steps, reasons: Sequence[Reason]) -> Iterator[Reason]:
    """What might have become a call, had the reply gone on, and has no marker that is counted."""
    end = len(steps.text)
    if steps.unfinished is not None:
        known = [reason.start for reason in reasons]
        known += [event.start for _, event in steps.events if isinstance(event, CallBegin)]
        if steps.unfinished not in known:
            yield Reason(steps.unfinished, end, "cut", _cut(steps, steps.unfinished))
    elif len(rest := steps.text[steps.undecided :].strip()) > 2:
        said = f"The reply ends with {quoted(rest)}, which may be the beginning of a marker that was cut."
        yield Reason(steps.undecided, end, "cut_marker", said)


def _texts(steps: Steps) -> Iterator[tuple[int, int]]:
    """The runs of text in the reply."""
    start = end = 0
    for _, event in steps.events:
        if isinstance(event, Text):
            if event.start != end:
                yield start, end
                start = event.start
            end = event.start + len(event.text)
    if start < end:
        yield start, end


def _prose(steps: Steps, names: Sequence[str]) -> Reason:
    text = steps.text
    whole = (0, len(text))
    if not text.strip():
        return Reason(*whole, "empty", "The reply is empty: the model ended its turn at once.")
    for name in names:
        if found := re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", text):
            said = (
                f"The tool {quoted(name)} is named here, but as a word of the answer: nothing before it opens a "
                f"call, and no arguments follow. Here a call begins with {opener(steps.setup.format.call)}."
            )
            return Reason(*found.span(), "mention", said)
    ways = " or ".join(dict.fromkeys(opener(form) for form in steps.setup.format.forms))
    said = f"The model has answered in words: there is nothing in the reply that a call begins with ({ways})."
    return Reason(*whole, "prose", said)


def _missed(steps: Steps, note: Note, names: Sequence[str]) -> Reason:
    """A marker that gave no call."""
    form, body = _form_at(steps, note.at)
    mark = quoted(steps.text[note.at : body].strip())
    end = _end_of(steps, note.at)
    behind = steps.text[body:end]
    match note.name:
        case "unknown_tool":
            said = f"This is a call of a tool that is not offered: {show_tools(names)}."
        case "no_interpreter":
            shown = quoted(behind.strip()) if behind.strip() else "nothing"
            said = (
                f"What stands behind {mark} is taken for code: {shown}. Code is a call only if an interpreter is "
                f"offered, and {show_tools(names)}."
            )
        case "too_long":
            said = f"Behind {mark} stands more than may lead to the arguments of a call: it is text."
        case "cut":
            said = _cut(steps, note.at)
        case "bad_arguments":
            said = _bad_arguments(steps, note.at)
        case _:
            said = f"{mark} opens a call, but what follows is none. {_malformed(form, behind, names)}."
    return Reason(note.at, max(end, note.at), note.name, said)


def _form_at(steps: Steps, at: int) -> tuple[Form, int]:
    """The form whose marker stands here, and where the marker ends."""
    for form in steps.setup.format.forms:
        if form.open and (found := re.compile(_opener(form)).match(steps.text, at)):
            return form, found.end()
    for form in steps.setup.format.forms:
        if isinstance(form, PythonCall):  # without its marker: the name alone
            line = steps.text.find("\n", at)
            return form, len(steps.text) if line < 0 else line
    return steps.setup.format.call, at


def _end_of(steps: Steps, at: int) -> int:
    """Where the call or the text ends that this stands in."""
    begin = 0
    for _, event in steps.events:
        if isinstance(event, CallBegin):
            begin = event.start
        elif isinstance(event, CallEnd) and begin <= at < event.end:
            return event.end
    return next((end for start, end in _texts(steps) if start <= at < end), len(steps.text))


def _arguments(steps: Steps, at: int) -> tuple[str, str]:
    """The name and the arguments of the call that was announced here; empty if none was."""
    call, name, pieces = -1, "", []
    for _, event in steps.events:
        match event:
            case CallBegin(number, called, start) if start == at:
                call, name = number, called
            case Arguments(number, text) if number == call:
                pieces.append(text)
    return name, "".join(pieces)


STREAMED = "In a whole answer it is content; a client that streams has received the name, and arguments that do not load"


def _cut(steps: Steps, at: int) -> str:
    name, arguments = _arguments(steps, at)
    if name:
        return (
            f"The reply ends inside the arguments of a call of {quoted(name)}, behind {quoted(arguments[-30:])}: no "
            f"half call is completed. {STREAMED}. The token limit (finish_reason length) or a stop string cut it."
        )
    return (
        f"The reply ends behind {quoted(steps.text[at:][-40:])}, before the name and the arguments of a call are there. "
        "The token limit (finish_reason length) or a stop string cut it, or the model stopped."
    )


def _bad_arguments(steps: Steps, at: int) -> str:
    name, arguments = _arguments(steps, at)
    where = ""
    try:
        json.loads(arguments, strict=False)
    except json.JSONDecodeError as error:
        before, behind = arguments[max(0, error.pos - 20) : error.pos], arguments[error.pos :]
        where = f" behind {quoted(before)}, at {quoted(behind, 20)}"
    return (
        f"The arguments of this call of {quoted(name)} cannot be read{where}: they are no JSON, and what is meant "
        f"would be a guess. {STREAMED}."
    )


def _malformed(form: Form, behind: str, names: Sequence[str]) -> str:
    """What is wrong with what stands behind a marker."""
    shown = quoted(behind.strip()) if behind.strip() else "nothing"
    match form:
        case JsonCall():
            return _no_object(behind.strip(), names, shown)
        case HeadedCall():
            between = form.between.strip()
            name, led, arguments = behind.partition(between)
            if not led:
                return f"Behind it must stand a name, then {quoted(between)}; here stands {shown}"
            shown = quoted(arguments.strip()) if arguments.strip() else "nothing"
            return f"Behind {quoted(name.strip() + form.between)} must stand an object of arguments in JSON; here stands {shown}"
        case PythonCall():
            need = f"a code fence with `{form.again}`, or with code if the tool is an interpreter that is offered"
            return f"Below the name must stand {need}; here stands {shown}"
        case CodeCall():
            return f"Code must stand there; here stands {shown}"


def _no_object(body: str, names: Sequence[str], shown: str) -> str:
    if not body.startswith(("{", "[")):
        return f"A JSON object with a name and arguments must stand there; here stands {shown}"
    try:
        value, _ = json.JSONDecoder(strict=False).raw_decode(body)
    except json.JSONDecodeError as error:
        return f"What stands there is not JSON: {error.msg} at {quoted(body[error.pos :], 20)}"
    except (RecursionError, ValueError):
        return "What stands there cannot be read as JSON"
    return object_is_none(value, names, True) or f"It cannot be read as a call: {shown}"
