"""The renderer of `--tokenizer-mode chat_adapters`: what a request says cannot become a special token.

The models' own encoders tokenise contents with special tokens off. vLLM renders a template and tokenises the whole, so
that `<|im_end|>` in a tool's result ends the turn. Here it stays the text it is; a request without such strings gives
exactly vLLM's own ids, without what vLLM puts before a prompt of the Responses route that begins with it already.
"""

import logging
from dataclasses import replace
from typing import Any, cast

from transformers import PreTrainedTokenizerFast

from ..adapters import ADAPTERS, TokenizerError
from ._contents import SpecialTokens, Table
from ._vllm import (
    ChatCompletionMessageParam,
    ChatParams,
    ConversationMessage,
    DictPrompt,
    HfRenderer,
    HfTokenizer,
    TextPrompt,
    TokenizeParams,
    TokensPrompt,
    VllmConfig,
    make_async,
    parse_chat_messages,
    resolve_chat_template_content_format,
    safe_apply_chat_template,
)

__all__ = ["ContentRenderer"]

_log = logging.getLogger("vllm.chat_adapters")
_BACK = "_chat_adapters_back"
"""A key of the prompt, from rendering to tokenising: what turns the characters that stand in for others back."""


class ContentRenderer(HfRenderer):
    """vLLM's renderer, with contents tokenised as ordinary text."""

    def __init__(self, config: VllmConfig, tokenizer: HfTokenizer | None) -> None:
        """
        Raises:
            TokenizerError: the tokenizer is not of the Rust kind.
        """
        super().__init__(config, tokenizer)
        model = config.model_config
        self._special: SpecialTokens | None = None
        if model.is_multimodal_model or model.enable_prompt_embeds:
            _log.warning(
                "chat_adapters: this model takes more than text: contents are tokenised as vLLM does it, "
                "and can hold special tokens"
            )
        elif tokenizer is not None:
            if not isinstance(tokenizer, PreTrainedTokenizerFast):
                raise TokenizerError(
                    f"--tokenizer-mode chat_adapters needs a fast tokenizer, not {type(tokenizer).__name__}: "
                    "give the checkpoint a tokenizer.json"
                )
            known = {token for adapter in ADAPTERS.values() for token in adapter.tokens}
            self._special = SpecialTokens(tokenizer.backend_tokenizer, known)
            self._begin = "".join(tokenizer.convert_ids_to_tokens(tokenizer.encode("")))
        self._render_async = make_async(self._render, executor=self._executor)

    def render_messages(
        self, messages: list[ChatCompletionMessageParam], params: ChatParams
    ) -> tuple[list[ConversationMessage], DictPrompt]:
        """The conversation as the request has it, and the prompt."""
        if self._special is None:
            return super().render_messages(messages, params)
        conversation = self._parse(messages, params)
        return conversation, self._render(conversation, params)

    async def render_messages_async(
        self, messages: list[ChatCompletionMessageParam], params: ChatParams
    ) -> tuple[list[ConversationMessage], DictPrompt]:
        """The same."""
        if self._special is None:
            return await super().render_messages_async(messages, params)
        conversation = self._parse(messages, params)
        rendering = self._render_async(conversation, params)
        within_limit = getattr(self, "_render_with_timeout", None)  # since 0.32
        return conversation, await (within_limit(rendering) if within_limit else rendering)

    def _parse(
        self, messages: list[ChatCompletionMessageParam], params: ChatParams
    ) -> list[ConversationMessage]:
        content_format = resolve_chat_template_content_format(
            chat_template=params.chat_template,
            tools=params.chat_template_kwargs.get("tools"),
            given_format=params.chat_template_content_format,
            tokenizer=self.get_tokenizer(),
            model_config=self.model_config,
        )
        conversation, _, _ = parse_chat_messages(messages, self.model_config, content_format)
        return conversation

    def _render(self, conversation: list[ConversationMessage], params: ChatParams) -> DictPrompt:
        assert self._special
        settings = params.get_apply_chat_template_kwargs()
        template = settings.pop("chat_template", None)
        conversation, settings, back = self._special.hide(conversation, settings)
        prompt = safe_apply_chat_template(
            self.model_config,
            self.get_tokenizer(),
            conversation,
            chat_template=template,
            **{**settings, "tokenize": False},
        )
        return cast(DictPrompt, {"prompt": prompt, _BACK: back})

    def _tokenize_prompt(self, prompt: TextPrompt, params: TokenizeParams) -> TokensPrompt:
        rest = cast(dict[str, Any], prompt)
        back: Table | None = rest.pop(_BACK, None)
        if back is not None and self._begin and prompt["prompt"].startswith(self._begin):
            # The template has written what the tokenizer would put before it: vLLM's Responses route asks for both.
            params = replace(params, add_special_tokens=False)
        if not back or self._special is None:
            return super()._tokenize_prompt(prompt, params)
        limits = params.get_encode_kwargs()
        # In the steps that the Rust tokenizer takes: its settings are shared by all threads, so none is changed here.
        twin, with_special = self._special.twin, limits["add_special_tokens"]
        encoding = twin.encode(self._special.respell(prompt["prompt"], back), add_special_tokens=False)
        if limits["truncation"]:
            room = limits["max_length"] - (twin.num_special_tokens_to_add(False) if with_special else 0)
            encoding.truncate(max(room, 0), direction=self.get_tokenizer().truncation_side)
        if with_special:
            encoding = twin.post_process(encoding)
        prompt["prompt"] = prompt["prompt"].translate(back)
        offsets = encoding.offsets if self._wants_offsets(prompt, params) else None
        return self._build_tokens_prompt(encoding.ids, prompt, offset_mapping=offsets)
