"""vLLM spread over several processes and nodes: what `make scale` runs, short, and the commands of docs/scale-out.md."""

import ast
import json
import pickle
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from deployments import MODES, deployed
from pages import ROOT, blocks
from replies import Reply
from scale import DEFAULT, Scale, as_recorded
from scale_report import DOCS, markdown

from chat_adapters.toolkit.launch import IMAGE

CHEAP = ("api-servers", "data-parallel")
RAY = ("ray", "ray-serve")
"""`make scale` installs what these need."""
REPLIES = 6
PAGE = DOCS / "scale-out.md"


@pytest.mark.server
@pytest.mark.usefixtures("vllm_installed")
@pytest.mark.parametrize(
    "name",
    [
        name if name in CHEAP else pytest.param(name, marks=pytest.mark.slow)
        for name in MODES
        if name not in RAY
    ],
)
def test_every_process_answers_what_was_recorded(name: str, tmp_path: Path) -> None:
    mode = MODES[name]
    with deployed(mode, DEFAULT, tmp_path) as running:
        result = Scale(running, REPLIES).run(name)
    assert not result.faults, "\n".join(result.faults)
    if mode.mute:
        pytest.skip(f"it was started, and no more: {mode.mute}")
    several = 2 * REPLIES * mode.engines
    answered = [one.answered for one in result.processes if one.answered]
    assert len(answered) == mode.api_servers
    assert min(answered) >= several
    assert sum(one.registered for one in result.processes) >= mode.api_servers + mode.engines + mode.workers


CALL, OTHER = ("f", '{"a": 1}'), ("f", '{"a": 2}')


@pytest.mark.parametrize(
    ("content", "calls", "finish", "stream", "same"),
    [
        ("", (CALL,), "tool_calls", False, True),
        ("\n", (CALL,), "tool_calls", True, False),
        ("", (OTHER,), "tool_calls", False, False),
        ("", (), "stop", False, False),
        ("Hm.", (CALL,), "tool_calls", False, False),
        ("", (CALL,), "stop", False, False),
        ("", (CALL, ("f", '{"a"')), "tool_calls", True, True),
        ("", (CALL, ("f", '{"a"')), "tool_calls", False, False),
        ("", (CALL, CALL), "tool_calls", True, False),
    ],
)
def test_an_answer_that_differs_is_seen(
    content: str, calls: tuple[tuple[str, str], ...], finish: str, stream: bool, same: bool
) -> None:
    reply = Reply(content, calls, finish, (), ())
    assert as_recorded(reply, stream, "", [("f", {"a": 1})]) == same


@pytest.mark.usefixtures("vllm_installed")
def test_registrations_are_counted(tmp_path: Path) -> None:
    """A process that registers twice has two notes: what the modes are held to can be broken."""
    program = "import witness; from chat_adapters import vllm_plugin as p; p.register(); p.register()"
    path = str(ROOT / "tests" / "serving")
    subprocess.run(
        [sys.executable, "-c", program], env={"WITNESS": str(tmp_path), "PYTHONPATH": path}, check=True
    )
    (notes,) = tmp_path.glob("*.jsonl")
    assert [json.loads(line)["what"] for line in notes.read_text("utf-8").splitlines()] == ["registered"] * 2


@pytest.mark.usefixtures("vllm_installed")
def test_a_configuration_reaches_a_process_that_has_not_loaded_the_plugin() -> None:
    """As Ray sends it to its workers, which unpickle what they are given before vLLM loads plugins there."""
    from chat_adapters.vllm_plugin.internlm2_config import InternLM2Config

    sent = pickle.dumps(InternLM2Config(vocab_size=92544))
    program = "import pickle, sys; print(pickle.load(sys.stdin.buffer).eos_token_id)"
    done = subprocess.run([sys.executable, "-c", program], input=sent, capture_output=True, check=True)
    assert done.stdout.decode().strip() == "[2, 92542]"


# The page


def test_the_table_is_that_of_the_results() -> None:
    """And every mode is in it, and all of it holds."""
    results = json.loads((DOCS / "scale-out.json").read_text("utf-8"))
    assert [*results] == [*MODES]
    assert markdown(results.values()) in PAGE.read_text("utf-8")
    assert not any(result["faults"] for result in results.values())


def test_the_image_is_that_of_doctor() -> None:
    (dockerfile,) = [block.code for block in blocks(PAGE) if block.code.startswith("FROM")]
    assert dockerfile.splitlines()[0] == f"FROM {IMAGE}"


def test_ray_takes_the_commands_of_the_page() -> None:
    scripts = pytest.importorskip("ray.scripts.scripts", reason="Ray is not installed: `make scale` does it")
    code = "\n".join(block.code for block in blocks(PAGE) if block.language == "sh")
    commands = [shlex.split(line, comments=True) for line in re.findall("^ray .*", code, re.MULTILINE)]
    assert len(commands) == 4
    for _, name, *words in commands:
        command = scripts.cli.commands[name]
        assert command.make_context(name, words).command is command


def test_ray_serve_takes_the_configuration_of_the_page() -> None:
    pytest.importorskip("ray.serve.llm", reason="Ray Serve is not installed: `make scale` does it")
    (code,) = [block.code for block in blocks(PAGE) if block.mark == "cluster"]
    *program, start = code.splitlines()
    assert start.startswith("serve.run(build_openai_app(")
    program += [
        "from ray.llm._internal.serve.engines.vllm.vllm_models import VLLMEngineConfig",
        "print(VLLMEngineConfig.from_llm_config(llama).frontend_kwargs)",
    ]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(program)], capture_output=True, check=False, encoding="utf-8"
    )
    assert not done.returncode, done.stderr
    template = (ROOT / "templates" / "llama3_1.jinja").read_text("utf-8")
    wanted = {"enable_auto_tool_choice": True, "tool_call_parser": "llama3_1", "chat_template": template}
    assert ast.literal_eval(done.stdout) == wanted
