"""The command `chat-adapters`, as a shell runs it."""

import subprocess
import sys
from pathlib import Path

import pytest

from chat_adapters.adapters import ADAPTERS


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = Path(sys.executable).with_name("chat-adapters")
    return subprocess.run([command, *arguments], capture_output=True, text=True, check=False)


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """What was wrong, out of its box."""
    return " ".join(done.stderr.replace("│", "").split())


@pytest.mark.parametrize("name", ADAPTERS)
def test_template_prints_a_path_that_vllm_can_open(name: str) -> None:
    done = run("template", name)
    assert done.returncode == 0
    assert Path(done.stdout.strip()).read_text("utf-8").startswith("{#")


def test_list_names_every_adapter() -> None:
    done = run("list")
    assert done.returncode == 0
    assert all(name in done.stdout for name in ADAPTERS)


def test_a_wrong_name_lists_the_right_ones() -> None:
    done = run("template", "qwen9")
    assert done.returncode == 2
    assert "qwen9" in done.stderr
    assert all(name in done.stderr for name in ADAPTERS)


def run_without(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = f"import sys; sys.modules[{module!r}] = None; from chat_adapters.toolkit import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False
    )


def test_a_missing_library_is_named() -> None:
    done = run_without("typer")
    assert done.returncode == 1
    assert "pip install 'vllm-chat-adapters[cli]'" in done.stderr


def test_stop_tokens_are_a_folder_that_vllm_can_read() -> None:
    for name in ("chatglm3", "internlm2_5"):
        done = run("generation-config", name)
        assert done.returncode == 0
        assert (Path(done.stdout.strip()) / "generation_config.json").is_file()
    done = run("generation-config", "qwen2")
    assert done.returncode == 2
    assert "leave --generation-config out" in complaint(done)


def test_convert(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="transformers comes with vLLM, which is not installed")
    from tiny import FAMILIES, write_tiny_checkpoint

    checkpoint = write_tiny_checkpoint(tmp_path / "checkpoint", FAMILIES["chatglm3"])
    done = run("convert", str(checkpoint), str(tmp_path / "converted"))
    assert done.returncode == 0
    assert (tmp_path / "converted" / "tokenizer.json").is_file()
    done = run("convert", str(checkpoint), str(tmp_path / "converted"))
    assert done.returncode == 2
    assert "not an empty folder" in complaint(done)
    done = run("convert", str(checkpoint), str(checkpoint / "config.json" / "no folder"))
    assert done.returncode == 2
    assert "Not a directory" in complaint(done)
    for module in ("transformers", "sentencepiece"):
        done = run_without(module, "convert", str(checkpoint), str(tmp_path / "new"))
        assert done.returncode == 2
        assert "pip install 'vllm-chat-adapters[chatglm3]'" in complaint(done)
