"""`make bench-prompts` in its short form: what it measures, and what it says of where a prompt parts from the last one."""

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("vllm", reason="vLLM is not installed: pip install 'vllm-chat-adapters[cpu]'")

from chat_adapters.adapters import ADAPTERS, get
from chat_adapters.toolkit.writing import write_reply

ROOT = Path(__file__).resolve().parent.parent
FORGETFUL = (
    "{{ messages | length }}{% for message in messages %}{{ message.role ~ message.content }}{% endfor %}"
)
"""Begins anew in every turn."""


def run(script: str, folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, f"benchmarks/{script}.py", *arguments, "--quick", str(folder)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    return subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, env=environment)


def made(script: str, folder: Path, *arguments: str) -> tuple[Any, str]:
    """What the script wrote: the JSON and the Markdown file."""
    template = folder / "official.jinja"
    template.write_text(FORGETFUL, "utf-8")
    ran = run(script, folder, *arguments, "--official", f"qwen2_5={template}")
    assert ran.returncode == 0, ran.stderr[-2000:]
    text = (folder / f"{script}.json").read_text("utf-8")
    return json.loads(text), (folder / f"{script}.md").read_text("utf-8")


def test_rendering(tmp_path: Path) -> None:
    found, report = made("rendering", tmp_path)
    assert found["adapters"].keys() == {*ADAPTERS}
    alone = {"template", "vLLM", "ours", "ours, a token spelled"}
    for name, axes in found["adapters"].items():
        official = {"official template", "vLLM, official template"} if name == "qwen2_5" else set()
        for point in (axes["turns"]["2"], axes["tools"]["0"]):
            assert point["ms"].keys() == alone | official
            assert all(ms > 0 for ms in point["ms"].values())
            assert point["tokens"] > 300
        assert axes["turns"]["2"]["tokens"] > axes["tools"]["0"]["tokens"]
    assert len([line for line in report.splitlines() if "| - | - | - |" in line]) == 2 * (len(ADAPTERS) - 1)


@pytest.mark.server
def test_prefix_cache(tmp_path: Path) -> None:
    """Of our template everything is found again; of one that begins anew, nothing."""
    found, report = made("prefix_cache", tmp_path, "qwen2_5")
    ours, official = (found["adapters"]["qwen2_5"][label] for label in ("ours", "official"))
    assert [turn["turn"] for turn in ours] == ["call", "said and call", "answer"]
    for before, turn in pairwise(ours):
        assert turn["hits"] == turn["best"] > before["prompt"] - found["block"]
        assert turn["parts"] is None
    for before, turn in pairwise(official):
        assert turn["hits"] == 0 < turn["best"]
        assert turn["prompt"] > before["prompt"]
        assert turn["parts"]["computed"].startswith("1" if turn is official[1] else "3")
        assert turn["parts"]["prompt"].startswith("3" if turn is official[1] else "5")
    assert "| qwen2_5, official | 0.0% |" in report


def test_what_is_replayed_behind_a_result() -> None:
    """As the model was trained: its call is on a line of its own even if it says nothing before."""
    recorded = ROOT / "fixtures" / "qwen2" / "call_after_result" / "output.txt"
    call = ("get_weather", '{"city": "Rome"}')
    assert write_reply(get("qwen2").format, call, after_result=True) == recorded.read_text("utf-8")


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("--official=llama=x", "'llama=x': write ADAPTER=PATH"),
        ("--official=qwen2=nowhere.jinja", "there is no 'nowhere.jinja'"),
        ("llama", "there is no adapter 'llama': the adapters are "),
    ],
)
def test_a_wrong_command_line_is_told(tmp_path: Path, argument: str, says: str) -> None:
    ran = run("rendering", tmp_path, argument)
    assert ran.returncode == 2
    assert says in ran.stderr
