"""Asking the server through the openai client, and the answer in one shape, whether it came whole or in pieces."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator
from openai import BaseModel
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from server import Server

__all__ = ["TIME", "WEATHER", "Reply", "ask", "faults", "gathered", "read", "tool"]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a caller sees of one answer, and what the model wrote to get it."""

    content: str
    calls: tuple[tuple[str, str], ...]
    """Names and arguments, as sent."""
    finish_reason: str | None
    token_ids: tuple[int, ...]
    prompt_ids: tuple[int, ...]
    pieces: int = 1
    """In how many pieces content and arguments came."""
    reasoning: str = ""


def tool(name: str, parameters: object = None, **more: object) -> dict[str, Any]:
    """A tool as the API takes it."""
    function = {"name": name, **({} if parameters is None else {"parameters": parameters}), **more}
    return {"type": "function", "function": function}


WEATHER = tool(
    "get_weather",
    {
        "type": "object",
        "properties": {
            "city": {"type": "string", "maxLength": 12},
            "days": {"type": "integer", "minimum": 1, "maximum": 14},
        },
        "required": ["city"],
    },
)
TIME = tool("get_time", {"type": "object", "properties": {"zone": {"enum": ["UTC", "CET"]}}})
"""Two tools whose calls stay short, whoever writes them: a model with random weights, too."""


def ask(
    server: Server,
    *,
    stream: bool = False,
    replay: str | None = None,
    extra: Mapping[str, object] | None = None,
    **request: Any,
) -> Reply:
    """Send one chat request.

    Args:
        replay: what the model is made to answer, its stop token at the end.
        extra: fields that vLLM adds to OpenAI's.
        request: what `chat.completions.create` takes.
    """
    script = server.replay(replay) if replay is not None else {}
    answer = server.client.chat.completions.create(
        model=server.name,
        stream=stream,
        extra_body={"return_token_ids": True, **script, **(extra or {})},
        **request,
    )
    return read(answer)


def read(answer: ChatCompletion | Iterable[ChatCompletionChunk]) -> Reply:
    """A whole answer, or the chunks of a stream."""
    return _whole(answer) if isinstance(answer, ChatCompletion) else gathered(answer)


def faults(arguments: str, schema: Mapping[str, Any]) -> Iterator[str]:
    """Where the arguments of a call do not keep to the parameters of its tool.

    Random weights write bytes that are no character: up to four are one to the grammar, and a sign each to the
    server. Here they are one.
    """
    try:
        value = json.loads(re.sub("\N{REPLACEMENT CHARACTER}+", "\N{REPLACEMENT CHARACTER}", arguments))
    except ValueError:
        yield f"arguments do not load: {arguments!r}"
    else:
        yield from (error.message for error in Draft202012Validator(schema).iter_errors(value))


def _whole(completion: ChatCompletion) -> Reply:
    (choice,) = completion.choices
    calls = [call.function for call in choice.message.tool_calls or () if call.type == "function"]
    return Reply(
        content=choice.message.content or "",
        calls=tuple((call.name, call.arguments) for call in calls),
        finish_reason=choice.finish_reason,
        token_ids=_extra(choice, "token_ids"),
        prompt_ids=_extra(completion, "prompt_token_ids"),
        reasoning=_reasoning(choice.message),
    )


def gathered(chunks: Iterable[ChatCompletionChunk]) -> Reply:
    """Put a stream together, and hold it to what clients rely on."""
    content, reasoning = "", ""
    names: list[str] = []
    call_ids: set[str] = set()
    arguments: list[str] = []
    finish_reason = None
    token_ids: tuple[int, ...] = ()
    prompt_ids: tuple[int, ...] = ()
    pieces = 0
    for chunk in chunks:
        prompt_ids += _extra(chunk, "prompt_token_ids")
        for choice in chunk.choices:
            assert finish_reason is None, "something follows the finish reason"
            finish_reason = choice.finish_reason
            token_ids += _extra(choice, "token_ids")
            content += choice.delta.content or ""
            reasoning += _reasoning(choice.delta)
            pieces += bool(choice.delta.content)
            for call in choice.delta.tool_calls or ():
                assert call.function is not None
                if call.index == len(names):
                    assert call.id, "a call begins without an id"
                    assert call.type == "function"
                    assert call.function.name, "a call begins without a name"
                    assert call.id not in call_ids, "two calls share an id"
                    call_ids.add(call.id)
                    names.append(call.function.name)
                    arguments.append("")
                else:
                    assert call.index == len(names) - 1, "a call goes on after the next began"
                    assert not call.function.name, "a call is announced twice"
                arguments[call.index] += call.function.arguments or ""
                pieces += bool(call.function.arguments)
    calls = tuple(zip(names, arguments, strict=True))
    return Reply(content, calls, finish_reason, token_ids, prompt_ids, pieces, reasoning)


def _extra(answer: BaseModel, name: str) -> tuple[int, ...]:
    """Token ids, which vLLM adds to OpenAI's fields."""
    return tuple((answer.model_extra or {}).get(name) or ())


def _reasoning(message: BaseModel) -> str:
    """What vLLM adds where the server has a reasoning parser."""
    return (message.model_extra or {}).get("reasoning") or ""
