"""The code blocks of the documentation: what each is, and the folder in which those of a page run."""

import os
import re
import shlex
import shutil
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from checkpoints import TEMPLATES, tiny
from markdown_it import MarkdownIt
from markdown_it.token import Token

__all__ = ["EXAMPLE", "PAGES", "ROOT", "WHY_NOT", "Block", "blocks", "workplace"]

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")],
    key=lambda path: path.relative_to(ROOT).as_posix(),
)
WHY_NOT = {
    "cluster": "needs several machines",
    "gpu": "needs a graphics card",
    "weights": "needs a trained model, or goes on with its answers",
    "output": "is no program",
}
"""What a comment above a block may say, by which it is not run."""
MARK = re.compile(r"<!--\s*(\S+)(?:\s+(\S+))?\s*-->\s*")
CHECKPOINTS = {
    "CHECKPOINT": "qwen2_5",
    "Qwen/Qwen2.5-7B-Instruct": "qwen2_5",
    "Qwen/Qwen2-7B-Instruct": "qwen2",
    "meta-llama/Llama-3.1-8B-Instruct": "llama3_1",
    "meta-llama/Llama-3.1-70B-Instruct": "llama3_1",
    "THUDM/chatglm3-6b": "chatglm3",
    "internlm/internlm2_5-7b-chat": "internlm2_5",
}
"""What the pages call a checkpoint, by its adapter: a folder of this name, where the blocks run."""
EXAMPLE = ROOT / "docs" / "examples" / "lantern"
OF_THE_EXAMPLE = ("docs/authoring.md", "docs/examples/lantern/README.md")
"""Pages whose blocks run in a copy of it."""
PASSED_ON = {
    "python": f'case "$*" in "-m vllm."*) ;; *) exec {shlex.quote(sys.executable)} "$@";; esac',
    "make": f'exec "{shutil.which("make")}" --dry-run --directory {shlex.quote(str(ROOT))} "$@"',
}
"""What becomes of these commands before they are noted: Python runs, but for vLLM's server; make says what it would do."""
NOTED = ("vllm", "pip", "ray", "docker", *PASSED_ON)
"""Commands that blocks only name: what they are given is noted, for the tests to look at."""


class Block(NamedTuple):
    """One code block of a page."""

    page: str
    line: int
    language: str
    code: str
    mark: str
    """A word of `WHY_NOT`, `file`, or the test that runs it; empty if it is run like all others."""
    file: str
    """Behind the mark `file`: the file that the block shows."""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """Every code block of a page, those without a fence, too."""
    before: Token | None = None
    for token in MarkdownIt().parse(page.read_text("utf-8")):
        if token.type in ("fence", "code_block"):
            assert token.map is not None
            said = MARK.fullmatch(before.content) if before is not None else None
            mark, file = said.groups("") if said else ("", "")
            name = page.relative_to(ROOT).as_posix()
            yield Block(name, token.map[0] + 1, token.info.strip(), token.content, mark, file)
        before = token if token.type == "html_block" else None


def workplace(folder: Path, page: str, wanted: str) -> dict[str, str]:
    """Makes a folder ready for the blocks of a page, and says what they find in the environment.

    It has the checkpoints that are `wanted` by name; for the pages about the example, the example; and commands that
    note how they are called: a line for each call in `noted`, its words quoted.
    """
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    if page in OF_THE_EXAMPLE:
        shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True)
        environment["PYTHONPATH"] = str(as_installed(folder))
    for name, family in CHECKPOINTS.items():
        if name in wanted:
            tiny(folder / name, family, TEMPLATES[family])
    commands = folder / "commands"
    commands.mkdir(parents=True)
    for name in NOTED:
        script = f'#!/bin/bash\n{PASSED_ON.get(name, "")}\nprintf "%q " {name} "$@" >> "{folder}/noted"; echo >> "{folder}/noted"\n'
        (commands / name).write_text(script, "utf-8")
        (commands / name).chmod(0o755)
    path = [str(commands), str(Path(sys.executable).parent), os.environ["PATH"]]
    return {**environment, "PATH": os.pathsep.join(path)}


def as_installed(folder: Path) -> Path:
    """Where Python finds a package and its entry points, as `pip install -e` would have it."""
    project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    info = folder / "src" / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n", "utf-8")
    entries = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in named.items())
        for group, named in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(entries), "utf-8")
    return info.parent
