"""What a reply's events become: vLLM's message of one delta."""

from ..adapters import Arguments, CallBegin, Event, Markup, Text
from ._vllm import DeltaFunctionCall, DeltaMessage, DeltaToolCall, make_tool_call_id

__all__ = ["Deltas"]


class Deltas:
    """One reply's messages, in their order."""

    def __init__(self) -> None:
        self._waiting: list[Event] = []
        self._blank: list[str] = []
        """White space that nothing was said before."""
        self._said = False
        self._beside_text = False
        """Whether there was anything but text."""

    def message(self, events: list[Event], *, last: bool = False) -> DeltaMessage | None:
        """What these events say, the last of a reply with all that has waited; None for nothing that can be said yet."""
        if last:
            events = self._waiting + events
        elif len(events) > 1 or self._waiting:
            # One message says content before calls. Text behind a call waits for the next, or its order would be
            # lost, and the Responses API would close the call that the text is behind.
            events = self._waiting + events
            behind = _text_behind_arguments(events)
            events, self._waiting = events[:behind], events[behind:]
        content = ""
        calls: list[DeltaToolCall] = []
        for event in events:
            match event:
                case Arguments():
                    # vLLM sends what one delta says of a call as one entry.
                    if calls and calls[-1].index == event.call and calls[-1].function:
                        calls[-1].function.arguments = (calls[-1].function.arguments or "") + event.text
                    else:
                        calls.append(
                            DeltaToolCall(index=event.call, function=DeltaFunctionCall(arguments=event.text))
                        )
                case Text():
                    content += event.text
                case CallBegin():
                    calls.append(
                        DeltaToolCall(
                            index=event.call,
                            id=make_tool_call_id(),
                            type="function",
                            function=DeltaFunctionCall(name=event.name, arguments=""),
                        )
                    )
                case Markup():
                    self._beside_text = True
        if content or last:
            content = self._without_blank(content, last and not (calls or self._beside_text))
        if calls:
            self._beside_text = True
            return (
                DeltaMessage(content=content, tool_calls=calls) if content else DeltaMessage(tool_calls=calls)
            )
        return DeltaMessage(content=content) if content else None

    def _without_blank(self, content: str, all_there_was: bool) -> str:
        """What of the content is sent: of a whole reply vLLM leaves it out if it is white space beside calls."""
        if self._said:
            return content
        self._blank.append(content)
        self._said = all_there_was or bool(content.strip())
        return "".join(self._blank) if self._said else ""


def _text_behind_arguments(events: list[Event]) -> int:
    """The place of the first text behind arguments; the end of the events if there is none."""
    arguments = False
    for place, event in enumerate(events):
        if arguments and isinstance(event, Text):
            return place
        arguments |= isinstance(event, Arguments)
    return len(events)
