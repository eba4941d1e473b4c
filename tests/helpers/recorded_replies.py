"""Replies that other projects have recorded, where they lie beside the checkout."""

import json
from pathlib import Path
from typing import Any

__all__ = ["READERS", "adapters_of", "rows"]

READ_BY = {
    "llama": ("llama3_1",),
    "qwen2-native": ("qwen2",),
    "qwen2": ("qwen2", "qwen2_5"),
    "hermes": ("qwen2", "qwen2_5"),
    "internlm2.5": ("internlm2_5",),
    "chatglm3": ("chatglm3",),
}
"""Which adapters read the replies of a model, by how its name begins: the first that fits."""
READERS = sorted({name for names in READ_BY.values() for name in names})
"""Those of which there are recorded replies."""


def adapters_of(model: str) -> tuple[str, ...]:
    return next((names for start, names in READ_BY.items() if model.startswith(start)), ())


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
