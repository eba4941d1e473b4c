"""Every name that this package takes from vLLM; what moved between releases is found here and nowhere else."""

from openai.types.responses.tool_choice_allowed import ToolChoiceAllowed
from vllm.config import VllmConfig
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest, ChatCompletionToolsParam
from vllm.entrypoints.openai.responses.protocol import ResponsesRequest
from vllm.exceptions import VLLMValidationError
from vllm.inputs import TextPrompt, TokensPrompt
from vllm.renderers import ChatParams, TokenizeParams
from vllm.renderers.chat_utils import (
    ChatCompletionMessageParam,
    ConversationMessage,
    make_tool_call_id,
    parse_chat_messages,
)
from vllm.renderers.hf import HfRenderer, resolve_chat_template_content_format, safe_apply_chat_template
from vllm.renderers.inputs import DictPrompt
from vllm.sampling_params import StructuredOutputsParams
from vllm.tokenizers import TokenizerLike
from vllm.tokenizers.hf import CachedHfTokenizer, HfTokenizer, get_cached_tokenizer
from vllm.tool_parsers.abstract_tool_parser import Tool, ToolParser, ToolParserManager
from vllm.tool_parsers.structural_tag_registry import limit_to_single_tool_call, register_vllm_structural_tag
from vllm.tool_parsers.utils import get_function_tools
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

__all__ = [
    "BuiltinToolParam",
    "CachedHfTokenizer",
    "ChatCompletionMessageParam",
    "ChatCompletionRequest",
    "ChatCompletionToolsParam",
    "ChatParams",
    "ConversationMessage",
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
    "ToolParserManager",
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
