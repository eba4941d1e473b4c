"""Adapters that other installed packages bring: known by name, loaded when asked for, and never in each other's way."""

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat_adapters.adapters import ADAPTERS, AdapterLoadError, Registry
from chat_adapters.adapters.qwen2 import QWEN2

MODULE = """\
from chat_adapters.adapters import Adapter, Format, JsonCall

MINE = Adapter(
    name="mine", models="none", format=Format(call=JsonCall()), turn_tokens=(), stop_tokens=("</s>",)
)
"""


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where `install` puts what is to be seen as installed."""
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("brings_")]:
        del sys.modules[name]


def install(packages: Path, distribution: str, adapter: str, value: str, module: str = MODULE) -> None:
    """A package with one module and one adapter, as pip leaves it."""
    info = packages / (distribution.replace("-", "_") + "-1.5.dist-info")
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.5\n")
    (info / "entry_points.txt").write_text(f"[chat_adapters.adapters]\n{adapter} = {value}\n")
    (packages / f"{value.partition(':')[0]}.py").write_text(module)


def test_a_name_is_known_before_its_package_is_loaded(packages: Path) -> None:
    install(packages, "brings-one", "mine", "brings_one:MINE")
    registry = Registry([QWEN2])
    assert list(registry) == ["qwen2", "mine"]
    assert len(registry) == 2
    assert "mine" in registry
    assert "yours" not in registry
    assert registry["qwen2"] is QWEN2
    assert "brings_one" not in sys.modules
    assert registry["mine"] is sys.modules["brings_one"].MINE
    assert [adapter.name for adapter in registry.values()] == ["qwen2", "mine"]
    with pytest.raises(KeyError):
        registry["yours"]
    assert [registry.distribution(name) for name in ("mine", "qwen2", "yours")] == ["brings-one", None, None]


@pytest.mark.parametrize(
    ("value", "module", "why"),
    [
        ("brings_bad:MINE", "raise RuntimeError('not today')", "RuntimeError: not today"),
        ("brings_bad:MINE", "import nothing_of_this_name", "ModuleNotFoundError: No module named 'nothing"),
        ("brings_bad:YOURS", MODULE, "AttributeError: .*'YOURS'"),
        ("brings_bad", MODULE, "it is of type module, not an Adapter"),
        (
            "brings_bad:MINE",
            MODULE.replace("JsonCall())", 'JsonCall(), stop_token="<end>")'),
            "FormatError: mine: '<end>' is not among the stop tokens",
        ),
        ("brings_bad:MINE", MODULE.replace('"mine"', '"other"'), "its own name is 'other'"),
        ("brings_bad:MINE", MODULE.replace('("</s>",)', "()"), "FormatError: mine: a reply needs at least"),
    ],
)
def test_one_that_cannot_be_used_says_so_and_stops_no_other(
    packages: Path, caplog: pytest.LogCaptureFixture, value: str, module: str, why: str
) -> None:
    install(packages, "brings-bad", "mine", value, module)
    install(packages, "brings-good", "good", "brings_good:MINE", MODULE.replace('"mine"', '"good"'))
    registry = Registry([QWEN2])
    said = rf"^the adapter 'mine' \({value}\) of brings-bad 1\.5 cannot be used: {why}"
    for _ in range(2):
        assert [adapter.name for adapter in registry.values()] == ["qwen2", "good"]
        assert dict(registry.items()).keys() == {"qwen2", "good"}
        with pytest.raises(AdapterLoadError, match=said):
            registry["mine"]
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "brings-bad 1.5 cannot be used" in caplog.text


@pytest.mark.parametrize("name", ["qwen2", "auto"])
def test_a_name_of_ours_is_not_given_away(
    packages: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    install(packages, "brings-taken", name, "brings_taken:MINE")
    registry = Registry([QWEN2])
    assert dict(registry) == {"qwen2": QWEN2}
    assert f"the adapter '{name}' (brings_taken:MINE) of brings-taken 1.5 is not used" in caplog.text
    assert "brings_taken" not in sys.modules


def test_the_first_of_two_counts(packages: Path, caplog: pytest.LogCaptureFixture) -> None:
    install(packages, "brings-one", "mine", "brings_one:MINE")
    install(packages, "brings-two", "mine", "brings_two:MINE")
    (used,) = (adapter for name, adapter in Registry([QWEN2]).items() if name == "mine")
    (loaded,) = (name for name in ("brings_one", "brings_two") if name in sys.modules)
    assert used is sys.modules[loaded].MINE
    (record,) = caplog.records
    said = record.getMessage()
    assert said.endswith(f"({loaded}:MINE) of {loaded.replace('_', '-')} 1.5 is")
    assert "brings-one 1.5" in said
    assert "brings-two 1.5" in said


def test_the_adapters_are_read_only() -> None:
    assert not hasattr(ADAPTERS, "__setitem__")
    assert not hasattr(ADAPTERS.builtin, "__setitem__")
