"""The authoring guide's example, as its author would have it: installed by pip, checked, listed, and served."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from chat_adapters_lantern import LANTERN
from replies import WEATHER, ask
from server import DUMMY, Server

EXAMPLE = Path(__file__).resolve().parent.parent / "docs" / "examples" / "lantern"
QWEN2 = {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_act": "silu"}
CALL = ("get_weather", '{"city": "Paris"}')


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package's folder: building leaves files in it."""
    copy = tmp_path_factory.mktemp("author") / "lantern"
    return Path(shutil.copytree(EXAMPLE, copy, ignore=shutil.ignore_patterns("__pycache__")))


@pytest.fixture(scope="module")
def installed(example: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pip put the package; without a network."""
    target = tmp_path_factory.mktemp("installed")
    offline = ["--no-deps", "--no-build-isolation", "--no-index"]
    command = [sys.executable, "-m", "pip", "install", "-q", *offline, "--target", str(target), str(example)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


def run(
    command: Sequence[str], installed: Path, folder: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """A command in a folder, with the package installed."""
    told: Mapping[str, str] = {**os.environ, "PYTHONPATH": str(installed), "COLUMNS": "200", **environment}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=told)


def chat_adapters(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).with_name("chat-adapters")), *arguments]


def test_it_is_listed_and_its_template_found(installed: Path, tmp_path: Path) -> None:
    listed = run(chat_adapters("list"), installed, tmp_path)
    assert f"lantern      {LANTERN.models}" in listed.stdout
    found = run(chat_adapters("template", "lantern"), installed, tmp_path)
    assert Path(found.stdout.strip()) == installed / "chat_adapters_lantern" / "lantern.jinja"


def test_a_template_that_was_not_packaged_is_told(installed: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(installed, tmp_path / "copy"))
    (copy / "chat_adapters_lantern" / "lantern.jinja").unlink()
    done = run(chat_adapters("template", "lantern"), copy, tmp_path)
    assert done.returncode == 2
    complaint = " ".join(done.stderr.replace("│", "").split())
    assert "no chat template lantern.jinja in the package chat_adapters_lantern" in complaint


def test_it_is_checked_from_a_shell(installed: Path, example: Path) -> None:
    done = run(chat_adapters("check", "lantern", "--examples", "20", "--json"), installed, example)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert (report["adapter"], report["ok"]) == ("lantern", True)
    assert {check["result"] for check in report["checks"]} == {"passed"}


@pytest.mark.parametrize("module", ["chat_adapters_lantern", "chat_adapters_lantern:LANTERN"])
def test_a_change_that_breaks_it_is_found(
    module: str, example: Path, installed: Path, tmp_path: Path
) -> None:
    """The module need not be installed; and a golden prompt that is not what the template writes is shown."""
    package = tmp_path / "chat_adapters_lantern"
    shutil.copytree(example / "src" / "chat_adapters_lantern", package)
    template = package / "lantern.jinja"
    template.write_text(template.read_text("utf-8").replace("To call one", "To call a tool"), "utf-8")
    fixtures = str(example / "fixtures" / "lantern")
    command = chat_adapters("check", module, "--fixtures", fixtures, "--examples", "5")
    done = run(command, tmp_path, tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "golden-prompts failed\ncall/prompt.txt is not what is made now" in done.stdout
    assert "+To call a tool, write: ⟦call NAME⟧" in done.stdout
    assert done.stdout.count("failed") == 2  # in the table, and above its message


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("nothing_of_this_name", "is no adapter (chatglm3, internlm2_5, llama3_1, qwen2, qwen2_5, r1_distill, lantern), nor can"),
        ("json", "the module json has no Adapter"),
        ("json:dumps", "json:dumps is of type function, not an Adapter"),
        ("two_adapters", "name one: two_adapters:LANTERN, two_adapters:QWEN2"),
    ],
)  # fmt: skip
def test_what_is_no_adapter_is_told_so(module: str, said: str, installed: Path, tmp_path: Path) -> None:
    two = "from chat_adapters_lantern import LANTERN\nfrom chat_adapters.adapters.qwen2 import QWEN2\n"
    (tmp_path / "two_adapters.py").write_text(two, "utf-8")
    done = run(chat_adapters("check", module), installed, tmp_path)
    assert done.returncode == 2
    complaint = " ".join(done.stderr.replace("│", "").split())
    assert said in complaint


def test_missing_golden_files_are_written(installed: Path, example: Path, tmp_path: Path) -> None:
    fixtures = tmp_path / "fixtures" / "lantern"
    shutil.copytree(example / "fixtures" / "lantern", fixtures)
    golden = {
        path: path.read_bytes()
        for name in ("prompt.txt", "grammar.json")
        for path in fixtures.glob(f"*/{name}")
    }
    assert golden
    for path in golden:
        path.unlink()
    done = run(chat_adapters("check", "lantern", "--write", "--examples", "1"), installed, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {path: path.read_bytes() for path in golden} == golden
    assert done.stderr.count("written: ") == len(golden)


def test_its_own_tests_pass(installed: Path, example: Path) -> None:
    """Some of them: all are the kit's, which the tests above have run."""
    some = ["-q", "-p", "no:cacheprovider", "-k", "cuts or spellings or golden", "tests"]
    done = run([sys.executable, "-m", "pytest", *some], installed, example)
    assert done.returncode == 0, done.stdout
    assert "4 passed, 16 deselected" in done.stdout


REGISTERED = """
import sys
from vllm.tool_parsers import ToolParserManager
from chat_adapters.vllm_plugin import register
register()
register()
assert "lantern" in ToolParserManager.list_registered()
assert "chat_adapters_lantern" not in sys.modules, "the package is loaded"
assert ToolParserManager.get_tool_parser("lantern").adapter.name == "lantern"
"""


def test_vllm_knows_its_name_before_it_is_loaded(
    vllm_installed: None, installed: Path, tmp_path: Path
) -> None:
    done = run([sys.executable, "-c", REGISTERED], installed, tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.server
def test_it_is_served(vllm_installed: None, installed: Path, tmp_path: Path) -> None:
    """The checkpoint is recognised by its own template; parser, template and grammar come from the package."""
    from tiny import Family, write_json, write_tiny_checkpoint

    model = write_tiny_checkpoint(tmp_path / "model", Family(LANTERN, QWEN2))
    config = json.loads((model / "tokenizer_config.json").read_text("utf-8"))
    write_json(model / "tokenizer_config.json", {**config, "chat_template": "To call: ⟦call NAME⟧"})
    looked = run(chat_adapters("doctor", str(model), "--json"), installed, tmp_path)
    diagnosis: dict[str, Any] = json.loads(looked.stdout)
    assert diagnosis["adapter"] == "lantern"
    assert str(installed / "chat_adapters_lantern" / "lantern.jinja") in diagnosis["flags"]

    template = ("--chat-template", str(installed / "chat_adapters_lantern" / "lantern.jinja"))
    arguments = (*DUMMY, *template, "--tokenizer-mode", "chat_adapters")
    with Server(model, "auto", *arguments, workdir=tmp_path, imports=[installed]) as server:
        request: dict[str, Any] = {
            "messages": [{"role": "user", "content": "Paris?"}],
            "tools": [WEATHER],
        }
        script = f"Let me look.\n⟦call {CALL[0]}⟧ {CALL[1]} ⟦end⟧<|over|>"
        for stream in (False, True):
            reply = ask(server, stream=stream, replay=script, **request)
            assert (reply.content, reply.calls, reply.finish_reason) == (
                "Let me look.",
                (CALL,),
                "tool_calls",
            )
        assert reply.pieces > 2
        prompt = server.text(reply.prompt_ids)
        assert prompt.startswith("<|turn|>tools\n")
        assert prompt.endswith("<|over|>\n<|turn|>assistant\n")
        reply = ask(server, tool_choice="required", parallel_tool_calls=False, max_tokens=300, **request)
        assert [name for name, _ in reply.calls] == ["get_weather"]
    assert "is served by the adapter lantern" in server.log_text()
