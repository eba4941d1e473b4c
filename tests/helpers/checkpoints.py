"""Tiny checkpoints with a chat template of their own, and what `chat-adapters doctor` says of one."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from official import CHATGLM3, INTERNLM2, LLAMA3, QWEN2, QWEN2_5, R1_DISTILL
from real_tokenizers import real_tokenizer
from tiny import FAMILIES, write_json, write_tiny_checkpoint
from tokenizers import Tokenizer

from chat_adapters.adapters import get, template_path
from chat_adapters.toolkit.checkpoint import read
from chat_adapters.toolkit.doctor import Diagnosis, examine
from chat_adapters.vllm_plugin import MODE

__all__ = [
    "SHARED",
    "TEMPLATES",
    "all_flags",
    "change",
    "codes",
    "look",
    "real",
    "run",
    "tiny",
    "usual_flags",
]

TEMPLATES = {
    "llama3_1": LLAMA3,
    "qwen2": QWEN2,
    "qwen2_5": QWEN2_5,
    "internlm2_5": INTERNLM2,
    "chatglm3": CHATGLM3,
    "r1_distill": R1_DISTILL,
}
SHARED = ("llama3_1", "qwen2", "internlm2_5", "chatglm3", "r1_distill")
"""Families whose real tokenizer tells them: Qwen2.5's is not among those at hand."""


def tiny(
    folder: Path,
    family: str,
    template: str | None = None,
    config: Mapping[str, object] | None = None,
    settings: Mapping[str, object] | None = None,
) -> Path:
    """A family's tiny checkpoint, with a template, and more in its configuration and its tokenizer's."""
    write_tiny_checkpoint(folder, FAMILIES[family])
    (folder / "model.safetensors").touch()
    if family == "qwen2":
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.add_tokens(["✿"])  # as in the real vocabulary
        tokenizer.save(str(folder / "tokenizer.json"))
    change(folder / "config.json", config or {})
    change(folder / "tokenizer_config.json", {"chat_template": template, **(settings or {})})
    return folder


def real(folder: Path, shared: Path, family: str, template: str, config: Mapping[str, object]) -> Path:
    """A checkpoint around a real tokenizer."""
    shutil.copytree(real_tokenizer(family, shared, folder.with_name("made")), folder)
    write_json(folder / "config.json", {**FAMILIES[family].config, **config})
    (folder / "chat_template.jinja").write_text(template, "utf-8")
    (folder / "model.safetensors").touch()
    return folder


def change(path: Path, more: Mapping[str, object]) -> None:
    write_json(path, {**json.loads(path.read_text("utf-8")), **more})


def look(folder: Path, named: str | None = None) -> Diagnosis:
    return examine(read(str(folder), folder), get(named) if named else None)


def codes(diagnosis: Diagnosis, level: str) -> set[str]:
    return {finding.code for finding in diagnosis.findings if finding.level == level}


def all_flags(diagnosis: Diagnosis) -> list[str]:
    return [part for flag in diagnosis.flags for part in flag]


def usual_flags(name: str) -> list[str]:
    return [
        *("--tokenizer-mode", MODE, "--enable-auto-tool-choice", "--tool-call-parser", name),
        *("--chat-template", str(template_path(get(name)))),
    ]


def run(*arguments: str, first: str = "pass", **environment: str) -> subprocess.CompletedProcess[str]:
    """The command `chat-adapters`; `first` is what Python does before."""
    program = f"import sys; {first}; from chat_adapters.toolkit import main; main()"
    command = [sys.executable, "-c", program, *arguments]
    settings = {**os.environ, "HF_HUB_OFFLINE": "1", **environment}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=settings)
