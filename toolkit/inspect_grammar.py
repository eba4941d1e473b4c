"""The grammar of a request, and where a text leaves it."""

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_letters, digits, punctuation
from typing import Any

from ..adapters import Adapter, ChatAdaptersError, Choice, Tool, as_tools, structural_tag

__all__ = ["Leave", "leave", "tag_of"]

PRINTABLE = ascii_letters + digits + punctuation + " "


@dataclass(frozen=True, slots=True)
class Leave:
    """Where a text leaves a grammar."""

    at: int
    """The first character that is refused; the length of the text if it may only not end there."""
    expected: str
    """What must stand there, if there is only one way to go on; else empty."""
    allowed: str
    """What may stand there, in words."""


def tag_of(adapter: Adapter, request: dict[str, Any]) -> dict[str, object]:
    """The structural tag of a request, as a server builds it.

    Raises:
        ChatAdaptersError: the request is held to no grammar, or no grammar can be made of its tools.
    """
    from .prompts import read_tools

    offered = read_tools(request.get("tools"))
    if not offered:
        raise ChatAdaptersError("tools: the request offers none, and without tools there is no grammar")
    choice, tools = _choice(request.get("tool_choice"), offered)
    tag = structural_tag(adapter.format, tools, choice)
    if request.get("parallel_tool_calls") is False:
        _limit(tag["format"])
    return tag


def leave(tag: dict[str, object], text: str) -> Leave | None:
    """Where the text leaves the grammar, or None if a model may write it and stop. Needs xgrammar."""
    import xgrammar

    from .grammars import STOP, allowed, compile_tag

    matcher = xgrammar.GrammarMatcher(compile_tag(tag))
    for at, char in enumerate(text):
        if not matcher.accept_string(char):
            return Leave(at, matcher.find_jump_forward_string(), _in_words(list(allowed(matcher))))
    open_ = list(allowed(matcher))
    if STOP in open_:
        return None
    return Leave(len(text), matcher.find_jump_forward_string(), _in_words(open_))


def _choice(choice: Any, offered: Sequence[dict[str, Any]]) -> tuple[Choice, list[Tool]]:
    tools = as_tools(offered)
    match choice:
        case None | "auto":
            # The arguments of a call are held to what is strict.
            strict = [tool.get("function", tool).get("strict") for tool in offered]
            return "auto", [
                tool if held else Tool(tool.name) for tool, held in zip(tools, strict, strict=True)
            ]
        case "required":
            return "required", tools
        case {"function": {"name": str(name)}}:
            named = [tool for tool in tools if tool.name == name]
            if not named:
                raise ChatAdaptersError(f"tool_choice: it names {name!r}, which is not among the tools")
            return "forced", named
        case "none":
            raise ChatAdaptersError("tool_choice: with none there are no calls, and there is no grammar")
    raise ChatAdaptersError(
        'tool_choice: must be "auto", "required", "none" or {"type": "function", "function": {"name": ...}}'
    )


def _limit(format: Any) -> None:
    """One call, where the request wants no more, as vLLM does it."""
    if format["type"] in ("tags_with_separator", "triggered_tags"):
        format["stop_after_first"] = True
    for element in format.get("elements", ()):
        _limit(element)


def _in_words(tokens: Sequence[int]) -> str:
    """Bytes that may come next, and the end, in words."""
    from .grammars import STOP

    chars = {chr(token) for token in tokens if token < 128}
    kinds = ["the end of the reply"] if STOP in tokens else []
    missing = [char for char in PRINTABLE if char not in chars]
    if len(missing) < 20:
        but = f" but {' '.join(missing)}" if missing else ""
        return " or ".join([*kinds, f"any character{but}"])
    for kind, of_kind in (("a letter", ascii_letters), ("a digit", digits)):
        if chars >= set(of_kind):
            kinds.append(kind)
            chars -= set(of_kind)
    names = {" ": "a space", "\n": "a line feed", "\t": "a tab", "\r": "a carriage return"}
    kinds += [names.get(char, char) for char in sorted(chars)]
    if any(STOP > token >= 128 for token in tokens):
        kinds.append("a character that is not ASCII")
    return " or ".join(kinds) or "nothing"
