"""The tokenizer of `--tokenizer-mode chat_adapters`."""

from pathlib import Path
from typing import Any

from ._vllm import CachedHfTokenizer, HfTokenizer, get_cached_tokenizer
from .chatglm3 import is_unconverted, load_tokenizer

__all__ = ["CheckpointTokenizer"]


class CheckpointTokenizer:
    """The checkpoint's own tokenizer; for ChatGLM3, whose own needs remote code, one made of its `tokenizer.model`."""

    @classmethod
    def from_pretrained(
        cls,
        checkpoint: str | Path,
        *args: Any,
        revision: str | None = None,
        download_dir: str | None = None,
        **kwargs: Any,
    ) -> HfTokenizer:
        """
        Raises:
            CheckpointError: it is a ChatGLM without `tokenizer.json`, and not ChatGLM3.
        """
        where = {"revision": revision, "cache_dir": download_dir, "token": kwargs.get("token")}
        if is_unconverted(checkpoint, **where):
            side = kwargs.get("truncation_side", "right")
            return get_cached_tokenizer(load_tokenizer(checkpoint, truncation_side=side, **where))
        return CachedHfTokenizer.from_pretrained(
            checkpoint, *args, revision=revision, download_dir=download_dir, **kwargs
        )
