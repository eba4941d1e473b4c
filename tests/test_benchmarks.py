"""`make bench` in its short form: the files it makes, and that nobody is timed for a wrong answer."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

pytest.importorskip("vllm", reason="vLLM is not installed: pip install 'vllm-chat-adapters[cpu]'")

from chat_adapters.adapters import ADAPTERS

ROOT = Path(__file__).resolve().parent.parent
RIVALS = {"llama3_json", "hermes", "internlm"}
PEERS = {
    *RIVALS,
    "granite", "kimi_k2", "qwen3_coder", "glm47", "minimax_m2", "deepseek_v32",
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the command has written into."""
    folder = tmp_path_factory.mktemp("bench")
    command = [sys.executable, "benchmarks/parsers.py", "--quick", str(folder)]
    subprocess.run(
        command, cwd=ROOT, check=True, capture_output=True, env={**os.environ, "HF_HUB_OFFLINE": "1"}
    )
    return folder


@pytest.fixture(scope="module")
def found(made: Path) -> Any:
    return json.loads((made / "parsers.json").read_text("utf-8"))


def test_all_are_measured_at_every_point(found: Any) -> None:
    points = [point for axis in found["streams"].values() for point in axis.values()]
    assert len(points) >= 4
    for point in points:
        assert point.keys() == {"floor", *ADAPTERS, *PEERS}
        assert all(one["us"] > 0 for one in point.values())
    for whole in found["whole"].values():
        assert whole.keys() == {*ADAPTERS, "chatglm3, Python literals", *RIVALS}
    assert found["instructions a delta"]["Python's"].keys() == {*ADAPTERS, *PEERS}


def test_every_answer_is_right_or_named(found: Any, made: Path) -> None:
    """vLLM's parser for InternLM reads one call a reply."""
    wrong = {
        (label, name)
        for points in (*found["streams"].values(), found["whole"])
        for label, point in points.items()
        for name, one in point.items()
        if not one["right"] and name != "floor"
    }
    assert wrong == {("2 of 0.25 kB", "internlm")}
    table = (made / "parsers.md").read_text("utf-8")
    assert table.count("| **wrong** |") == 1
    (row,) = [line for line in table.splitlines() if "**wrong** |" in line]
    assert row.startswith("| calls: 2 of 0.25 kB |")


def test_a_bar_says_what_it_found(found: Any) -> None:
    for bar in found["bars"]:
        within = bar["found"] >= bar["bound"] if bar["at_least"] else bar["found"] <= bar["bound"]
        assert bar["holds"] == within
    assert {
        name for name in ADAPTERS if any(bar["what"].startswith(f"{name}:") for bar in found["bars"])
    } == {*ADAPTERS}


def test_loading_the_plugin_takes_a_moment(found: Any) -> None:
    """However busy the machine is: the bound of `make bench` is 50."""
    assert 0 < found["loading the plugin, ms"] < 300


def test_the_instructions_are_few(found: Any) -> None:
    """The same on every machine: at most so many of Python's a delta beyond the floor, and fewer than any peer."""
    count = found["instructions a delta"]["Python's"]
    ours = max(count[name] for name in ADAPTERS)
    assert ours < 520
    assert ours < min(count[name] for name in PEERS)


def test_the_plot_has_a_line_for_each(made: Path) -> None:
    plot = ElementTree.parse(made / "parsers.svg").getroot()
    lines = plot.findall("{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == len(ADAPTERS) + len(PEERS)
