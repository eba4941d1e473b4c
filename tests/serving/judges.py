"""What is wrong with the answers to one of a soak's requests, in words; nothing if all is right."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from replies import faults
from routes import Answer
from scripts import Said

__all__ = ["LEFT_OUT", "Judge", "same", "text_is", "valid_calls"]

Judge = Callable[[Answer], Iterator[str]]
LEFT_OUT = "was left out: "
"""How the server's log names text for which vLLM's stream of responses has no place."""


def same(want: Said, path: str, stream: bool) -> Judge:
    """The text and the calls are these, to the character."""

    def judge(answer: Answer) -> Iterator[str]:
        if path == "/v1/messages" and not stream:  # which has values, not texts
            got, wanted = (
                [(name, json.loads(arguments)) for name, arguments in calls]
                for calls in (answer.calls, want.calls)
            )
            right = got == wanted
        else:
            right = answer.calls == want.calls
        if not right:
            yield f"the calls are {answer.calls!r}, not {want.calls!r}"
        if answer.text != want.text:
            left = want.text.removeprefix(answer.text)
            if path == "/v1/responses" and stream and want.calls and answer.text + left == want.text:
                yield f"{LEFT_OUT}{left!r:.80}"
            else:
                yield f"the text is {answer.text!r}, not {want.text!r}"

    return judge


def text_is(*wanted: str) -> Judge:
    """The text is one of these, and nothing is called."""

    def judge(answer: Answer) -> Iterator[str]:
        if answer.text not in wanted or answer.calls:
            yield f"the answer is {answer.text!r} with {len(answer.calls)} calls, not {wanted[0]!r}"

    return judge


def valid_calls(tools: Sequence[Mapping[str, Any]], name: str | None, one: bool) -> Judge:
    """Calls of these tools that keep to their schemas, and nothing else.

    Args:
        name: the only tool that may be called.
        one: once.
    """
    schemas = {entry["function"]["name"]: entry["function"]["parameters"] for entry in tools}

    def judge(answer: Answer) -> Iterator[str]:
        if answer.text or not answer.calls or (one and len(answer.calls) != 1):
            yield f"{len(answer.calls)} calls, and the text {answer.text!r}"
        for called, arguments in answer.calls:
            if called not in schemas or called != (name or called):
                yield f"{called!r} was called"
            else:
                yield from faults(arguments, schemas[called])

    return judge
