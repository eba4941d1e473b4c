"""Prompts of requests that people type: what they typed is checked, and given to the template as a server gives it."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from jinja2 import TemplateError

from ..adapters import Adapter, ChatAdaptersError, read_template
from .rendering import render

__all__ = ["InputError", "Piece", "pieces", "prompt_of", "read_json", "read_messages", "read_tools"]


class InputError(ChatAdaptersError):
    """Something that was typed cannot be used; the message says why, and where."""

    def __init__(self, part: str, why: str) -> None:
        super().__init__(f"{part}: {why}")
        self.part = part
        """What it is: `messages`, `tools`..."""


class Piece(NamedTuple):
    """A piece of a prompt: one special token, or text between two."""

    text: str
    special: bool


def read_json(part: str, text: str) -> Any:
    """What a text says; nothing but white space is null.

    Raises:
        InputError: it is no JSON.
    """
    try:
        return json.loads(text) if text.strip() else None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InputError(part, f"this is no JSON, at {where}: {error.msg}") from None
    except (RecursionError, ValueError) as error:
        raise InputError(part, f"this JSON cannot be read: {error}") from None


def read_tools(value: object) -> list[dict[str, Any]]:
    """The tools of a request; null is none.

    Raises:
        InputError: they are not tools.
    """
    tools = [] if value is None else _objects("tools", value)
    for place, tool in enumerate(tools):
        function = tool.get("function", tool)
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise InputError("tools", f"number {place} has no name of a function: {_short(tool)}")
    return tools


def read_messages(value: object) -> list[dict[str, Any]]:
    """The messages of a request, the arguments of their calls as objects, as a server makes them.

    Raises:
        InputError: they are no messages.
    """
    messages = _objects("messages", value)
    if not messages:
        raise InputError("messages", "there is none")
    return [_message(place, message) for place, message in enumerate(messages)]


def prompt_of(
    adapter: Adapter, messages: list[dict[str, Any]], tools: list[dict[str, Any]], **settings: Any
) -> str:
    """The prompt of a request, by the adapter's own template.

    Raises:
        InputError: it cannot be written.
    """
    try:
        return render(read_template(adapter), messages, tools, **{"add_generation_prompt": True, **settings})
    except TemplateError as error:
        raise InputError("messages", str(error)) from None
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        why = f"the template cannot write them ({type(error).__name__}: {error})"
        raise InputError("messages", why) from None


def pieces(adapter: Adapter, prompt: str) -> Iterator[Piece]:
    """A prompt in pieces; wherever the spelling of a special token stands, it is one."""
    tokens = sorted(adapter.tokens, key=len, reverse=True)
    for place, text in enumerate(re.split(f"({'|'.join(map(re.escape, tokens))})", prompt)):
        if text:
            yield Piece(text, bool(place % 2))


def _objects(part: str, value: object) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise InputError(part, f"an array is expected, not {_short(value)}")
    for place, item in enumerate(value):
        if not isinstance(item, dict):
            raise InputError(part, f"number {place} is no object: {_short(item)}")
    return value


def _message(place: int, message: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(message.get("role"), str):
        raise InputError("messages", f"number {place} has no role: {_short(message)}")
    content, calls = message.get("content"), message.get("tool_calls")
    if not (content is None or isinstance(content, str)):
        _objects("messages", content)
    if not calls:
        return message
    return message | {"tool_calls": [_call(place, call) for call in _objects("messages", calls)]}


def _call(place: int, call: dict[str, Any]) -> dict[str, Any]:
    function = call.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise InputError("messages", f"number {place} calls no function with a name: {_short(call)}")
    arguments = function.get("arguments")
    if not isinstance(arguments, str):
        return call
    loaded = read_json("messages", arguments)
    return call | {"function": function | {"arguments": {} if loaded is None else loaded}}


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."
