"""What becomes of a reply: what a client gets for each part of it, what is held back, and why something is no call."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate, pairwise
from typing import Any, Literal

from ..adapters import (
    REPAIRS,
    Adapter,
    Arguments,
    CallBegin,
    CallEnd,
    ChatAdaptersError,
    Event,
    Markup,
    Message,
    Text,
    Tool,
    as_tools,
)
from ..adapters._offline import as_message, without_stops
from .explaining import explain
from .lookalikes import Reason
from .watching import Note, Setup, Steps

__all__ = ["Delta", "Note", "Reason", "Said", "Span", "Trace", "trace"]

What = Literal["text", "prelude", "lead", "close", "opening", "arguments", "closing", "stop"]


@dataclass(frozen=True, slots=True)
class Span:
    """Neighbouring characters of the reply that are one thing; the spans lie side by side and cover the reply."""

    start: int
    end: int
    what: What
    """`opening`, `arguments` and `closing` are the parts of a call; `prelude`, `lead`, `close`: see `Markup`;
    `stop`: stop tokens at the end, which a server leaves off."""
    text: str
    gets: str
    """What a client gets for it: the content, a call's name, or its arguments; empty for markup."""
    call: int | None = None
    """The number of the call, from 0."""
    complete: bool = True
    """False in a call that was cut or went bad: streamed, a client gets this; of the whole text, `text` as content."""


@dataclass(frozen=True, slots=True)
class Said:
    """A piece of what a client gets: content, a call's name, or some of its arguments."""

    what: Literal["content", "call", "arguments"]
    text: str
    call: int | None = None


@dataclass(frozen=True, slots=True)
class Delta:
    """One step of the stream: the characters of the reply from `start` to `end` were fed. The last one is the end."""

    start: int
    end: int
    left: tuple[Said, ...]
    held_from: int
    """What stands in the reply from here to `end` has not left; there is nothing such if both are the same."""
    why: str
    """Why it has not; empty if nothing is held back."""


@dataclass(frozen=True, slots=True)
class Trace:
    """A reply, and all that became of it. Offsets count characters, as Python does."""

    adapter: str
    text: str
    message: Message
    """What a client gets of the whole text. Its ids are counted here; a server draws them."""
    spans: tuple[Span, ...]
    deltas: tuple[Delta, ...]
    notes: tuple[Note, ...]
    why: tuple[Reason, ...]
    """Of everything that could be taken for a call and is none; of a reply without calls, at least one."""

    def as_json(self) -> dict[str, Any]:
        """The same as what `json.dumps` takes."""
        return asdict(self)


def trace(
    adapter: Adapter,
    text: str,
    tools: Iterable[Mapping[str, Any] | Tool] = (),
    *,
    deltas: int | Sequence[str] = 0,
    dialects: Iterable[str] | None = None,
    unknown_tools: Literal["forward", "content"] = "forward",
    repairs: frozenset[str] = REPAIRS,
    coercions: Iterable[str] = (),
) -> Trace:
    """Reads a reply and says what became of it.

    Args:
        text: the reply, with its special tokens.
        tools: those that were offered, as a request or a parser has them. Without any, nothing is a call.
        deltas: how the reply arrives: so many characters at a time, or these pieces; 0 for all at once.
        dialects, unknown_tools, repairs, coercions: as for `read_message` and `Parser`.

    Raises:
        ChatAdaptersError: the deltas are not those of the text, or an argument is wrong as it may be there.
    """
    chosen = None if dialects is None else frozenset(dialects)
    offered = tuple(tool if isinstance(tool, Tool) else as_tools([tool])[0] for tool in tools)
    setup = Setup(
        format=adapter.with_dialects(chosen),
        tools=offered,
        unknown_tools=unknown_tools if offered else "content",
        repairs=repairs,
        coercions=frozenset(coercions),
    )
    pieces = _pieces(text, deltas)
    body = without_stops(adapter, text)
    steps = Steps(setup, body)
    return Trace(
        adapter=adapter.name,
        text=text,
        message=_message(setup, body),
        spans=(*_spans(steps), *_stop(text, len(body))),
        deltas=tuple(_deltas(setup, body, pieces)),
        notes=tuple(steps.notes),
        why=explain(adapter, chosen, steps),
    )


def _message(setup: Setup, text: str) -> Message:
    message = as_message(setup.reply(text))
    for number, call in enumerate(message.get("tool_calls", ())):
        call["id"] = f"call_{number}"
    return message


