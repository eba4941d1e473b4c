"""Calls without a server: what an engine is told, and the message that its text is, as OpenAI has it."""

from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, NotRequired, Protocol, TypedDict
from uuid import uuid4

from ._adapter import Adapter
from ._errors import AdapterLoadError, TokenizerError, ToolNameError
from ._format import Tool
from ._parser import Parser
from ._reply import Reply, read_reply

__all__ = [
    "Message",
    "Stops",
    "Tokenizer",
    "ToolCall",
    "as_tools",
    "read_message",
    "read_template",
    "stop_token_ids",
    "stops",
    "template_path",
]


class Function(TypedDict):
    """What is called."""

    name: str
    arguments: str
    """The text of a JSON object."""


class ToolCall(TypedDict):
    """One call of a message."""

    id: str
    type: Literal["function"]
    function: Function


class Message(TypedDict):
    """An assistant's turn, to be appended to the conversation as it is."""

    role: Literal["assistant"]
    content: str | None
    tool_calls: NotRequired[list[ToolCall]]


class Stops(TypedDict):
    """Where a reply ends, as `vllm.SamplingParams` takes it."""

    skip_special_tokens: bool
    stop_token_ids: list[int]
    stop: list[str]


class Tokenizer(Protocol):
    """What is asked of a tokenizer, transformers' or vLLM's."""

    def convert_tokens_to_ids(self, tokens: str, /) -> Any:
        """The id of a token."""


def as_tools(tools: Iterable[Mapping[str, Any]]) -> list[Tool]:
    """The tools of a request, for a parser or a grammar; OpenAI's objects, or the bare functions in them.

    Raises:
        ToolNameError: one is no function with a name, as OpenAI's own `web_search`: no model here can call it.
    """
    functions = [tool.get("function", tool) for tool in tools]
    if nameless := [function for function in functions if "name" not in function]:
        raise ToolNameError(f"this tool has no name: {nameless[0]}; offer functions only")
    return [Tool(function["name"], function.get("parameters")) for function in functions]


def template_path(adapter: Adapter) -> Path:
    """The file of the family's chat template, for `vllm serve --chat-template`.

    Raises:
        AdapterLoadError: the adapter's package has none, or there is no such package.
    """
    try:
        path = Path(str(files(adapter.package) / f"{adapter.name}.jinja"))
    except ModuleNotFoundError:
        raise _without_template(
            adapter, f"there is no package {adapter.package}: set the adapter's `package` to yours"
        ) from None
    if not path.is_file():
        raise _without_template(
            adapter,
            f"there is no chat template {path.name} in the package {adapter.package}: "
            "put one there and into its package-data, or set the adapter's `package`",
        )
    return path


def _without_template(adapter: Adapter, why: str) -> AdapterLoadError:
    return AdapterLoadError(f"the adapter {adapter.name!r}", why)


def read_template(adapter: Adapter) -> str:
    """The family's chat template, for `LLM.chat` or transformers' `apply_chat_template`.

    Raises:
        AdapterLoadError: it has none.
    """
    return template_path(adapter).read_text("utf-8")


def stops(adapter: Adapter, tokenizer: Tokenizer, *, grammar: bool = False) -> Stops:
    """Where a reply of this family ends, and that its special tokens are seen: they mark the calls.

    Args:
        tokenizer: the checkpoint's, of transformers or of vLLM.
        grammar: whether the reply is held to calls. That ends it; a stop string could only cut an argument.

    Raises:
        TokenizerError: the tokenizer lacks a token of the chat format.
    """
    return {
        "skip_special_tokens": False,
        "stop_token_ids": stop_token_ids(adapter, tokenizer),
        "stop": [] if grammar else list(adapter.format.stop_strings),
    }


def stop_token_ids(adapter: Adapter, tokenizer: Tokenizer) -> list[int]:
    """The ids of the adapter's stop tokens.

    Raises:
        TokenizerError: the tokenizer lacks a token of the chat format.
    """
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in adapter.tokens}
    # A token that the tokenizer does not know becomes its token for the unknown, which may be one of ours.
    unknown = getattr(tokenizer, "unk_token_id", None), getattr(tokenizer, "unk_token", None)
    missing = [token for token, id in ids.items() if id is None or (id == unknown[0] and token != unknown[1])]
    if missing:
        raise TokenizerError(
            f"the adapter {adapter.name!r} serves {adapter.models}; this checkpoint's tokenizer does not know "
            f"{', '.join(missing)}: choose the adapter of its family"
        )
    return [ids[token] for token in adapter.stop_tokens]


def read_message(
    adapter: Adapter,
    text: str,
    tools: Iterable[Mapping[str, Any]] = (),
    *,
    dialects: Iterable[str] | None = None,
    coercions: Iterable[str] = (),
) -> Message:
    """The message that a model wrote. A call that was cut or went bad stays in the content, as it was written.

    Args:
        text: the reply, with its special tokens; stop tokens at its end are left off. Cut what a batch has behind
            the first by its id, before it is text: there `</s>` may be HTML that the model spelled.
        tools: those that were offered, as the prompt got them. Without any, nothing is a call.
        dialects: those that are read besides; without names those that are safe, as on a server.
        coercions: what a text may become where a tool's schema asks for that; of the names in `COERCIONS`.

    Raises:
        ToolNameError: a tool is no function with a name.
        UnknownDialectError: the family has no such dialect.
        ChatAdaptersError: there is no such coercion.
    """
    text = without_stops(adapter, text)
    offered = as_tools(tools)
    unknown: Literal["forward", "content"] = "forward" if offered else "content"
    format = adapter.with_dialects(dialects)
    parser = Parser(format, offered, unknown_tools=unknown, coercions=frozenset(coercions))
    return as_message(read_reply(parser, text))


def without_stops(adapter: Adapter, text: str) -> str:
    """The reply without the stop tokens at its end."""
    while stop := next((token for token in adapter.stop_tokens if text.endswith(token)), None):
        text = text.removesuffix(stop)
    return text


def as_message(reply: Reply) -> Message:
    """The reply as OpenAI has it."""
    content, calls = reply
    if not calls:
        return {"role": "assistant", "content": content}
    return {
        "role": "assistant",
        "content": content if content.strip() else None,
        "tool_calls": [
            {
                "id": f"call_{uuid4().hex}",
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in calls
        ],
    }
