"""A small vocabulary, and what xgrammar admits of it: single characters, and pieces across the seams of JSON as real
vocabularies have them."""

import json
from collections.abc import Mapping
from functools import cache
from random import Random
from typing import Any

import pytest

from chat_adapters.adapters import Format, JsonCall, Tool, structural_tag

__all__ = ["CHARACTERS", "FREE", "STOP", "TAGGED", "admits", "arguments_grammar", "compiled", "walk"]

Json = Any

FREE = {"type": "object", "additionalProperties": True}
TAGGED = Format(call=JsonCall(open="<call>\n", close="\n</call>"), separator="\n")

STOP = "<stop>"
PIECES = [
    '": ',
    '", ',
    '": "',
    '"}',
    '{"',
    " {",
    "[]",
    "{}",
    "\\n",
    '\\"',
    "\\u00",
    "12",
    ".5",
    "e-",
    "nul",
    "true",
    "}\n",
]
PIECES += [f'"{word}' for word in ("a", "name", "key", " ")] + [
    "<call>\n",
    "</call>",
    "  ",
    "\n\n",
    "ab",
    "2024-01-",
]
CHARACTERS = [*map(chr, range(0x20, 0x7F)), "\n", "\t", "\x01", "\u00e9", "\u4e2d", "\u540d", "\U0001f600"]
VOCABULARY = [*PIECES, *CHARACTERS, STOP]


@cache
def compiler() -> Any:
    xgr = pytest.importorskip("xgrammar", reason="xgrammar is not installed; it comes with vLLM")
    info = xgr.TokenizerInfo(
        [word.encode() for word in VOCABULARY], xgr.VocabType.RAW, stop_token_ids=[VOCABULARY.index(STOP)]
    )
    return xgr.GrammarCompiler(info, max_threads=1)


def compiled(tag: Mapping[str, Json]) -> Any:
    return compiler().compile_structural_tag(json.dumps(tag))


def admits(grammar: Any, text: str) -> bool:
    """Whether the grammar lets a model write this and stop."""
    import xgrammar

    matcher = xgrammar.GrammarMatcher(grammar)
    return all(matcher.accept_token(VOCABULARY.index(char)) for char in (*text, STOP))


def walk(grammar: Any, random: Random, limit: int = 300) -> str | None:
    """A text that the grammar admits, None if it did not end; like a model, it tends to close what is open."""
    import xgrammar

    matcher = xgrammar.GrammarMatcher(grammar)
    mask = xgrammar.allocate_token_bitmask(1, len(VOCABULARY))
    text = ""
    for length in range(limit):
        matcher.fill_next_token_bitmask(mask)
        bits = mask[0].tolist()
        open_ = [word for index, word in enumerate(VOCABULARY) if bits[index // 32] >> index % 32 & 1]
        assert open_, f"nothing may follow {text!r}"
        if STOP in open_ and random.random() < 0.5:
            return text
        closing = [word for word in open_ if word.strip()[:1] in ('"', "}", "]")]
        word = random.choice(closing if closing and random.random() < max(0.4, length / 100) else open_)
        if word == STOP:
            return text
        assert matcher.accept_token(VOCABULARY.index(word))
        text += word
    return None


def arguments_grammar(parameters: Json) -> Any:
    """The grammar of the arguments alone."""
    tag: Json = structural_tag(TAGGED, [Tool("f", parameters)], "forced")
    return compiled({"type": "structural_tag", "format": tag["format"]["tags"][0]["content"]})
