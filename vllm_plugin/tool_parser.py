"""Every adapter as a vLLM `ToolParser`: the engine's events become vLLM's messages, the grammar its structural tag.

vLLM asks this module for a class by the adapter's name; each is made when it is asked for.
"""

import logging
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from typing import Any, ClassVar, TypeVar

from ..adapters import (
    ADAPTERS,
    Adapter,
    ChatAdaptersError,
    ContinuedParser,
    Format,
    Parser,
    choose,
    get,
    read_reply,
    stop_token_ids,
)
from ..adapters import Tool as OfferedTool
from . import AUTO
from ._deltas import Deltas
from ._tags import structural_tag_builder
from ._vllm import (
    ChatCompletionRequest,
    ChatCompletionToolsParam,
    DeltaMessage,
    ExtractedToolCallInformation,
    FunctionCall,
    ResponsesRequest,
    StructuralTag,
    StructuredOutputsParams,
    TokenizerLike,
    Tool,
    ToolCall,
    ToolChoiceAllowed,
    ToolParser,
    get_function_tools,
    limit_to_single_tool_call,
    register_vllm_structural_tag,
)
from ._watch import Watch, shortened
from .settings import DIALECTS, current_settings

__all__ = ["AdapterToolParser", "AutoToolParser", "tool_parser_class"]

_log = logging.getLogger("vllm.chat_adapters")
_Value = TypeVar("_Value")


class AdapterToolParser(ToolParser):
    """One reply's parser; the subclasses differ in their adapter only."""

    adapter: ClassVar[Adapter]
    format: ClassVar[Format]
    """The adapter's, with the dialects that are set."""
    watch: ClassVar[Watch]
    # vLLM hands over the bare delta and calls finish_streaming() at the end, instead of collecting the text.
    engine_based_streaming = True

    def __init__(self, tokenizer: TokenizerLike, tools: list[Tool] | None = None) -> None:
        """
        Raises:
            TokenizerError: the tokenizer lacks a token of the chat format. vLLM makes a parser when the server
                starts, so the server does not start.
        """
        super().__init__(tokenizer, tools)
        self._stop_token_ids = stop_token_ids(self.adapter, tokenizer)
        self._offered = [
            OfferedTool(tool.function.name, tool.function.parameters)
            if isinstance(tool, ChatCompletionToolsParam)
            else OfferedTool(tool.name, tool.parameters)
            for tool in get_function_tools(tools or [])
        ]
        self._parser: Parser | ContinuedParser | None = None
        self._deltas = Deltas()
        self._goes_on = False
        """The last delta of a Responses stream went on with a call that an earlier one has begun."""

    def adjust_request(
        self, request: ChatCompletionRequest | ResponsesRequest
    ) -> ChatCompletionRequest | ResponsesRequest:
        """Adds what a reply with calls needs: visible special tokens, and the family's stop tokens and strings."""
        if request.tools and request.tool_choice is None:
            request.tool_choice = "auto"  # vLLM would answer a whole reply with nothing at all
        if isinstance(request.tool_choice, ToolChoiceAllowed):
            self._hold_to_allowed_tools(request, request.tool_choice)
        request = super().adjust_request(request)
        if request.tools and request.tool_choice != "none":
            request.skip_special_tokens = False
            if hasattr(request, "stop_token_ids"):  # the Responses route's have them since 0.32
                request.stop_token_ids = _union(request.stop_token_ids, self._stop_token_ids)
            if self.adapter.format.stop_strings and not _held_to_calls(request):
                given = [request.stop] if isinstance(request.stop, str) else request.stop
                request.stop = _union(given, self.adapter.format.stop_strings)
        return request

    def _hold_to_allowed_tools(self, request: ResponsesRequest, allowed: ToolChoiceAllowed) -> None:
        """Makes a grammar of the tools that may be called; vLLM takes such a choice, and looks for no calls then."""
        tag = self.get_structural_tag(request) if request.extract_structured_outputs() is None else None
        request.tool_choice = allowed.mode
        if tag is not None:
            request.structured_outputs = StructuredOutputsParams(structural_tag=tag.model_dump_json())

    def get_structural_tag(
        self, request: ChatCompletionRequest | ResponsesRequest, **settings: Any
    ) -> StructuralTag | None:
        """The grammar of the request's calls, if it has one. vLLM itself ends it after one call only since 0.32."""
        tag: StructuralTag | None = super().get_structural_tag(request, **settings)
        if tag is not None and request.parallel_tool_calls is False:
            return limit_to_single_tool_call(tag)
        return tag

    def extract_tool_calls(
        self, model_output: str, request: ChatCompletionRequest
    ) -> ExtractedToolCallInformation:
        """The whole reply at once."""
        if _is_text(request):
            return ExtractedToolCallInformation(tools_called=False, tool_calls=[], content=model_output)
        parser = self._new_parser(request)
        reply = read_reply(parser, model_output)
        self.watch.over(parser)
        calls = [
            ToolCall(function=FunctionCall(name=call.name, arguments=call.arguments)) for call in reply.calls
        ]
        # Of no calls at all vLLM takes the content as the model wrote it, before 0.31 and beside most reasoning parsers.
        called = bool(calls) or reply.content != model_output
        return ExtractedToolCallInformation(
            tools_called=called, tool_calls=calls, content=reply.content or None
        )

    def extract_tool_calls_streaming(
        self,
        previous_text: str,
        current_text: str,
        delta_text: str,
        previous_token_ids: Sequence[int],
        current_token_ids: Sequence[int],
        delta_token_ids: Sequence[int],
        request: ChatCompletionRequest,
    ) -> DeltaMessage | None:
        """The next delta; None while nothing is certain."""
        self._goes_on = False
        if not delta_text:
            return None
        if self._parser is None:
            if _is_text(request):
                return DeltaMessage(content=delta_text)
            self._parser = self._new_parser(request)
        delta = self._deltas.message(self._parser.feed(delta_text))
        if isinstance(request, ResponsesRequest) and delta is not None and delta.tool_calls:
            self._goes_on = delta.tool_calls[0].id is None
        return delta

    def finish_streaming(self) -> DeltaMessage | None:
        """What the end of the reply makes certain; vLLM adds it to the last delta."""
        if self._parser is None:
            return None
        parser, self._parser = self._parser, None
        delta = self._deltas.message(parser.close(), last=True)
        self.watch.over(parser)
        if delta is not None and delta.content and self._goes_on:
            # Added to a delta that goes on with a call, text would make vLLM end the stream with an error.
            _log.warning(
                "%s: text behind a call in the last delta was left out%s",
                self.adapter.name,
                shortened(delta.content),
            )
            delta.content = None
        return delta

    def get_remaining_unstreamed_args(self) -> str:
        """Nothing: finish_streaming() gives what is left."""
        return ""

    def _new_parser(self, request: ChatCompletionRequest | ResponsesRequest) -> Parser | ContinuedParser:
        chosen = current_settings()
        parser = Parser(
            self.format,
            self._offered,
            unknown_tools=chosen.unknown_tools,
            repairs=chosen.repairs,
            coercions=chosen.coercions,
        )
        prefix = _prefix(request)
        return ContinuedParser(parser, prefix) if prefix else parser