def _pieces(text: str, deltas: int | Sequence[str]) -> list[int]:
    """Where the deltas end.

    Raises:
        ChatAdaptersError: they are not those of the text.
    """
    if isinstance(deltas, int):
        if deltas < 0:
            raise ChatAdaptersError(f"a delta has 1 character or more, or 0 stands for all; not {deltas}")
        return [*range(deltas or len(text), len(text), deltas or 1), len(text)]
    if "".join(deltas) != text:
        raise ChatAdaptersError("the deltas do not join to the text of the reply")
    return list(accumulate(map(len, deltas)))


def _deltas(setup: Setup, text: str, ends: Iterable[int]) -> Iterator[Delta]:
    parser = setup.parser()
    ends = [0, *sorted({min(end, len(text)) for end in ends} - {0})]
    for start, end in pairwise(ends):
        left = _said(parser.feed(text[start:end]))
        held_from, why = parser.held(end)
        yield Delta(start, end, left, held_from, why)
    yield Delta(len(text), len(text), _said(parser.close()), len(text), "")


def _said(events: Iterable[Event]) -> tuple[Said, ...]:
    said: list[Said] = []
    for event in events:
        match event:
            case Text():
                new = Said("content", event.text)
            case CallBegin():
                new = Said("call", event.name, event.call)
            case Arguments():
                new = Said("arguments", event.text, event.call)
            case _:
                continue
        last = said[-1] if said else None
        if last and (last.what, last.call) == (new.what, new.call):
            said[-1] = Said(last.what, last.text + new.text, last.call)
        else:
            said.append(new)
    return tuple(said)


def _spans(steps: Steps) -> Iterator[Span]:
    content: list[Text] = []
    said: list[tuple[int, Arguments]] = []
    begin, announced = CallBegin(0, "", 0), 0
    for at, event in steps.events:
        if content and not isinstance(event, Text):
            yield _content(content)
            content = []
        match event:
            case Text():
                content.append(event)
            case Markup(kind, start, end):
                yield Span(start, end, kind, steps.text[start:end], "")
            case CallBegin():
                begin, announced, said = event, at, []
            case Arguments():
                said.append((at, event))
            case CallEnd():
                yield from _call(steps, begin, announced, said, event)
    if content:
        yield _content(content)


def _content(pieces: Sequence[Text]) -> Span:
    text = "".join(piece.text for piece in pieces)
    return Span(pieces[0].start, pieces[0].start + len(text), "text", text, text)


def _stop(text: str, start: int) -> Iterator[Span]:
    if start < len(text):
        yield Span(start, len(text), "stop", text[start:], "")


def _call(
    steps: Steps, begin: CallBegin, announced: int, said: Sequence[tuple[int, Arguments]], end: CallEnd
) -> Iterator[Span]:
    """The parts of a call: what opens it, its arguments, what closes it."""
    text = steps.text
    opened = _opened(text[begin.start : announced], said[0][1].text if said else "")
    first = min(begin.start + opened, end.end)
    last = max([first, *(at for at, piece in said if _stands(piece.text, text[at - 1]))])
    last = min(last, end.end) if end.complete else end.end
    arguments = "".join(piece.text for _, piece in said)
    if last == first and (before := text.find(arguments, begin.start, first)) >= 0:
        first, last = before, before + len(arguments)  # the name came last
    parts: list[tuple[int, int, What, str]] = [
        (begin.start, first, "opening", begin.name),
        (first, last, "arguments", arguments),
        (last, end.end, "closing", ""),
    ]
    for start, stop, what, gets in parts:
        if start < stop or gets:
            yield Span(start, stop, what, text[start:stop], gets, end.call, end.complete)


def _opened(written: str, piece: str) -> int:
    """How long the opening of a call is, of what was written when its arguments were announced with this piece."""
    place = len(written)
    for char in reversed(piece):
        if written[:place].endswith("\\"):
            place -= 1  # arguments in a text
        if not place or written[place - 1].replace("'", '"') != char.replace("'", '"'):
            break
        place -= 1
    # Python has no brace and no quotation marks around a key.
    return place if place < len(written) else written.rfind("(") + 1 or place


def _stands(piece: str, char: str) -> bool:
    """Whether what left with this character stands there: closing signs may stand for markup, or for the end."""
    return bool(piece.strip('"}]')) or char in "\"'}])"
