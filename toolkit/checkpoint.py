"""What is read of a checkpoint: its small files, and its tokenizer. What is broken in them is found, never raised."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..adapters import CheckpointError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["Checkpoint", "Finding", "NoCheckpointError", "locate", "read"]

SMALL_FILES = ("*.json", "*.jinja", "*.model", "*.tiktoken", "merges.txt", "tokenization_*.py")
"""What is taken of a repository of the hub. Code is read, by those who look for a family's signs in it, never run."""
BIG_FILES = ("*.index.json",)


class NoCheckpointError(CheckpointError):
    """There is nothing to read at all."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about a checkpoint, or about the environment, that its owner should know."""

    level: Literal["error", "warning", "note"]
    """With an error it cannot be served; a warning says what will not be as expected; a note needs nothing done."""
    code: str
    """What kind of thing it is, for programs."""
    text: str
    fix: str = ""
    """What to do about it."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint without its weights."""

    name: str
    """What vLLM is given: the folder, or the repository."""
    folder: Path
    config: Mapping[str, object]
    generation: Mapping[str, object] | None
    """Its `generation_config.json`."""
    template: str | None
    """Its own chat template; several stand one below the other."""
    tokenizer: "Tokenizer | None"
    """None if it could not be loaded; the findings say why."""
    end: str | None
    """The token that its tokenizer says ends a text."""
    findings: tuple[Finding, ...]
    """What was wrong with the files."""

    @property
    def family(self) -> object:
        return self.config.get("model_type")

    @property
    def on_hub(self) -> bool:
        return not Path(self.name).exists()

    def is_token(self, text: str) -> bool:
        """Whether the tokenizer writes a text as one token."""
        return len(self.ids(text)) == 1

    def ids(self, text: str) -> list[int]:
        """The tokens of a text, none if there is no tokenizer."""
        return self.tokenizer.encode(text, add_special_tokens=False).ids if self.tokenizer else []


def locate(name: str) -> Path:
    """The folder of a checkpoint; the small files of a repository of the hub are fetched into the hub's own cache.

    Raises:
        NoCheckpointError: there is no such folder that may be read, and no such repository within reach.
    """
    if not name:
        raise NoCheckpointError("the name of the checkpoint is empty: for this folder, it is .")
    folder = Path(name)
    try:
        is_folder, is_there = folder.is_dir(), folder.exists()
    except OSError as error:  # the name is too long, or the way to it is barred
        raise NoCheckpointError(f"{name:.100} cannot be looked at: {error.strerror}") from None
    if is_folder and not os.access(folder, os.R_OK | os.X_OK):
        raise NoCheckpointError(f"{name} cannot be looked at: you may not read this folder")
    if is_folder:
        return folder
    if is_there:
        raise NoCheckpointError(f"{name} is a file: name the folder that it is in")
    if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", name):
        raise NoCheckpointError(f"there is no folder {name}")
    missing = f"there is no folder {name}; if it is a repository of the hub"
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
    except ImportError:
        raise NoCheckpointError(f"{missing}: pip install huggingface_hub, or download it before") from None
    try:
        return Path(
            snapshot_download(name, allow_patterns=list(SMALL_FILES), ignore_patterns=list(BIG_FILES))
        )
    except (HfHubHTTPError, OfflineModeIsEnabled, OSError, ValueError) as error:
        why = " ".join(str(error).split())
        raise NoCheckpointError(f"{missing}, it is not within reach: {why:.300}") from None


def read(name: str, folder: Path) -> Checkpoint:
    """Everything about a checkpoint but its weights.

    Args:
        name: what vLLM is given.
        folder: where its files are.
    """
    found: list[Finding] = []
    config = _object(folder / "config.json", found)
    if config is None and not found:
        found.append(
            Finding(
                "error",
                "no-config",
                f"{folder} is not the folder of a checkpoint: there is no config.json in it",
                "name the folder that has config.json and the tokenizer's files",
            )
        )
    settings = _object(folder / "tokenizer_config.json", found) or {}
    # vLLM passes over one that it cannot read.
    generation = _object(folder / "generation_config.json", found, "warning")
    template = _template(folder, settings, found)
    tokenizer, end = (None, None) if config is None else _tokenizer(folder, settings, found)
    return Checkpoint(name, folder, config or {}, generation, template, tokenizer, end, tuple(found))


def _object(
    path: Path, found: list[Finding], level: Literal["error", "warning"] = "error"
) -> dict[str, object] | None:
    """The JSON object in a file; None if there is no such file, or no object in it, which is a finding."""
    try:
        text = path.read_text("utf-8")
        if text.startswith("version https://git-lfs"):
            raise CheckpointError("it is a pointer of Git LFS; `git lfs pull` fetches the file itself")
        value = json.loads(text)
        if not isinstance(value, dict):
            raise CheckpointError(f"it holds a {type(value).__name__}, not an object")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        found.append(_broken(path, error, level))
        return None
    return value


def _template(folder: Path, settings: Mapping[str, object], found: list[Finding]) -> str | None:
    """As transformers finds it: files go before what tokenizer_config.json says."""
    paths = [folder / "chat_template.jinja", *sorted((folder / "additional_chat_templates").glob("*.jinja"))]
    texts: list[object] = []
    for path in filter(Path.exists, paths):
        try:
            texts.append(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            found.append(_broken(path, error, "error"))
    if not texts:
        given = settings.get("chat_template")
        named = given if isinstance(given, list) else [given] if given is not None else []
        texts = [item.get("template") if isinstance(item, dict) else item for item in named]
    said = [text for text in texts if isinstance(text, str)]
    if len(said) < len(texts):
        wrong = CheckpointError("its chat_template is neither a text nor a list of named ones")
        found.append(_broken(folder / "tokenizer_config.json", wrong, "error"))
    return "\n".join(said) or None


def _tokenizer(
    folder: Path, settings: Mapping[str, object], found: list[Finding]
) -> tuple["Tokenizer | None", str | None]:
    try:
        from ..vllm_plugin.backend import load_backend

        return load_backend(folder, settings)
    except ImportError as error:
        found.append(
            Finding(
                "error",
                "library-missing",
                f"{error.name or error} is not installed, and without it this tokenizer cannot be read",
                "pip install 'vllm-chat-adapters[chatglm3]', or run this beside vLLM",
            )
        )
    except CheckpointError as error:
        found.append(Finding("error", "tokenizer", str(error), _cure(folder)))
    return None, None


def _cure(folder: Path) -> str:
    if (folder / "tokenizer.json").exists():
        return "download the tokenizer again"
    return (
        "give it a tokenizer.json: load it with AutoTokenizer where its code may run, and save it with "
        "save_pretrained; or download the checkpoint again"
    )


def _broken(path: Path, error: Exception, level: Literal["error", "warning"]) -> Finding:
    return Finding(level, "broken-file", f"{path} cannot be read: {error}", "download it again, or mend it")
