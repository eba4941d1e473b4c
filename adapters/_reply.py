"""A whole reply: its content and its calls."""

from typing import NamedTuple

from ._continued import ContinuedParser
from ._events import Arguments, CallBegin, CallEnd, Markup, Text
from ._parser import Parser

__all__ = ["Call", "Reply", "read_reply"]


class Call(NamedTuple):
    """One call; `arguments` is the text of a JSON object."""

    name: str
    arguments: str


class Reply(NamedTuple):
    """What a client gets of a reply. A call that was cut or went bad stands in the content, as it was written."""

    content: str
    calls: tuple[Call, ...]


def read_reply(parser: Parser | ContinuedParser, text: str) -> Reply:
    """Reads the whole text of a reply with a fresh parser.

    Raises:
        ParserClosedError: the parser was used before.
    """
    content: list[str] = []
    calls: list[Call] = []
    pieces: list[str] = []
    name, start = "", 0
    lead = Markup("lead", 0, 0)
    for event in (*parser.feed(text), *parser.close()):
        match event:
            case Text():
                content.append(event.text)
            case Markup(kind="lead"):
                lead = event
            case CallBegin():
                name, start = event.name, lead.start if lead.end == event.start else event.start
                pieces = []
            case Arguments():
                pieces.append(event.text)
            case CallEnd() if event.complete:
                calls.append(Call(name, "".join(pieces)))
            case CallEnd():
                content.append(text[start : event.end])  # with what led to it
    return Reply("".join(content), tuple(calls))
