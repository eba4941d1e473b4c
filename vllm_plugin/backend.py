"""A checkpoint's tokenizer as vLLM has it, for those who only want to look: with a `tokenizer.json`, without transformers."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer

from ..adapters import CheckpointError

__all__ = ["load_backend"]

_NAMED = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")
_TRIAL = "a\U00012000"
"""A word of no vocabulary: a model of words that has no token for the unknown fails at it."""
_WRONG_CLASS = "internlm2"
"""The family whose tokenizers vLLM takes for plain fast ones, whatever class and code they name."""


def load_backend(checkpoint: Path, settings: Mapping[str, object]) -> tuple[Tokenizer, str | None]:
    """The tokenizer, and the token that it says ends a text.

    Args:
        checkpoint: a folder with a `config.json` that can be read.
        settings: its `tokenizer_config.json`.

    Raises:
        CheckpointError: it cannot be loaded, or not without running code of the checkpoint.
        ImportError: there is no `tokenizer.json`, and what makes one is not installed.
    """
    file = checkpoint / "tokenizer.json"
    try:
        tokenizer, end = _read(file, settings) if file.exists() else _make(checkpoint)
        ids = tokenizer.encode(_TRIAL, add_special_tokens=False).ids
    except (CheckpointError, ImportError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - its panics are no Exception
        why = " ".join(str(error).split())
        raise CheckpointError(f"the tokenizer in {checkpoint} cannot be used: {why:.300}") from None
    if not ids:
        # transformers makes a tokenizer of no words when it finds no file at all, and vLLM serves it.
        raise CheckpointError(
            f"there is no vocabulary in {checkpoint}: no tokenizer.json, and nothing to make one of"
        )
    return tokenizer, end


def _read(path: Path, settings: Mapping[str, object]) -> tuple[Tokenizer, str | None]:
    tokenizer = Tokenizer.from_file(str(path))
    # The file may ask for both; vLLM asks for neither.
    tokenizer.no_padding()
    tokenizer.no_truncation()
    known = {token.content for token in tokenizer.get_added_tokens_decoder().values()}
    declared = [text for text in _declared(settings) if text not in known]
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in declared])
    return tokenizer, _text(settings.get("eos_token"))


def _make(checkpoint: Path) -> tuple[Tokenizer, str | None]:
    from transformers import AutoTokenizer, PreTrainedConfig
    from transformers.tokenization_utils_tokenizers import TokenizersBackend

    from .chatglm3 import is_unconverted, load_tokenizer

    tokenizer: Any
    if is_unconverted(checkpoint):
        tokenizer = load_tokenizer(checkpoint)
    elif PreTrainedConfig.get_config_dict(checkpoint)[0].get("model_type") == _WRONG_CLASS:
        tokenizer = TokenizersBackend.from_pretrained(checkpoint)
    else:
        tokenizer = AutoTokenizer.from_pretrained(checkpoint, trust_remote_code=False)
    return tokenizer.backend_tokenizer, tokenizer.eos_token


def _declared(settings: Mapping[str, object]) -> Iterator[str]:
    """Tokens that the settings name: transformers adds those that the tokenizer does not have."""
    extra = settings.get("extra_special_tokens") or settings.get("additional_special_tokens")
    named = [settings.get(f"{name}_token") for name in _NAMED]
    for several in (settings.get("added_tokens_decoder"), extra, named):
        tokens = several.values() if isinstance(several, dict) else several
        yield from filter(None, map(_text, tokens if isinstance(tokens, Iterable) else ()))


def _text(token: object) -> str | None:
    text = token.get("content") if isinstance(token, dict) else token
    return text if isinstance(text, str) else None
