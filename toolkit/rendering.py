"""Chat templates, rendered as transformers renders them, without transformers."""

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from datetime import datetime
from functools import lru_cache
from typing import Any, NoReturn

from jinja2 import Template, TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.nodes import Node
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

__all__ = ["render"]

_CUT = "CUT THE PROMPT HERE "


def render(
    template: str,
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[Mapping[str, Any]] | None = None,
    *,
    continue_final_message: bool = False,
    **settings: object,
) -> str:
    """The prompt of a conversation.

    Args:
        template: the text of a chat template.
        tools: those of the request; an empty list is none, as on a server.
        continue_final_message: whether the prompt ends where the last message does.
        settings: what else the template is told: `add_generation_prompt`, and the `chat_template_kwargs` of a request.

    Raises:
        jinja2.TemplateError: it is no template, or it says that this conversation cannot be written.
    """
    written = deepcopy([dict(message) for message in messages])
    if continue_final_message:
        _mark_end(written[-1])
    prompt = _compile(template).render(messages=written, tools=tools or None, **settings)
    if not continue_final_message:
        return prompt
    whole = prompt.rpartition(_CUT)
    # Where the template trims what is said, it has trimmed the mark.
    return whole[0] if whole[1] else prompt.rpartition(_CUT.strip())[0].rstrip()


def _mark_end(message: dict[str, Any]) -> None:
    """Puts a mark behind what is said."""
    content = message["content"]
    if isinstance(content, str):
        message["content"] = content + _CUT
    else:
        last = next(part for part in reversed(content) if "text" in part)
        last["text"] += _CUT


class _Generation(Extension):
    """`{% generation %}` around what the model writes: it is for training, and changes no prompt."""

    tags = {"generation"}  # noqa: RUF012 - as Jinja has it

    def parse(self, parser: Parser) -> list[Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


@lru_cache
def _compile(template: str) -> Template:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals |= {"raise_exception": _raise, "strftime_now": _now}
    return environment.from_string(template)


def _to_json(
    value: object,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Jinja's own filter escapes what HTML would take for markup."""
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _raise(message: str) -> NoReturn:
    raise TemplateError(message)


def _now(format: str) -> str:
    return datetime.now().strftime(format)
