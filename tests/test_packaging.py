"""What is installed is what is meant to be: an editable install hides what is missing from the wheel."""

import tomllib
from fnmatch import fnmatch
from importlib.metadata import distributions, entry_points
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import Any

from chat_adapters.adapters import ADAPTERS

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ("adapters", "templates", "toolkit", "vllm_plugin")


def config() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def test_every_package_is_listed() -> None:
    on_disk = {
        ".".join(("chat_adapters", *path.parent.relative_to(ROOT).parts))
        for top in SHIPPED
        for path in (ROOT / top).rglob("__init__.py")
    }
    assert set(config()["tool"]["setuptools"]["packages"]) == on_disk


def test_every_data_file_is_shipped() -> None:
    data = config()["tool"]["setuptools"]["package-data"]
    for path in chain.from_iterable((ROOT / top).rglob("*") for top in SHIPPED):
        if path.is_file() and path.suffix not in {".py", ".pyc"}:
            package = next(folder for folder in path.parents if (folder / "__init__.py").is_file())
            name = ".".join(("chat_adapters", *package.relative_to(ROOT).parts))
            patterns = data["*"] + data.get(name, [])
            assert any(fnmatch(str(path.relative_to(package)), pattern) for pattern in patterns), path


def test_only_our_own_name_is_installed() -> None:
    (distribution,) = [d for d in distributions(name="vllm-chat-adapters") if d.read_text("RECORD")]
    assert not {file.parts[0] for file in distribution.files or ()} & {*SHIPPED, "tests", "fixtures"}


def test_vllm_finds_the_plugin() -> None:
    (plugin,) = entry_points(group="vllm.general_plugins", name="chat_adapters")
    assert plugin.value == "chat_adapters.vllm_plugin:register"


def test_the_templates_are_installed() -> None:
    for name in ADAPTERS:
        assert (files("chat_adapters.templates") / f"{name}.jinja").is_file()
