"""ChatGLM3's tokenizer, made from the checkpoint's own `tokenizer.model`; none of the checkpoint's code runs.

That code raises on transformers 5. What it does, and this does too (`tokenization_chatglm.py` of THUDM/chatglm3-6b):
pieces are SentencePiece's, then come nine special tokens, in this order; every text between special tokens is encoded
on its own, with the blank that SentencePiece puts before a text.
"""

import json
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors
from transformers import PreTrainedConfig, PreTrainedTokenizerFast
from transformers.convert_slow_tokenizer import SentencePieceExtractor
from transformers.models.auto.tokenization_auto import get_tokenizer_config
from transformers.utils.hub import cached_file

from ..adapters import CheckpointError
from ..adapters.chatglm3 import CHATGLM3

__all__ = ["build_tokenizer", "convert", "is_unconverted", "load_tokenizer"]

TOKENS = (
    *("[MASK]", "[gMASK]", "[sMASK]", "sop", "eop"),
    *("<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"),
)
WORDS = ("sop", "eop")
"""Tokens only where no letter stands beside them, or every `people` would hold one."""
PREFIX = ("[gMASK]", "sop")
NORMAL, USER_DEFINED = 1, 4
"""The types of pieces that SentencePiece finds in a text; bytes, control and unknown it never does."""
BPE = 2
NOT_LINKED = ("*.py", "tokenizer*", "special_tokens_map.json", "added_tokens.json", ".*")
"""What of a checkpoint the tokenizer made here takes the place of, and the code that nothing shall run."""


def is_unconverted(checkpoint: str | Path, **where: Any) -> bool:
    """Whether a checkpoint is a ChatGLM that brings code instead of a `tokenizer.json`.

    Args:
        checkpoint: a folder, or a name of the hub.
        where: what `transformers.utils.cached_file` takes: `revision`, `cache_dir`, `token`.
    """
    config, _ = PreTrainedConfig.get_config_dict(checkpoint, **where)
    return config.get("model_type") == "chatglm" and _file(checkpoint, "tokenizer.json", **where) is None


def load_tokenizer(
    checkpoint: str | Path, *, truncation_side: str = "right", **where: Any
) -> PreTrainedTokenizerFast:
    """The tokenizer of a ChatGLM3 checkpoint.

    Args:
        checkpoint: a folder, or a name of the hub.
        truncation_side: as in transformers.
        where: what `transformers.utils.cached_file` takes: `revision`, `cache_dir`, `token`.

    Raises:
        CheckpointError: there is no `tokenizer.model`, or it is not ChatGLM3's.
    """
    config, _ = PreTrainedConfig.get_config_dict(checkpoint, **where)
    family = config.get("model_type", "chatglm")
    if family != "chatglm":
        raise CheckpointError(f"{checkpoint} is of the family {family!r}, not ChatGLM3: serve it as it is")
    path = _file(checkpoint, "tokenizer.model", **where)
    if path is None:
        raise CheckpointError(
            f"{checkpoint} has no tokenizer.model: download the checkpoint's tokenizer again"
        )
    settings = get_tokenizer_config(checkpoint, **where)
    _refuse_other_generations(
        checkpoint, config, settings, _file(checkpoint, "tokenization_chatglm.py", **where)
    )
    backend = build_tokenizer(Path(path))
    size, rows = backend.get_vocab_size(), config.get("padded_vocab_size", 0)
    if 0 < rows < size:
        raise CheckpointError(
            f"{path} has {size} tokens, config.json has room for {rows}: they do not belong together"
        )
    template = _file(checkpoint, "chat_template.jinja", **where)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=backend,
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="<unk>",
        additional_special_tokens=list(TOKENS),
        padding_side="left",
        truncation_side=truncation_side,
        clean_up_tokenization_spaces=False,
        chat_template=Path(template).read_text("utf-8") if template else settings.get("chat_template"),
        name_or_path=str(checkpoint),
    )


