"""What `chat-adapters doctor`, `flags` and `serve` print and start, and the codes that they end with."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from checkpoints import codes, look, run, tiny, usual_flags
from official import CHATGLM3, QWEN2_5
from replies import ask, tool
from server import DUMMY, Server

from chat_adapters.adapters import ADAPTERS
from chat_adapters.toolkit import launch
from chat_adapters.toolkit.checkpoint import read
from chat_adapters.toolkit.launch import docker, merge
from chat_adapters.toolkit.writing import write_reply
from chat_adapters.vllm_plugin import MODE

ROOT = Path(__file__).resolve().parent.parent


def test_the_callers_flags_win() -> None:
    ours = (("--tokenizer-mode", MODE), ("--enable-auto-tool-choice",), ("--chat-template", "ours"))
    given = ["--chat_template=theirs", "--port", "1", "--tokenizer-mode", "auto", '{"a": 1}']
    assert merge(ours, given) == ["--enable-auto-tool-choice", *given]


@pytest.mark.parametrize("given", [["--middleware", "my.Tracing"], ["--middleware=my.Tracing"]])
def test_the_callers_middleware_stands_beside_ours(given: list[str]) -> None:
    assert merge([("--middleware", "ours"), ("--chat-template", "ours")], given) == [
        *("--middleware", "ours", "--chat-template", "ours"), *given,
    ]  # fmt: skip


def test_the_image_gets_what_the_files_are_links_to(tmp_path: Path) -> None:
    blobs, folder = tmp_path / "blobs", tmp_path / "snapshot"
    tiny(blobs, "qwen2_5", QWEN2_5)
    folder.mkdir()
    for path in filter(Path.is_file, blobs.iterdir()):
        (folder / path.name).symlink_to(Path("..", "blobs", path.name))
    command = docker(read(str(folder), folder), ["--compat"])
    assert [f"{folder}:{folder}:ro", f"{blobs}:{blobs}:ro"] == [
        command[at + 1] for at, part in enumerate(command) if part == "-v"
    ]
    assert command[-1].endswith(f"chat-adapters serve {folder} --compat")


def test_the_image_gets_the_package_of_the_adapter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny(tmp_path, "qwen2_5", QWEN2_5)
    qwen = ADAPTERS["qwen2_5"]
    ours = docker(read(str(folder), folder), [], qwen)
    assert 'install --system "vllm-chat-adapters[cli]" && exec' in ours[-1]
    monkeypatch.setattr(type(ADAPTERS), "distribution", lambda registry, name: f"brings-{name}")
    theirs = docker(read(str(folder), folder), [], qwen)
    assert 'install --system "vllm-chat-adapters[cli]" brings-qwen2_5 && exec' in theirs[-1]


def test_a_missing_vllm_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(launch, "_version", lambda name: None)
    monkeypatch.setattr(launch, "find_spec", lambda name: None)
    diagnosis = look(tiny(tmp_path, "qwen2_5", QWEN2_5))
    assert diagnosis.ok
    assert codes(diagnosis, "warning") == {"vllm-missing"}


def test_the_commands(tmp_path: Path) -> None:
    folder = tiny(tmp_path / "with blank", "qwen2_5", QWEN2_5)
    done = run("doctor", str(folder), "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["ok"], report["adapter"]) == (0, True, "qwen2_5")
    assert list(report) == ["checkpoint", "ok", "adapter", "why", "findings", "flags", "command", "docker"]
    assert report["flags"] == usual_flags("qwen2_5")
    assert report["command"][-len(report["flags"]) :] == report["flags"]
    done = run("flags", str(folder), "--compat")
    assert done.stdout.split() == [
        *usual_flags("qwen2_5"), "--middleware", "chat_adapters.vllm_plugin.OpenAICompat",
    ]  # fmt: skip
    done = run("doctor", str(folder))
    assert done.returncode == 0
    assert "qwen2_5" in done.stdout
    assert f"serve '{folder}'" in done.stdout.replace("--model", "serve")


def test_exit_codes(tmp_path: Path) -> None:
    folder = tiny(tmp_path / "tiny", "qwen2_5")
    for command in ("doctor", "flags", "serve"):
        done = run(command, str(folder))
        assert done.returncode == 1, command
        assert "no adapter fits" in done.stdout + done.stderr
    assert json.loads(run("doctor", str(folder), "--json").stdout)["flags"] == []
    (tmp_path / "empty").mkdir()
    assert run("doctor", str(tmp_path / "empty")).returncode == 1
    for name in (str(tmp_path / "nowhere"), str(folder / "config.json"), "nobody/nothing", "", "a" * 300):
        done = run("doctor", name)
        assert done.returncode == 2, done
        assert "Traceback" not in done.stderr


def other_vllm(folder: Path) -> str:
    """Metadata of a newer vLLM, to be put on PYTHONPATH."""
    (folder / "vllm-9.9.0.dist-info").mkdir()
    metadata = "Metadata-Version: 2.1\nName: vllm\nVersion: 9.9.0\n"
    (folder / "vllm-9.9.0.dist-info" / "METADATA").write_text(metadata)
    return str(folder)


def test_environment(tmp_path: Path) -> None:
    folder = str(tiny(tmp_path / "tiny", "qwen2_5", QWEN2_5))
    done = run("flags", folder, VLLM_USE_RUST_FRONTEND="1")
    assert (done.returncode, done.stdout) == (1, "")
    assert "unset VLLM_USE_RUST_FRONTEND" in done.stderr
    assert run("flags", folder, VLLM_PLUGINS="other").returncode == 1
    assert run("flags", folder, VLLM_PLUGINS="other,chat_adapters").returncode == 0
    report = json.loads(run("doctor", folder, "--json", PYTHONPATH=other_vllm(tmp_path)).stdout)
    assert "vllm-untested" in [finding["code"] for finding in report["findings"]]
    assert report["command"][1:3] == ["serve", folder]


def test_further_arguments_reach_vllm_untouched(tmp_path: Path) -> None:
    """The command that is started here is one that prints what it is given; it lies beside this Python."""
    folder = str(tiny(tmp_path / "tiny", "qwen2_5", QWEN2_5))
    for place, prints in (("beside", '"$@"'), ("elsewhere", "wrong")):
        (tmp_path / place).mkdir()
        (tmp_path / place / "vllm").write_text(f"#!/bin/sh\nprintf '%s\\n' {prints}\n")
        (tmp_path / place / "vllm").chmod(0o755)
    python = str(tmp_path / "beside" / "python")
    path = f"{tmp_path / 'elsewhere'}{os.pathsep}{os.environ['PATH']}"
    given = [
        "-tp",
        "2",
        "-O3",
        "-O.mode=3",
        "--port=1",
        '{"a": 1}',
        "a b",
        "--chat_template",
        "mine",
        "-c",
        "--no-x",
    ]
    first = f"sys.executable = {python!r}"
    done = run("serve", folder, *given, first=first, PYTHONPATH=other_vllm(tmp_path), PATH=path)
    assert done.stdout.splitlines() == ["serve", folder, *usual_flags("qwen2_5")[:5], *given]


def test_without_one_beside_the_command_on_the_path_serves(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(launch, "_version", {"vllm": "9.9.0"}.get)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert launch.server("model") == ["vllm", "serve", "model"]


def test_flags_that_a_shell_would_tear_are_refused(tmp_path: Path) -> None:
    folder = str(tiny(tmp_path / "tiny", "qwen2_5", QWEN2_5))
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b" / "chat_adapters").symlink_to(ROOT / "tests" / "typing" / "chat_adapters")
    done = run("flags", folder, PYTHONPATH=str(tmp_path / "a b"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "a b/chat_adapters/templates/qwen2_5.jinja" in done.stderr


@pytest.mark.slow
def test_serve_really_serves(vllm_installed: None, tmp_path: Path) -> None:
    """A checkpoint whose tokenizer is code, with nothing said but its name and what a tiny one needs."""
    format = ADAPTERS["chatglm3"].format
    model = tiny(tmp_path / "tiny", "chatglm3", CHATGLM3)
    call = ("get_weather", '{"city": "Paris"}')
    properties = {"city": {"type": "string", "maxLength": 12}}
    weather = tool("get_weather", {"type": "object", "properties": properties, "required": ["city"]})
    with Server(model, "", *DUMMY, workdir=tmp_path, command="chat-adapters") as server:
        request: dict[str, Any] = {"messages": [{"role": "user", "content": "Paris?"}], "tools": [weather]}
        script = write_reply(format, call) + format.stop_token
        for stream in (False, True):
            reply = ask(server, stream=stream, replay=script, **request)
            assert (reply.content, reply.calls, reply.finish_reason) == ("", (call,), "tool_calls")
        reply = ask(server, tool_choice="required", parallel_tool_calls=False, max_tokens=200, **request)
        assert [name for name, _ in reply.calls] == ["get_weather"]
    assert f"--tokenizer-mode {MODE}" in server.log_text()
