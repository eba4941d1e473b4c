"""What a prompt must hold: what the conversation and its tools say stands in it, and what it cannot hold is refused."""

from typing import Any

from jinja2 import TemplateError, UndefinedError

from .kit_case import Failed, Subject
from .rendering import render

__all__ = ["everything_told", "refusals"]

Json = dict[str, Any]

CALL: Json = {"id": "call_0", "type": "function", "function": {"name": "find_amber", "arguments": {}}}
CONVERSATION: tuple[Json, ...] = (
    {"role": "system", "content": "Be saffron."},
    {"role": "user", "content": "What about indigo?"},
    {"role": "assistant", "content": "", "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call_0", "content": "It is maroon."},
)
TOLD = {
    "a system message": "saffron",
    "a user's message": "indigo",
    "the name of a called tool": "amber",
    "a tool's result": "maroon",
}
PARAMETERS: Json = {
    "type": "object",
    "properties": {"crimson": {"type": "string", "description": "viridian"}},
}
TOOLS: tuple[Json, ...] = (
    {"name": "find_ochre", "description": "Looks for cobalt.", "parameters": PARAMETERS},
    {"name": "find_umber"},
)
TOLD_OF_TOOLS = {
    "the name of a tool": "ochre",
    "the description of a tool": "cobalt",
    "a tool's parameter": "crimson",
    "the description of a tool's parameter": "viridian",
    "the name of a tool without description and parameters": "umber",
}


def everything_told(subject: Subject) -> None:
    """What messages and tools say stands in the prompt."""
    offered = [{"type": "function", "function": function} for function in TOOLS]
    for tools, told in (([], TOLD), (offered, TOLD | TOLD_OF_TOOLS)):
        prompt = render(subject.template, CONVERSATION, tools, add_generation_prompt=True)
        for what, word in told.items():
            if word not in prompt:
                others = "with tools" if tools else "without tools"
                raise Failed(f"{what} ({word!r}) does not stand in the prompt {others}:\nprompt: {prompt!r}")


def refusals(subject: Subject) -> None:
    """The template raises for an unknown role, and does not leave out a part of a message that is no text."""
    user = {"role": "user", "content": "?"}
    stranger = [user, {"role": "stranger", "content": "!"}]
    if (prompt := _written(subject, stranger)) is not None:
        raise Failed(f"the unknown role 'stranger' is not refused:\nprompt: {prompt!r}")
    text = {"type": "text", "text": "?"}
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    for role in ("system", "user", "assistant", "tool"):
        usual, other = (
            _written(subject, [user, {"role": role, "content": parts}]) for parts in ([text], [text, image])
        )
        # A model that sees has something to write for it; more than the line feed between two parts.
        if usual is not None and other is not None and "".join(usual.split()) == "".join(other.split()):
            raise Failed(f"an image part of role {role!r} is left out in silence:\nprompt: {other!r}")


def _written(subject: Subject, messages: list[Json]) -> str | None:
    """The prompt, or None if the template refuses the conversation."""
    try:
        return render(subject.template, messages, add_generation_prompt=True)
    except UndefinedError:
        raise  # an accident
    except TemplateError:
        return None
