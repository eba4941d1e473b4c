"""The three sides of the triangle: template, parser, grammar. For tests; needs transformers and xgrammar."""

import random
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import torch
import xgrammar
from transformers.utils.chat_template_utils import render_jinja_template

from chat_adapters.adapters import Adapter, Tool, structural_tag
from chat_adapters.adapters._grammar import Choice


class Subject(NamedTuple):
    """An adapter and its chat template."""

    adapter: Adapter
    template: str


def turn(
    subject: Subject, tools: Mapping[str, object], content: str, calls: Sequence[tuple[str, Any]]
) -> str:
    """What the template writes for an assistant turn: the reply that the model would have written."""
    user: dict[str, Any] = {"role": "user", "content": "?"}
    written = [
        {"id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for index, (name, arguments) in enumerate(calls)
    ]
    assistant: dict[str, Any] = {"role": "assistant", "content": content, "tool_calls": written}
    prompt = render(subject, tools, [user], add_generation_prompt=True)
    whole = render(subject, tools, [user, assistant])
    assert whole.startswith(prompt)
    reply = whole.removeprefix(prompt).removesuffix("\n")
    for token in subject.adapter.stop_tokens:
        reply = reply.removesuffix(token)
    return reply


def render(
    subject: Subject, tools: Mapping[str, object], messages: Sequence[dict[str, Any]], **settings: Any
) -> str:
    """A conversation through transformers' own renderer."""
    offered: list[Any] = [
        {"type": "function", "function": {"name": name, "parameters": parameters}}
        for name, parameters in tools.items()
    ]
    rendered: Any = render_jinja_template(
        [list(messages)], tools=offered, chat_template=subject.template, **settings
    )
    prompt = rendered[0][0]
    assert isinstance(prompt, str)
    return prompt


# One token a byte, and one to stop: what the grammar admits then depends on no vocabulary.
_STOP = 256
_VOCABULARY = xgrammar.TokenizerInfo(
    [bytes([byte]) for byte in range(256)] + [b"</s>"], stop_token_ids=[_STOP]
)
_CLOSERS = b'"}]'


@cache
def _compiler() -> xgrammar.GrammarCompiler:
    return xgrammar.GrammarCompiler(_VOCABULARY)


def compile_grammar(adapter: Adapter, tools: Mapping[str, Any], choice: Choice) -> xgrammar.CompiledGrammar:
    offered = [Tool(name, parameters) for name, parameters in tools.items()]
    tag = structural_tag(adapter.format, offered, choice)
    return _compiler().compile_structural_tag(xgrammar.StructuralTag.model_validate(tag))


def compile_ebnf(grammar: str) -> xgrammar.CompiledGrammar:
    return _compiler().compile_grammar(xgrammar.Grammar.from_ebnf(grammar))


def admits(grammar: xgrammar.CompiledGrammar, reply: str) -> bool:
    """Whether a model held to the grammar can write this reply and stop."""
    matcher = xgrammar.GrammarMatcher(grammar)
    return matcher.accept_string(reply) and matcher.accept_token(_STOP)


def walk(grammar: xgrammar.CompiledGrammar, seed: int, limit: int = 4000, closers: bytes = _CLOSERS) -> str:
    """A random reply that the grammar admits; what is open is closed more readily the longer it gets."""
    chance = random.Random(seed)
    matcher = xgrammar.GrammarMatcher(grammar)
    mask = xgrammar.allocate_token_bitmask(1, _VOCABULARY.vocab_size)
    written = bytearray()
    bits = torch.arange(32)
    while len(written) < limit:
        matcher.fill_next_token_bitmask(mask)
        allowed = (
            torch.nonzero(((mask[0].view(-1, 1) >> bits) & 1).flatten()[: _VOCABULARY.vocab_size])
            .flatten()
            .tolist()
        )
        if _STOP in allowed and (len(allowed) == 1 or chance.random() < 0.5):
            return written.decode(errors="replace")  # as a server does with bytes that are no character
        allowed = [token for token in allowed if token != _STOP]
        closing = [token for token in allowed if token in closers]
        token = chance.choice(closing if closing and chance.random() < 0.3 else allowed)
        assert matcher.accept_token(token)
        written.append(token)
    raise AssertionError(f"the grammar lets a reply go on: {written[-200:]!r}")
