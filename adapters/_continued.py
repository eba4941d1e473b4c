"""A reply that goes on with what the prompt has begun: the end of a text, or half a call."""

from collections.abc import Iterator

from ._events import Arguments, CallBegin, CallEnd, Event, Markup, Text
from ._parser import Parser
from ._tally import Tally

__all__ = ["ContinuedParser"]


class ContinuedParser:
    """Reads a reply behind a prefix, as `Parser` does; what it says is said of the reply alone.

    A call that is open where the prefix ends is said as a whole; what stands before it in the prefix is not.
    """

    def __init__(self, parser: Parser, prefix: str) -> None:
        """
        Args:
            parser: a fresh one.
            prefix: what the prompt ends with, of this turn.
        """
        self.repairs = parser.repairs
        self._parser = parser
        self._size = len(prefix)
        events = parser.feed(prefix)
        self.tally = parser.tally = Tally()
        begins = [place for place, event in enumerate(events) if isinstance(event, CallBegin)]
        ended = sum(isinstance(event, CallEnd) for event in events)
        self._kept = events[begins[-1] :] if ended < len(begins) else []
        self._first = ended
        """The number of the first call that is said."""

    def feed(self, text: str) -> list[Event]:
        """See `Parser.feed`."""
        return self._said(self._parser.feed(text))

    def close(self) -> list[Event]:
        """See `Parser.close`."""
        return self._said(self._parser.close())

    def _said(self, events: list[Event]) -> list[Event]:
        events, self._kept = [*self._kept, *events], []
        return [said for event in events for said in self._of_reply(event)]

    def _of_reply(self, event: Event) -> Iterator[Event]:
        match event:
            case Text(text, start):
                if start + len(text) > self._size:
                    yield Text(text[max(0, self._size - start) :], self._place(start))
            case Markup(kind, start, end):
                if end > self._size:
                    yield Markup(kind, self._place(start), self._place(end))
            case CallBegin(call, name, start):
                yield CallBegin(call - self._first, name, self._place(start))
            case Arguments(call, text):
                yield Arguments(call - self._first, text)
            case CallEnd(call, complete, end):
                yield CallEnd(call - self._first, complete, self._place(end))

    def _place(self, offset: int) -> int:
        return max(0, offset - self._size)
