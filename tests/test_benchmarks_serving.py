"""`make bench-serving` in its short form, on one adapter's real servers."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
ADAPTER = "qwen2"


@pytest.fixture(scope="module")
def made(vllm_installed: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the command has written into."""
    folder = tmp_path_factory.mktemp("bench")
    short = ("--streams", "2", "--tools", "1", "--rounds", "1", "--folder", str(folder))
    command = [sys.executable, "benchmarks/serving.py", ADAPTER, *short]
    subprocess.run(
        command, cwd=ROOT, check=True, capture_output=True, env={**os.environ, "HF_HUB_OFFLINE": "1"}
    )
    return folder


@pytest.fixture(scope="module")
def found(made: Path) -> Any:
    return json.loads((made / "serving.json").read_text("utf-8"))[ADAPTER]


def test_each_server_was_loaded(found: Any) -> None:
    loads = found["load"]["2"]
    assert loads.keys() == {ADAPTER, "floor"}
    for (run,) in loads.values():
        assert run["cpu_us"] > 0
        assert run["token_ms"] > 0
        assert run["lag_ms"] > 0
    assert loads[ADAPTER][0]["right"]
    assert not loads["floor"][0]["right"]  # it takes markers for arguments: the comparison is no formality


def test_replies_were_timed_with_a_grammar_and_without(found: Any) -> None:
    times = found["grammar"][ADAPTER]["1"]
    assert times.keys() == {
        f"{choice}, {state}" for choice in ("auto", "required") for state in ("cold", "warm")
    }
    assert all(one["first_ms"] > one["token_ms"] > 0 for one in times.values())


def test_the_table_has_a_row_for_each(made: Path) -> None:
    table = (made / "serving.md").read_text("utf-8")
    assert f"{ADAPTER}, 2 streams: CPU a token" in table
    assert f"| {ADAPTER} | 2 | {ADAPTER} |" in table
    assert f"| {ADAPTER} | 2 | floor |" in table
    assert f"| {ADAPTER} | {ADAPTER} | 1 |" in table
