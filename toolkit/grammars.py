"""Grammars in use: which replies one admits, and replies that it admits. Needs xgrammar, which vLLM brings."""

import random
from collections.abc import Iterator, Mapping
from functools import cache

import numpy
import xgrammar

from ..adapters import Adapter, Choice, Tool, structural_tag

__all__ = ["STOP", "admits", "allowed", "compile_ebnf", "compile_grammar", "compile_tag", "walk"]

# One token a byte, and one to stop: what the grammar admits then depends on no vocabulary.
STOP = 256
_VOCABULARY = xgrammar.TokenizerInfo(
    [bytes([byte]) for byte in range(256)] + [b"</s>"], stop_token_ids=[STOP]
)
_CLOSERS = b'"}]'


@cache
def _compiler() -> xgrammar.GrammarCompiler:
    return xgrammar.GrammarCompiler(_VOCABULARY)


def compile_grammar(
    adapter: Adapter, tools: Mapping[str, object], choice: Choice
) -> xgrammar.CompiledGrammar:
    """The grammar of a request that offers these tools, names and parameters.

    Raises:
        SchemaError, ToolNameError: no grammar can be made of a tool.
    """
    offered = [Tool(name, parameters) for name, parameters in tools.items()]  # type: ignore[arg-type]
    return compile_tag(structural_tag(adapter.format, offered, choice))


def compile_tag(tag: Mapping[str, object]) -> xgrammar.CompiledGrammar:
    """The grammar of a structural tag."""
    return _compiler().compile_structural_tag(xgrammar.StructuralTag.model_validate(tag))


def compile_ebnf(grammar: str) -> xgrammar.CompiledGrammar:
    """A grammar in xgrammar's own notation."""
    return _compiler().compile_grammar(xgrammar.Grammar.from_ebnf(grammar))


def admits(grammar: xgrammar.CompiledGrammar, reply: str) -> bool:
    """Whether a model held to the grammar can write this reply and stop."""
    matcher = xgrammar.GrammarMatcher(grammar)
    return matcher.accept_string(reply) and matcher.accept_token(STOP)


def walk(grammar: xgrammar.CompiledGrammar, seed: int, limit: int = 4000, closers: bytes = _CLOSERS) -> str:
    """A random reply that the grammar admits; what is open is closed more readily the longer it gets.

    Raises:
        AssertionError: the grammar lets a reply go on for longer than the limit.
    """
    chance = random.Random(seed)
    matcher = xgrammar.GrammarMatcher(grammar)
    written = bytearray()
    while len(written) < limit:
        open_ = list(allowed(matcher))
        if STOP in open_ and (len(open_) == 1 or chance.random() < 0.5):
            return written.decode(errors="replace")  # as a server does with bytes that are no character
        open_ = [token for token in open_ if token != STOP]
        closing = [token for token in open_ if token in closers]
        token = chance.choice(closing if closing and chance.random() < 0.3 else open_)
        assert matcher.accept_token(token)
        written.append(token)
    raise AssertionError(f"the grammar lets a reply go on: {written[-200:]!r}")


def allowed(matcher: xgrammar.GrammarMatcher) -> Iterator[int]:
    """The tokens that may come next."""
    mask = numpy.full((1, -(-_VOCABULARY.vocab_size // 32)), -1, dtype=numpy.int32)
    matcher.fill_next_token_bitmask(mask)
    bits = numpy.unpackbits(mask.view(numpy.uint8), bitorder="little")[: _VOCABULARY.vocab_size]
    yield from numpy.flatnonzero(bits).tolist()
