"""What models have written: the recorded replies in `fixtures/`, and the requests that they answer."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from chat_adapters.adapters import Adapter, PythonCall, Tool, get
from chat_adapters.toolkit.checks import reply_of

__all__ = [
    "FIXTURES",
    "as_sent",
    "before_stop",
    "load",
    "loads",
    "output",
    "reading",
    "recorded",
    "script",
    "through_vllm",
    "tools_of",
]

FIXTURES = Path(__file__).resolve().parent.parent.parent / "fixtures"


def recorded(adapter: Adapter) -> dict[str, Path]:
    """The folders of the family's replies to requests with tools: without, vLLM does not look for calls.

    But for those that begin with SentencePiece's blank: it would put another before it.
    """
    pieces = isinstance(adapter.format.call, PythonCall)
    folders = [path.parent for path in sorted((FIXTURES / adapter.name).glob("*/output.txt"))]
    return {
        folder.name: folder
        for folder in folders
        if load(folder, "request").get("tools") and not (pieces and output(folder).startswith(" "))
    }


def script(adapter: Adapter, text: str) -> str:
    """The reply with the stop token at its end."""
    return text if text.endswith(adapter.stop_tokens) else text + adapter.stop_tokens[0]


def load(folder: Path, name: str) -> Any:
    """A JSON file of a recorded reply: `request`, or `message`, what the reply must be read as without a dialect."""
    return json.loads((folder / f"{name}.json").read_text("utf-8"))


def reading(folder: Path) -> Any:
    """What the reply must be read as where no dialect is set: the safe ones are on.

    Of several that read it, one leaves the least text: the others leave what they do not know as markup.
    """
    safe = [dialect.name for dialect in get(folder.parent.name).dialects if dialect.safe]
    names = [name for name in (f"message.{name}" for name in safe) if (folder / f"{name}.json").is_file()]
    messages = [load(folder, name) for name in names or ["message"]]
    return min(messages, key=lambda message: len(message["content"] or ""))


def before_stop(text: str, stops: Iterable[str]) -> str:
    """What is left of a reply when the server has looked for stop strings."""
    return min((text.partition(stop)[0] for stop in stops), key=len, default=text)


def through_vllm(adapter: Adapter, folder: Path, seen: str) -> tuple[str, list[tuple[str, object]]]:
    """What the caller gets of a recorded reply: its `reading`, but for three things that happen on the way.

    The tokens may give another text back than they were made of. vLLM ends the reply before a stop string, so that the
    parser reads what is left; and it drops a text that is all white space beside anything else.
    """
    message = reading(folder)
    content, calls = (
        message["content"] or "",
        [(call["name"], call["arguments"]) for call in message["tool_calls"]],
    )
    left = before_stop(seen, adapter.format.stop_strings)
    if left != output(folder):
        functions = [one["function"] for one in tools_of(folder)]
        tools = [Tool(function["name"], function.get("parameters")) for function in functions]
        reply = reply_of(adapter.with_dialects(), tools, left)
        content, calls = reply.content, [(call.name, json.loads(call.arguments)) for call in reply.calls]
    return without_blank(content, left), calls


def without_blank(content: str, text: str) -> str:
    """White space beside anything else is dropped, by vLLM of a whole reply and by the plugin of a stream."""
    return content if content.strip() or content == text else ""


def loads(arguments: str) -> bool:
    """Whether a call's arguments are what they must be."""
    try:
        return isinstance(json.loads(arguments), dict)
    except ValueError:
        return False


def output(folder: Path) -> str:
    """The reply, as the model wrote it."""
    return (folder / "output.txt").read_bytes().decode()


def tools_of(folder: Path) -> list[dict[str, Any]]:
    """The tools that were offered, as OpenAI's API has them."""
    return [
        one if "function" in one else {"type": "function", "function": one}
        for one in load(folder, "request")["tools"]
    ]


def as_sent(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Messages with their calls as OpenAI's API has them: with ids, and arguments as a string of JSON."""

    def sent(call: dict[str, Any], number: int) -> dict[str, Any]:
        function = call.get("function", call)
        arguments = function["arguments"]
        text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
        return {
            "id": f"call_{number}",
            "type": "function",
            "function": {"name": function["name"], "arguments": text},
        }

    return [
        {**message, "tool_calls": [sent(call, number) for number, call in enumerate(message["tool_calls"])]}
        if message.get("tool_calls")
        else {**message, "tool_call_id": "call_0"}
        if message["role"] == "tool"
        else message
        for message in messages
    ]
