"""An adapter's grammar, as vLLM asks for it: a builder of structural tags."""

import logging
from collections.abc import Callable

from ..adapters import Adapter, ChatAdaptersError, Choice, Tool, structural_tag
from ._vllm import BuiltinToolParam, FunctionToolParam, StructuralTag, VLLMValidationError

__all__ = ["structural_tag_builder"]

_log = logging.getLogger("vllm.chat_adapters")


def structural_tag_builder(
    adapter: Adapter,
) -> Callable[[list[FunctionToolParam], list[BuiltinToolParam], Choice, bool, str], StructuralTag]:
    def build(
        tools: list[FunctionToolParam],
        builtin_tools: list[BuiltinToolParam],
        tool_choice: Choice,
        reasoning: bool,
        token_suffix: str = "",
    ) -> StructuralTag:
        # vLLM has pinned `strict`. Where nobody asked for it, `auto` holds a call to its form, and leaves its arguments.
        offered = [
            Tool(
                tool.function.name,
                tool.function.parameters if tool_choice != "auto" or tool.function.strict else None,
            )
            for tool in tools
        ]
        try:
            tag = structural_tag(adapter.format, offered, tool_choice, _log_unenforced)
            return StructuralTag.model_validate(tag)
        except ChatAdaptersError as error:
            raise VLLMValidationError(str(error), parameter="tools") from error

    return build


MAX_SCHEMAS_LOGGED = 500
_schemas_logged: set[tuple[str, tuple[str, ...]]] = set()


def _log_unenforced(tool: str, places: tuple[str, ...]) -> None:
    """Once for a schema, and no more of them in all than an operator would read."""
    if (tool, places) in _schemas_logged or len(_schemas_logged) >= MAX_SCHEMAS_LOGGED:
        return
    _schemas_logged.add((tool, places))
    more = f" and {len(places) - 10} more" if len(places) > 10 else ""
    _log.warning("tool %r: its grammar does not enforce %s%s", tool, ", ".join(map(ascii, places[:10])), more)
    if len(_schemas_logged) == MAX_SCHEMAS_LOGGED:
        _log.warning("what the grammars of further tools do not enforce is not logged")
