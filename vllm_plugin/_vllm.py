"""Every name that this package takes from vLLM; what moved between releases is found here and nowhere else.

`make matrix` runs what needs vLLM of the suite on each release.

Raises:
    UnsupportedVllmError: when it is imported: the vLLM that is installed lacks a name.
"""

from collections.abc import Sequence
from typing import Any

import vllm

from . import UnsupportedVllmError

try:
    from openai.types.responses.function_tool import FunctionTool
    from openai.types.responses.tool_choice_allowed import ToolChoiceAllowed
    from vllm.config import VllmConfig
    from vllm.entrypoints.openai.chat_completion.protocol import (
        ChatCompletionRequest,
        ChatCompletionToolsParam,
    )
    from vllm.entrypoints.openai.responses.protocol import ResponsesRequest
    from vllm.exceptions import VLLMValidationError
    from vllm.inputs import TextPrompt, TokensPrompt
    from vllm.reasoning.deepseek_r1_reasoning_parser import DeepSeekR1ReasoningParser
    from vllm.renderers import ChatParams, TokenizeParams
    from vllm.renderers.hf import HfRenderer, resolve_chat_template_content_format, safe_apply_chat_template
    from vllm.renderers.inputs import DictPrompt
    from vllm.sampling_params import StructuredOutputsParams
    from vllm.tokenizers import TokenizerLike
    from vllm.tokenizers.hf import CachedHfTokenizer, HfTokenizer, get_cached_tokenizer
    from vllm.tool_parsers import structural_tag_registry, utils
    from vllm.tool_parsers.abstract_tool_parser import Tool, ToolParser
    from vllm.tool_parsers.structural_tag_registry import register_vllm_structural_tag
    from vllm.utils.async_utils import make_async
    from xgrammar import StructuralTag
    from xgrammar.openai_tool_call_schema import BuiltinToolParam, FunctionToolParam

    try:
        from vllm.entrypoints.generate.base.protocol import (
            DeltaFunctionCall,
            DeltaMessage,
            DeltaToolCall,
            ExtractedToolCallInformation,
            FunctionCall,
            ToolCall,
        )
    except ModuleNotFoundError:  # before 0.29
        from vllm.entrypoints.openai.engine.protocol import (  # type: ignore[import-not-found,no-redef]
            DeltaFunctionCall,
            DeltaMessage,
            DeltaToolCall,
            ExtractedToolCallInformation,
            FunctionCall,
            ToolCall,
        )

    try:
        from vllm.renderers.chat_utils import (
            ChatCompletionMessageParam,
            ConversationMessage,
            make_tool_call_id,
            parse_chat_messages,
        )
    except ModuleNotFoundError:  # before 0.32
        from vllm.entrypoints.chat_utils import (  # type: ignore[import-not-found,no-redef]
            ChatCompletionMessageParam,
            ConversationMessage,
            make_tool_call_id,
            parse_chat_messages,
        )
except ImportError as error:
    raise UnsupportedVllmError(vllm.__version__, str(error)) from error

_CALLED = {
    ToolParser: (
        "adjust_request",
        "extract_tool_calls",
        "extract_tool_calls_streaming",
        "get_structural_tag",
    ),
    DeepSeekR1ReasoningParser: ("has_engine_confirmed_reasoning_end",),
    HfRenderer: (
        "_build_tokens_prompt",
        "_tokenize_prompt",
        "_wants_offsets",
        "get_tokenizer",
        "render_messages",
        "render_messages_async",
    ),
    ChatParams: ("get_apply_chat_template_kwargs",),
    TokenizeParams: ("get_encode_kwargs",),
}
"""What is called, or stands in for vLLM's own: under another name vLLM would never ask for it."""

for _owner, _names in _CALLED.items():
    for _name in _names:
        if not hasattr(_owner, _name):
            raise UnsupportedVllmError(
                vllm.__version__, f"{_owner.__module__}.{_owner.__qualname__} has no {_name}"
            )


def limit_to_single_tool_call(tag: StructuralTag) -> StructuralTag:
    """Ends the grammar after one call; before 0.32 vLLM cannot."""
    if hasattr(structural_tag_registry, "limit_to_single_tool_call"):
        return structural_tag_registry.limit_to_single_tool_call(tag)
    return StructuralTag.model_validate(_with_one_call(tag.model_dump(mode="json")))


def _with_one_call(node: Any) -> Any:
    if isinstance(node, list):
        return [_with_one_call(item) for item in node]
    if not isinstance(node, dict):
        return node
    lists_calls = node.get("type") in ("triggered_tags", "tags_with_separator")
    limited = {"stop_after_first": True} if lists_calls else {}
    return {key: _with_one_call(value) for key, value in node.items()} | limited


def get_function_tools(tools: Sequence[Tool]) -> Sequence[ChatCompletionToolsParam | FunctionTool]:
    """The tools that the model is shown; before 0.32 vLLM has no others to leave out but those it runs itself."""
    if hasattr(utils, "get_function_tools"):
        return utils.get_function_tools(tools)
    return [tool for tool in tools if isinstance(tool, ChatCompletionToolsParam | FunctionTool)]


__all__ = [
    "BuiltinToolParam",
    "CachedHfTokenizer",
    "ChatCompletionMessageParam",
    "ChatCompletionRequest",
    "ChatCompletionToolsParam",
    "ChatParams",
    "ConversationMessage",
    "DeepSeekR1ReasoningParser",
    "DeltaFunctionCall",
    "DeltaMessage",
    "DeltaToolCall",
    "DictPrompt",
    "ExtractedToolCallInformation",
    "FunctionCall",
    "FunctionToolParam",
    "HfRenderer",
    "HfTokenizer",
    "ResponsesRequest",
    "StructuralTag",
    "StructuredOutputsParams",
    "TextPrompt",
    "TokenizeParams",
    "TokenizerLike",
    "TokensPrompt",
    "Tool",
    "ToolCall",
    "ToolChoiceAllowed",
    "ToolParser",
    "VLLMValidationError",
    "VllmConfig",
    "get_cached_tokenizer",
    "get_function_tools",
    "limit_to_single_tool_call",
    "make_async",
    "make_tool_call_id",
    "parse_chat_messages",
    "register_vllm_structural_tag",
    "resolve_chat_template_content_format",
    "safe_apply_chat_template",
]