def convert(checkpoint: Path, output: Path) -> None:
    """Write a folder that vLLM serves with no tokenizer flag and no remote code.

    Args:
        checkpoint: the folder of a ChatGLM3 checkpoint; it is left as it is.
        output: the folder to write; the weights and whatever else there is are links into the checkpoint.

    Raises:
        CheckpointError: there is no such checkpoint, it is not ChatGLM3's, or the output is there already.
    """
    if not (checkpoint / "config.json").is_file():
        raise CheckpointError(
            f"{checkpoint} is not the folder of a checkpoint: there is no config.json in it; one of the hub must "
            "be downloaded before"
        )
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise CheckpointError(f"{output} is there already and not an empty folder: name another")
    tokenizer = load_tokenizer(checkpoint)
    config = json.loads((checkpoint / "config.json").read_text("utf-8"))
    config.pop("auto_map", None)

    output.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(output)
    stop = sorted(tokenizer.convert_tokens_to_ids(token) for token in CHATGLM3.stop_tokens)
    _write(output / "config.json", config)
    _write(output / "generation_config.json", {"eos_token_id": stop, "pad_token_id": tokenizer.pad_token_id})
    for path in checkpoint.iterdir():
        skipped = any(map(path.match, NOT_LINKED)) or path.resolve() == output.resolve()
        if not skipped and not (output / path.name).exists():
            (output / path.name).symlink_to(path.resolve())


def _refuse_other_generations(
    checkpoint: str | Path, config: dict[str, Any], settings: dict[str, Any], code: str | None
) -> None:
    """ChatGLM2 has the same pieces and says `chatglm` too. Its code knows no roles; without the code, its name tells."""
    names = [config.get("_name_or_path"), settings.get("name_or_path"), checkpoint]
    if code and "<|observation|>" not in Path(code).read_text("utf-8", errors="replace"):
        raise CheckpointError(
            f"{code} knows no <|observation|>: not ChatGLM3, and no other ChatGLM calls tools"
        )
    for name in names:
        if "chatglm2" in str(name).lower():
            raise CheckpointError(
                f"{checkpoint} is ChatGLM2 ({name}), which knows no roles and calls no tools"
            )


class _NotTheModel(CheckpointError):
    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} is no SentencePiece BPE model with bytes: it is corrupt, or of another family (GLM-4's is "
            "tiktoken's); download it again, or serve GLM-4 with its own tokenizer"
        )


def build_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer that a `tokenizer.model` makes, without a checkpoint around it.

    Raises:
        CheckpointError: it is not the model of a ChatGLM.
    """
    try:
        extractor = SentencePieceExtractor(str(path))
    except DecodeError:
        raise _NotTheModel(path) from None
    proto = extractor.proto
    pieces = {piece.piece for piece in proto.pieces}
    spec = proto.trainer_spec
    # Half a model, or any text, can be read without an error; the description of the training comes last.
    if spec.model_type != BPE or not spec.byte_fallback or len(pieces) != len(proto.pieces):
        raise _NotTheModel(path)
    taken = [token for token in TOKENS if token in pieces]
    if taken:
        raise CheckpointError(f"{path} has pieces {taken}: in ChatGLM3 they follow the pieces")

    parts: dict[str, Any] = extractor.extract(models.BPE)  # type: ignore[assignment]
    found = {piece.piece for piece in proto.pieces if piece.type in (NORMAL, USER_DEFINED)}
    merges = [pair for pair in parts["merges"] if found.issuperset((*pair, "".join(pair)))]
    tokenizer = Tokenizer(
        models.BPE(parts["vocab"], merges, unk_token=spec.unk_piece, fuse_unk=True, byte_fallback=True)
    )
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=False, single_word=token in WORDS) for token in TOKENS]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single=[*PREFIX, "$A"], special_tokens=[(token, tokenizer.token_to_id(token)) for token in PREFIX]
    )
    return tokenizer


def _file(checkpoint: str | Path, name: str, **where: Any) -> str | None:
    found: str | None = cached_file(
        checkpoint,
        name,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_gated_repo=False,
        _raise_exceptions_for_connection_errors=False,
        **where,
    )
    return found


def _write(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
