"""Every name that this package takes from vLLM; what moved between releases is found here and nowhere else."""

from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest, ChatCompletionToolsParam
from vllm.entrypoints.openai.responses.protocol import ResponsesRequest
from vllm.exceptions import VLLMValidationError
from vllm.renderers.chat_utils import make_tool_call_id
from vllm.tokenizers import TokenizerLike
from vllm.tool_parsers.abstract_tool_parser import Tool, ToolParser, ToolParserManager
from vllm.tool_parsers.structural_tag_registry import register_vllm_structural_tag
from vllm.tool_parsers.utils import get_function_tools
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
    "ChatCompletionRequest",
    "ChatCompletionToolsParam",
    "DeltaFunctionCall",
    "DeltaMessage",
    "DeltaToolCall",
    "ExtractedToolCallInformation",
    "FunctionCall",
    "FunctionToolParam",
    "ResponsesRequest",
    "StructuralTag",
    "TokenizerLike",
    "Tool",
    "ToolCall",
    "ToolParser",
    "ToolParserManager",
    "VLLMValidationError",
    "get_function_tools",
    "make_tool_call_id",
    "register_vllm_structural_tag",
]
