"""What our grammars cost, against vLLM's own for `llama` and `hermes`: the same schemas, tokenizer and run.

    python benchmarks/grammar.py TOOLS.jsonl TOKENIZER [--sets N]

TOOLS.jsonl has one request a line, with `tools` in OpenAI's form and `calls` (name, arguments) that fit them.

- cold: from the request's tools to a compiled grammar, with nothing cached. warm: the same for the next request.
- token: filling the mask and accepting one token of a call, in the engine, between two forward passes.
"""

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import xgrammar
from rich.console import Console
from rich.table import Table
from transformers import AutoTokenizer
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionToolsParam
from vllm.tool_parsers.structural_tag_registry import get_model_structural_tag
from vllm.tool_parsers.tool_strict_level import ToolStrictLevel

from chat_adapters.adapters import ADAPTERS
from chat_adapters.toolkit.writing import write_reply
from chat_adapters.vllm_plugin.tool_parser import tool_parser_class

VLLM_WRITES: dict[str, Callable[[str, str], str]] = {
    "llama": lambda name, arguments: f'{{"name": "{name}", "parameters": {arguments}}}',
    "hermes": lambda name, arguments: (
        f'<tool_call>\n{{"name": "{name}", "arguments": {arguments}}}\n</tool_call>'
    ),
}


def write_ours(name: str) -> Callable[[str, str], str]:
    return lambda called, arguments: write_reply(ADAPTERS[name].format, (called, arguments))


def measure(
    models: dict[str, tuple[str, Callable[[str, str], str]]],
    requests: Iterable[dict[str, Any]],
    tokenizer: Any,
) -> dict[str, dict[str, list[float]]]:
    """Seconds for each model, by what was measured."""
    info = xgrammar.TokenizerInfo.from_huggingface(tokenizer, vocab_size=len(tokenizer))
    mask = xgrammar.allocate_token_bitmask(1, info.vocab_size)
    took: dict[str, dict[str, list[float]]] = {
        label: {"cold": [], "warm": [], "token": []} for label in models
    }
    for request in requests:
        tools = [ChatCompletionToolsParam.model_validate(tool) for tool in request["tools"]]
        name, arguments = (
            request["calls"][0]["name"],
            json.dumps(request["calls"][0]["arguments"], ensure_ascii=False),
        )
        for label, (model, write) in models.items():
            times = took[label]
            compiler = xgrammar.GrammarCompiler(info, max_threads=2)
            for key in ("cold", "warm"):
                began = time.perf_counter()
                tag = get_model_structural_tag(
                    model, tools, "required", reasoning=False, strict_level=ToolStrictLevel.PARAMETER
                )
                assert tag is not None
                grammar = compiler.compile_structural_tag(tag)
                times[key].append(time.perf_counter() - began)
            matcher = xgrammar.GrammarMatcher(grammar)
            for token in tokenizer.encode(write(name, arguments), add_special_tokens=False):
                began = time.perf_counter()
                matcher.fill_next_token_bitmask(mask)
                accepted = matcher.accept_token(token)
                times["token"].append(time.perf_counter() - began)
                if not accepted:  # keys in another order than the schema's, say
                    break
    return took


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tools", type=Path)
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("--sets", type=int, default=60)
    parser.add_argument("--only", nargs="*", default=list(ADAPTERS))
    asked = parser.parse_args()
    requests = [json.loads(line) for line in asked.tools.read_text("utf-8").splitlines()]
    requests = random.Random(0).sample(requests, min(asked.sets, len(requests)))
    models = {model: (model, write) for model, write in VLLM_WRITES.items()}
    for name in asked.only:
        key = tool_parser_class(ADAPTERS[name]).structural_tag_model
        assert key is not None
        models[f"ours: {name}"] = (key, write_ours(name))
    took = measure(models, requests, AutoTokenizer.from_pretrained(asked.tokenizer))

    table = Table(title=f"{len(requests)} sets of tools, tokenizer {asked.tokenizer.name}; times of llama")
    for heading in ("grammar", "cold ms", "warm ms", "token us", "token p99 us"):
        table.add_column(heading, justify="left" if heading == "grammar" else "right")

    def row(label: str) -> list[float]:
        times = took[label]
        token = sorted(times["token"])
        return [
            *(1e3 * statistics.mean(times[key]) for key in ("cold", "warm")),
            1e6 * statistics.mean(token),
            1e6 * token[len(token) * 99 // 100],
        ]

    first = row("llama")
    for label in took:
        cells = [f"{value:.2f} ({value / base:.2f}x)" for value, base in zip(row(label), first, strict=True)]
        table.add_row(label, *cells)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
