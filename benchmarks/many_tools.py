"""What a request with very many tools costs: `python benchmarks/many_tools.py TOKENIZER [--tools 50 200 500]`.

Tools of ten texts each, no two the same, under `required`, in seconds: what the API server does with them (the first
time, and in the agent's next turn) and what the engine does, for ours and for vLLM's own grammar for `llama`.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
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
from chat_adapters.vllm_plugin.tool_parser import tool_parser_class


def tools_of(count: int) -> list[ChatCompletionToolsParam]:
    """That many tools, of which no two are the same."""
    return [
        ChatCompletionToolsParam.model_validate(
            {
                "type": "function",
                "function": {
                    "name": f"tool_{number}",
                    "parameters": {
                        "type": "object",
                        "properties": {f"p{number}_{index}": {"type": "string"} for index in range(10)},
                    },
                },
            }
        )
        for number in range(count)
    ]


def seconds(run: Callable[[], Any]) -> tuple[float, Any]:
    """How long it takes, and what it gives."""
    began = time.perf_counter()
    result = run()
    return time.perf_counter() - began, result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("--tools", type=int, nargs="*", default=[50, 200, 500])
    parser.add_argument("--only", nargs="*", default=list(ADAPTERS))
    asked = parser.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(asked.tokenizer)
    info = xgrammar.TokenizerInfo.from_huggingface(tokenizer, vocab_size=len(tokenizer))
    models: dict[str, Any] = {"llama": "llama"}
    models |= {f"ours: {name}": tool_parser_class(ADAPTERS[name]).structural_tag_model for name in asked.only}

    table = Table("tools", "grammar", "server", "next turn", "engine", box=None)
    for count in asked.tools:
        tools = tools_of(count)
        for label, model in models.items():

            def check(model: str = model, tools: list[ChatCompletionToolsParam] = tools) -> Any:
                """What vLLM does where all other requests wait."""
                tag = get_model_structural_tag(
                    model, tools, "required", reasoning=False, strict_level=ToolStrictLevel.PARAMETER
                )
                assert tag is not None
                xgrammar.Grammar.from_structural_tag(tag)
                return tag

            first, tag = seconds(check)
            again, _ = seconds(check)
            compiler = xgrammar.GrammarCompiler(info, max_threads=2)
            engine, _ = seconds(partial(compiler.compile_structural_tag, tag))
            table.add_row(str(count), label, *(f"{took:.3f}" for took in (first, again, engine)))
    Console().print(table)


if __name__ == "__main__":
    main()