class AutoToolParser(ToolParser):
    """The parser of whichever adapter the checkpoint shows the signs of."""

    def __new__(cls, tokenizer: TokenizerLike, tools: list[Tool] | None = None) -> ToolParser:  # type: ignore[misc]
        """
        Raises:
            TokenizerError: no adapter fits, or more than one; the server does not start.
        """
        return tool_parser_class(_adapter_of(tokenizer))(tokenizer, tools)


@lru_cache(maxsize=16)
def _adapter_of(tokenizer: TokenizerLike) -> Adapter:
    def is_token(text: str) -> bool:
        return len(tokenizer.encode(text, add_special_tokens=False)) == 1

    template = getattr(tokenizer, "chat_template", None)
    if isinstance(template, dict):
        template = "\n".join(template.values())
    adapter = choose(ADAPTERS.values(), is_token, template)
    _log.info("auto: this checkpoint is served by the adapter %s (%s)", adapter.name, adapter.models)
    return adapter


@cache
def tool_parser_class(adapter: Adapter) -> type[AdapterToolParser]:
    """The adapter's ToolParser class; its grammar is registered with vLLM."""
    key = f"chat_adapters.{adapter.name}"
    register_vllm_structural_tag(key)(structural_tag_builder(adapter))
    wanted = current_settings().dialects
    # The settings know our own families' dialects: one that only another package has is on if it is safe.
    on = [
        each.name
        for each in adapter.dialects
        if (each.name in wanted if each.name in DIALECTS else each.safe)
    ]
    own = {
        "adapter": adapter,
        "format": adapter.with_dialects(on),
        "watch": Watch(adapter),
        "structural_tag_model": key,
    }
    return type(adapter.name, (AdapterToolParser,), own)


def __getattr__(name: str) -> type[ToolParser]:
    """The class of the adapter of this name."""
    if name == AUTO:
        return AutoToolParser
    try:
        return tool_parser_class(get(name))
    except ChatAdaptersError as error:
        raise AttributeError(str(error)) from None


def _is_text(request: ChatCompletionRequest | ResponsesRequest) -> bool:
    """No call can be in the reply: the request wants none, or an answer in JSON, to which vLLM holds the model."""
    if request.tool_choice == "none":
        return True
    if isinstance(request, ResponsesRequest):
        text = request.text
        return text is not None and text.format is not None and text.format.type.startswith("json")
    return request.response_format is not None and request.response_format.type.startswith("json")


def _prefix(request: ChatCompletionRequest | ResponsesRequest) -> str:
    """What the reply goes on with; a grammar of calls begins anew."""
    if (
        not isinstance(request, ChatCompletionRequest)
        or not request.continue_final_message
        or _held_to_calls(request)
    ):
        return ""
    content = request.messages[-1].get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))


def _held_to_calls(request: ChatCompletionRequest | ResponsesRequest) -> bool:
    """The grammar ends the reply, so that a stop string could only cut a text in the arguments."""
    return request.tool_choice != "auto" and request.structured_outputs is not None


def _union(first: Iterable[_Value] | None, second: Iterable[_Value]) -> list[_Value]:
    return list(dict.fromkeys((*(first or ()), *second)))
