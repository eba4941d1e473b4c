"""Every code block of every page: run as it is printed, or marked with why not. `helpers/pages.py` says how they are found."""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip(
    "markdown_it", reason="markdown-it-py is not installed: pip install 'vllm-chat-adapters[dev]'"
)
pytest.importorskip("transformers", reason="transformers comes with vLLM, which is not installed")

import jinja2
from packaging.requirements import Requirement
from pages import EXAMPLE, PAGES, ROOT, WHY_NOT, Block, blocks, workplace

from chat_adapters.adapters import ADAPTERS

ALL = [block for page in PAGES for block in blocks(page)]
NOT_RUN = Counter({
    ("README.md", "weights"): 1,
    ("docs/authoring.md", "weights"): 1,
    ("docs/doctor.md", "weights"): 1,
    ("docs/guides.md", "weights"): 1,
    ("docs/migration.md", "weights"): 1,
    ("docs/scale-out.md", "cluster"): 1,
})  # fmt: skip
"""The blocks that nothing runs, counted by their page and the reason: every one is here."""
LOADED: dict[str, Callable[[str], object]] = {
    "json": json.loads,
    "toml": tomllib.loads,
    "jinja": jinja2.Environment().parse,
}
RUN = ("python", "sh")


def test_every_block_that_is_not_run_is_listed() -> None:
    assert Counter((block.page, block.mark) for block in ALL if block.mark in WHY_NOT) == NOT_RUN


@pytest.mark.parametrize("block", ALL, ids=str)
def test_every_block_says_what_it_is(block: Block) -> None:
    assert block.language in (*RUN, *LOADED, "text"), "a block is fenced, and says its language"
    if block.mark.endswith(".py"):
        assert (ROOT / block.mark).is_file(), "there is no such test"
        test, page = (ROOT / block.mark).read_text("utf-8"), Path(block.page)
        assert page.name in test or page.parent.name in test, "that test does not know the page"
    elif block.mark == "file":
        assert block.code == (ROOT / block.file).read_text("utf-8"), "the file says something else"
    elif block.mark:
        assert block.mark in WHY_NOT
    elif block.language in LOADED:
        LOADED[block.language](block.code)


def to_run(language: str) -> dict[str, list[Block]]:
    """The blocks of a language that run, by their page."""
    run = [block for block in ALL if block.language == language and not block.mark]
    return {page: [block for block in run if block.page == page] for page in {block.page for block in run}}


PYTHON, SHELL = to_run("python"), to_run("sh")
Done = subprocess.CompletedProcess[str]


def run_in(folder: Path, environment: dict[str, str], *command: str) -> Done:
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.parametrize("page", sorted(PYTHON))
def test_the_programs_of_a_page_run(page: str, tmp_path: Path) -> None:
    """One after another, in one namespace."""
    program = "\n".join(f"# {block}\n{block.code}" for block in PYTHON[page])
    environment = workplace(tmp_path, page, program)
    (tmp_path / "program.py").write_text(program, "utf-8")
    done = run_in(tmp_path, environment, sys.executable, "program.py")
    assert not done.returncode, done.stdout


@pytest.fixture(scope="module")
def shells(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Done, list[list[str]]]]:
    """For each page, how its commands ended, and the words of those that were only noted.

    The shell's part and `chat-adapters` are real; servers, installations and make targets are noted.
    """
    ran = {}
    for page, found in SHELL.items():
        folder = tmp_path_factory.mktemp("page")
        script = "\n".join(f"# {block}\n{block.code}" for block in found)
        environment = workplace(folder, page, script)
        (folder / "script").write_text(script, "utf-8")
        done = run_in(folder, environment, "bash", "-euo", "pipefail", "script")
        calls = (folder / "noted").read_text("utf-8") if (folder / "noted").exists() else ""
        ran[page] = done, [shlex.split(call) for call in calls.splitlines()]
    return ran


@pytest.fixture(scope="module")
def noted(shells: dict[str, tuple[Done, list[list[str]]]]) -> list[list[str]]:
    """What was noted of all pages."""
    return [call for _, calls in shells.values() for call in calls]


@pytest.mark.parametrize("page", sorted(SHELL))
def test_the_commands_of_a_page_run(page: str, shells: dict[str, tuple[Done, list[list[str]]]]) -> None:
    done, _ = shells[page]
    assert not done.returncode, done.stdout


def test_vllm_takes_the_flags_of_the_pages(vllm_installed: None, noted: list[list[str]]) -> None:
    from vllm import plugins
    from vllm.entrypoints.launchers.cli_args import make_arg_parser
    from vllm.tool_parsers import ToolParserManager
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    untyped: Any = plugins
    untyped.load_general_plugins()
    parser: Any = FlexibleArgumentParser
    servers = [
        call
        for call in noted
        if call[0] == "vllm" or call[1:3] == ["-m", "vllm.entrypoints.openai.api_server"]
    ]
    assert servers
    for program, *words in servers:
        assert "" not in words, f"a command gave nothing: {words}"
        given = make_arg_parser(parser()).parse_args(words[1:] if program == "vllm" else words[2:])
        # The example is not installed here; test_thirdparty.py serves it.
        assert given.tool_call_parser in (None, EXAMPLE.name, *ToolParserManager.list_registered())
        if given.tool_call_parser in ADAPTERS:
            assert Path(given.chat_template).is_file()


def test_what_the_pages_install_is_there(noted: list[list[str]]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [
        Requirement(word)
        for name, _, *words in noted
        if name == "pip"
        for word in words
        if word[0] not in "-."
    ]
    ours = [one for one in wanted if one.name == project["name"]]
    assert ours
    for requirement in ours:
        assert requirement.extras <= project["optional-dependencies"].keys()


def test_every_page_is_in_the_site() -> None:
    """And every link of the README leads to a page."""
    listed = set(re.findall(r"\S+\.md", (ROOT / "mkdocs.yml").read_text("utf-8")))
    assert listed == {path.relative_to(ROOT / "docs").as_posix() for path in PAGES if "docs" in path.parts}
    for link in re.findall(r"\]\((?!http)([^)#]+)", (ROOT / "README.md").read_text("utf-8")):
        assert (ROOT / link).is_file(), link


def test_the_site_is_built_and_fetches_nothing(tmp_path: Path) -> None:
    """A link that leads nowhere ends the build. Readers may follow links to other places; their browsers load nothing from there."""
    pytest.importorskip(
        "mkdocstrings", reason="the site's tools are not installed: pip install 'vllm-chat-adapters[docs]'"
    )
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        build, cwd=ROOT, env=quiet, capture_output=True, text=True, check=False, timeout=300
    )
    assert not done.returncode, done.stderr
    sites = [path.read_text("utf-8") for path in tmp_path.rglob("*.html")]
    assert sites
    for site in sites:
        assert not re.findall(r"<(?:script|img|iframe|link)\b[^>]*(?:src|href)=\"?(?:https?:)?//[^>]*", site)
    assert "read_message" in (tmp_path / "reference" / "adapters.html").read_text("utf-8")
