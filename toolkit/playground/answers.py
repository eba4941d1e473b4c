"""What the playground's page asks for: examples to begin with, prompts, and traces of replies.

The page sends what stands in its fields, as texts: what is wrong with them is said here, in the words of the command line.
"""

import json
from collections.abc import Mapping
from typing import Any

from ...adapters import ADAPTERS, Adapter, AdapterLoadError, UnknownAdapterError, get
from ..prompts import InputError, pieces, prompt_of, read_json, read_messages, read_tools
from ..tracing import trace
from ..writing import write_reply

__all__ = ["MAX_DELTAS", "examples", "parse", "rendered"]

MAX_DELTAS = 5_000
"""A page shows no more of them."""

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "The weather of a city",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
                "required": ["city"],
            },
        },
    }
]
MESSAGES = [
    {"role": "user", "content": "What is the weather in Paris?"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "call_0",
                "type": "function",
                "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'},
            }
        ],
    },
    {"role": "tool", "tool_call_id": "call_0", "content": "18 degrees, light rain"},
    {"role": "assistant", "content": "18 degrees, with light rain."},
    {"role": "user", "content": "And in Tokyo and Lima, the next two days?"},
]
REPLY = ("Let me look.", ('{"city": "Tokyo", "days": 2}', '{"city": "Lima", "days": 2}'))


def examples() -> dict[str, object]:
    """The adapters, each with what its model would answer to the example's request, and that request."""
    text, arguments = REPLY
    calls = [("get_weather", each) for each in arguments]
    return {
        "tools": json.dumps(TOOLS, indent=2),
        "messages": json.dumps(MESSAGES, indent=2),
        "adapters": [
            {
                "name": adapter.name,
                "models": adapter.models,
                "reply": write_reply(adapter.format, *calls, text=text),
            }
            for adapter in ADAPTERS.values()
        ],
    }


def rendered(fields: Mapping[str, Any]) -> dict[str, object]:
    """The prompt in pieces, special tokens apart, of `adapter`, `messages` and `tools`.

    Raises:
        InputError: a field has something that cannot be used.
    """
    adapter = _adapter(fields)
    tools = read_tools(read_json("tools", _text(fields, "tools")))
    messages = read_messages(read_json("messages", _text(fields, "messages")))
    prompt = prompt_of(adapter, messages, tools)
    return {"parts": [piece._asdict() for piece in pieces(adapter, prompt)]}


def parse(fields: Mapping[str, Any]) -> dict[str, object]:
    """What becomes of a reply, of `adapter`, `tools`, `reply` and `size`, the number of characters of a delta.

    Raises:
        InputError: a field has something that cannot be used.
    """
    adapter = _adapter(fields)
    tools = read_tools(read_json("tools", _text(fields, "tools")))
    reply, size = _text(fields, "reply"), fields.get("size")
    if not isinstance(size, int) or size < 1:
        raise InputError("size", "a delta has 1 character or more")
    if len(reply) > size * MAX_DELTAS:
        raise InputError("size", f"more than {MAX_DELTAS:,} deltas: let each have more characters")
    return trace(adapter, reply, tools, deltas=size).as_json()


def _adapter(fields: Mapping[str, Any]) -> Adapter:
    try:
        return get(_text(fields, "adapter"))
    except (AdapterLoadError, UnknownAdapterError) as error:
        raise InputError("adapter", str(error)) from None


def _text(fields: Mapping[str, Any], name: str) -> str:
    text = fields.get(name)
    if not isinstance(text, str):
        raise InputError(name, "a text is expected")
    return text
