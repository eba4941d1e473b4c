"""What whoever works here relies on: the map of the tree, the changelog, and hooks that fetch nothing."""

import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAPPED = ("adapters", "toolkit", "vllm_plugin", "tests/helpers")


def test_the_map_has_every_module_and_nothing_else() -> None:
    """A name with a star stands for several."""
    text = (ROOT / "AGENTS.md").read_text("utf-8")
    names = set(re.findall(r"`([\w*]+(?:\.py)?)`", text))
    modules = {path.name for folder in MAPPED for path in (ROOT / folder).glob("*.py")}
    assert [name for name in sorted(modules) if not any(fnmatch(name, known) for known in names)] == []
    everywhere = {
        path.name for folder in ("benchmarks", "tests", *MAPPED) for path in (ROOT / folder).rglob("*.py")
    }
    assert {name for name in names if name.endswith(".py") and "*" not in name} <= everywhere | {"NAME.py"}


def test_the_map_has_every_folder() -> None:
    text = (ROOT / "AGENTS.md").read_text("utf-8")
    config = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]
    packages = {name.split(".")[1] for name in config["setuptools"]["packages"]}
    for folder in (
        *packages,
        "benchmarks",
        "docs",
        "fixtures",
        "tests/clients",
        "tests/guides",
        "tests/helpers",
        "tests/serving",
    ):
        assert f"`{folder}/" in text


def test_the_changelog_begins_with_the_version_and_says_when() -> None:
    """A version that is out has its day, one that is not says so; the newest stands first, each once."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    said = [
        re.fullmatch(r"\[(\d+\.\d+\.\d+)\] - (unreleased|\d{4}-\d\d-\d\d)", heading) for heading in headings
    ]
    assert None not in said
    versions = [match[1] for match in said if match]
    assert versions[0] == version
    assert versions == sorted(set(versions), key=lambda one: [*map(int, one.split("."))], reverse=True)


def test_the_changelog_sorts_its_lines_by_kind() -> None:
    kinds = re.findall(r"^### (.*)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert kinds
    assert set(kinds) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_hooks_are_commands_of_the_environment() -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML comes with the site's tools, which are not installed")
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"]
    assert repository["repo"] == "local"
    assert {hook["language"] for hook in repository["hooks"]} == {"system"}
    assert {"ruff", "mypy"} <= {hook["entry"].split()[0] for hook in repository["hooks"]}
