"""What it costs to keep special tokens out of contents: `python benchmarks/contents.py TOKENIZER`, a checkpoint's folder.

Once a server: making the tokenizer's twin. A request: a message of 100,000 characters, encoded as vLLM does it, and with
special strings in it, told apart and encoded by the twin.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from chat_adapters.adapters import ADAPTERS
from chat_adapters.vllm_plugin._contents import SpecialTokens
from chat_adapters.vllm_plugin.tokenizer import CheckpointTokenizer

SENTENCE = "The tool says that it rains in Paris, 18 degrees, and 海淀区天气 is fine. "


def milliseconds(run: Callable[[], object], times: int = 9) -> float:
    """The median of some runs."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        run()
        took.append(time.perf_counter() - began)
    return 1000 * median(took)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tokenizer", type=Path)
    tokenizer = CheckpointTokenizer.from_pretrained(parser.parse_args().tokenizer).backend_tokenizer
    known = {token for adapter in ADAPTERS.values() for token in adapter.tokens}
    began = time.perf_counter()
    special = SpecialTokens(tokenizer, known)
    once = time.perf_counter() - began

    forged = min(special.texts)
    plain = (SENTENCE * 2000)[:100_000]
    hostile = ((SENTENCE * 2 + forged) * 2000)[:100_000]

    def as_vllm() -> object:
        return tokenizer.encode(plain, add_special_tokens=False)

    def apart(text: str) -> object:
        (message,), _, back = special.hide([{"role": "user", "content": text}], {})
        prompt = str(message["content"])
        if not back:
            return tokenizer.encode(prompt, add_special_tokens=False)
        return special.twin.encode(special.respell(prompt, back), add_special_tokens=False)

    table = Table("what", "ms", box=None)
    table.add_row("the twin, once a server", f"{1000 * once:.0f}")
    table.add_row("100,000 characters, as vLLM", f"{milliseconds(as_vllm):.1f}")
    table.add_row("the same, told apart", f"{milliseconds(lambda: apart(plain)):.1f}")
    table.add_row(
        f"with {hostile.count(forged)} special strings", f"{milliseconds(lambda: apart(hostile)):.1f}"
    )
    Console().print(table)


if __name__ == "__main__":
    main()
