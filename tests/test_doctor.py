"""`chat-adapters doctor`, `flags` and `serve`: right about a checkpoint, or refusing clearly."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from official import CHATGLM3, INTERNLM2, LLAMA3, QWEN2, QWEN2_5
from replies import ask, tool
from server import DUMMY, Server
from tiny import FAMILIES, small_sentencepiece_model, write_json, write_tiny_checkpoint
from tokenizers import Tokenizer, models

from chat_adapters.adapters import ADAPTERS, get
from chat_adapters.toolkit import launch
from chat_adapters.toolkit.checkpoint import read
from chat_adapters.toolkit.doctor import EXPRESSIONS, Diagnosis, examine
from chat_adapters.toolkit.launch import docker, generation_folder, merge, template_path
from chat_adapters.toolkit.strategies import json_values
from chat_adapters.toolkit.writing import write_reply
from chat_adapters.vllm_plugin import MODE

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = {
    "llama3_1": LLAMA3,
    "qwen2": QWEN2,
    "qwen2_5": QWEN2_5,
    "internlm2_5": INTERNLM2,
    "chatglm3": CHATGLM3,
}
OF_A_POST = (
    r"""[gMASK]sop{% for message in messages %}<|{{ message.role }}|>\n {{ message.content }}{% endfor %}"""
)
SHARED = {"llama3_1": "llama3.1", "qwen2": "qwen2", "internlm2_5": "internlm2_5", "chatglm3": "chatglm3"}


def tiny(
    folder: Path,
    family: str,
    template: str | None = None,
    config: Mapping[str, object] | None = None,
    settings: Mapping[str, object] | None = None,
) -> Path:
    """A family's tiny checkpoint, with a template, and more in its configuration and its tokenizer's."""
    write_tiny_checkpoint(folder, FAMILIES[family])
    (folder / "model.safetensors").touch()
    if family == "qwen2":
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.add_tokens(["✿"])  # as in the real vocabulary
        tokenizer.save(str(folder / "tokenizer.json"))
    change(folder / "config.json", config or {})
    change(folder / "tokenizer_config.json", {"chat_template": template, **(settings or {})})
    return folder


def real(folder: Path, shared: Path, family: str, template: str, config: Mapping[str, object]) -> Path:
    """A checkpoint around a real tokenizer."""
    shutil.copytree(shared / "tokenizers" / SHARED[family], folder)
    write_json(folder / "config.json", {**FAMILIES[family].config, **config})
    (folder / "chat_template.jinja").write_text(template, "utf-8")
    (folder / "model.safetensors").touch()
    return folder


def change(path: Path, more: Mapping[str, object]) -> None:
    write_json(path, {**json.loads(path.read_text("utf-8")), **more})


def look(folder: Path, named: str | None = None) -> Diagnosis:
    return examine(read(str(folder), folder), get(named) if named else None)


def codes(diagnosis: Diagnosis, level: str) -> set[str]:
    return {finding.code for finding in diagnosis.findings if finding.level == level}


def all_flags(diagnosis: Diagnosis) -> list[str]:
    return [part for flag in diagnosis.flags for part in flag]


def usual_flags(name: str) -> list[str]:
    return [
        *("--tokenizer-mode", MODE, "--enable-auto-tool-choice", "--tool-call-parser", name),
        *("--chat-template", template_path(get(name))),
    ]


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_is_recognised(name: str, tmp_path: Path) -> None:
    diagnosis = look(tiny(tmp_path, name, TEMPLATES[name]))
    assert diagnosis.adapter is ADAPTERS[name]
    assert all_flags(diagnosis) == usual_flags(name)
    assert not codes(diagnosis, "error") | codes(diagnosis, "warning")
    assert f"has {ADAPTERS[name].signs[0].template!r}" in " ".join(diagnosis.why)
    assert ("remote-code" in codes(diagnosis, "note")) == (name == "chatglm3")
    assert "stop-tokens" in codes(diagnosis, "note")  # tiny checkpoints name the first only


@pytest.mark.parametrize("name", FAMILIES)
def test_without_a_template_none_is_guessed_but_one_can_be_named(name: str, tmp_path: Path) -> None:
    folder = tiny(tmp_path, name)
    diagnosis = look(folder)
    assert (diagnosis.adapter, codes(diagnosis, "error"), diagnosis.flags) == (None, {"no-adapter"}, ())
    assert f"{name}: the tokens are there, but the checkpoint's chat template is missing" in diagnosis.why
    diagnosis = look(folder, name)
    assert all_flags(diagnosis) == usual_flags(name)
    assert {"template-missing", "stop-tokens"} <= codes(diagnosis, "note")
    other = "llama3_1" if name != "llama3_1" else "qwen2"
    assert codes(look(folder, other), "error") == {"tokens"}


@pytest.mark.parametrize(
    ("family", "template", "config", "name"),
    [
        ("qwen2", QWEN2_5, {}, "qwen2_5"),  # Hermes, on Qwen2
        ("qwen2", QWEN2.replace("assistant.", "assistant"), {}, "qwen2"),  # Qwen1.5
        ("qwen2_5", QWEN2_5, {"quantization_config": {"quant_method": "awq", "bits": 4}}, "qwen2_5"),
        ("internlm2_5", INTERNLM2, {"quantization_config": {"quant_method": "gptq"}}, "internlm2_5"),
    ],
)
def test_relatives(family: str, template: str, config: dict[str, object], name: str, tmp_path: Path) -> None:
    diagnosis = look(tiny(tmp_path, family, template, config))
    assert all_flags(diagnosis) == usual_flags(name)
    assert ("quantised" in codes(diagnosis, "note")) == ("quantization_config" in config)


GPT2 = {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2"}
QWEN2_VL = {
    "architectures": ["Qwen2VLForConditionalGeneration"],
    "model_type": "qwen2_vl",
    "vision_config": {},
}


@pytest.mark.parametrize(
    ("template", "config", "tokens", "code"),
    [
        (QWEN2, GPT2, ["<|endoftext|>"], "no-adapter"),
        (QWEN2_5, QWEN2_VL, ADAPTERS["qwen2_5"].tokens, "more-than-text"),
        (
            QWEN2_5,
            {"model_type": "llava", "vision_tower": "clip"},
            ADAPTERS["qwen2_5"].tokens,
            "more-than-text",
        ),
        (QWEN2_5 + LLAMA3, {}, ADAPTERS["qwen2_5"].tokens + ADAPTERS["llama3_1"].tokens, "ambiguous"),
    ],
)
def test_refused(
    template: str, config: dict[str, object], tokens: list[str], code: str, tmp_path: Path
) -> None:
    tokenizer = Tokenizer(models.BPE({"a": 0}, []))
    tokenizer.add_special_tokens(list(tokens))
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    write_json(tmp_path / "config.json", config)
    (tmp_path / "chat_template.jinja").write_text(template, "utf-8")
    diagnosis = look(tmp_path)
    assert codes(diagnosis, "error") == {code}
    assert not diagnosis.ok
    assert not diagnosis.flags


@pytest.mark.parametrize(
    ("file", "content", "code"),
    [
        ("config.json", None, "no-config"),
        ("config.json", "[]", "broken-file"),
        ("config.json", "{", "broken-file"),
        ("config.json", "version https://git-lfs.github.com/spec/v1\n", "broken-file"),
        ("tokenizer_config.json", "[1]", "broken-file"),
        ("tokenizer_config.json", '{"chat_template": 5}', "broken-file"),
        ("chat_template.jinja", b"\xff\xfe", "broken-file"),
        ("tokenizer.json", "{}", "tokenizer"),
        ("tokenizer.json", None, "tokenizer"),
    ],
)
def test_broken_files_are_found(file: str, content: str | bytes | None, code: str, tmp_path: Path) -> None:
    folder = tiny(tmp_path, "qwen2_5", QWEN2_5)
    (folder / file).unlink(missing_ok=True)
    if content is not None:
        (folder / file).write_bytes(content.encode() if isinstance(content, str) else content)
    diagnosis = look(folder)
    assert code in codes(diagnosis, "error")
    assert not diagnosis.flags


def test_a_broken_generation_config_is_passed_over_as_vllm_does(tmp_path: Path) -> None:
    folder = tiny(tmp_path, "qwen2_5", QWEN2_5)
    (folder / "generation_config.json").write_text("{", "utf-8")
    diagnosis = look(folder)
    assert diagnosis.ok
    assert "broken-file" in codes(diagnosis, "warning")


def test_other_generations_and_a_corrupt_tokenizer_are_refused(tmp_path: Path) -> None:
    folder = tiny(tmp_path, "chatglm3", CHATGLM3, {"_name_or_path": "THUDM/chatglm2-6b"})
    (finding,) = (finding for finding in look(folder).findings if finding.level == "error")
    assert "is ChatGLM2" in finding.text
    tiny(folder, "chatglm3", CHATGLM3)
    (folder / "tokenizer.model").write_bytes(b"not a model")
    (finding,) = (finding for finding in look(folder).findings if finding.level == "error")
    assert "no SentencePiece BPE model" in finding.text


def test_internlm2_without_a_tokenizer_json(tmp_path: Path) -> None:
    """As its early checkpoints are; vLLM makes a fast tokenizer of the model, and so must we."""
    tokens = dict.fromkeys((*ADAPTERS["internlm2_5"].tokens, "<s>"))
    settings = {
        "added_tokens_decoder": {
            str(id): {"content": token, "special": True} for id, token in enumerate(tokens, 768)
        },
        "auto_map": {"AutoTokenizer": ["tokenization_internlm2.InternLM2Tokenizer", None]},
    }
    folder = tiny(tmp_path, "internlm2_5", INTERNLM2, settings=settings)
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.model").write_bytes(small_sentencepiece_model())
    diagnosis = look(folder)
    assert all_flags(diagnosis) == usual_flags("internlm2_5")


def test_a_tokenizer_that_is_not_bpe_is_served_without_the_mode(tmp_path: Path) -> None:
    folder = tiny(tmp_path, "qwen2_5", QWEN2_5)
    tokenizer = Tokenizer(models.Unigram([("a", 0.0)], 0, False))
    tokenizer.add_special_tokens(list(ADAPTERS["qwen2_5"].tokens))
    tokenizer.save(str(folder / "tokenizer.json"))
    diagnosis = look(folder)
    assert all_flags(diagnosis) == usual_flags("qwen2_5")[2:]
    assert codes(diagnosis, "warning") == {"not-protected"}


@pytest.mark.parametrize(
    ("generation", "config", "flag", "fix"),
    [
        ({"eos_token_id": [2, 92542]}, {}, False, ""),
        ({"eos_token_id": 2}, {}, True, "names all"),
        ({"eos_token_id": 2, "temperature": 0.8}, {}, True, "its own temperature then hold no more"),
        (None, {"eos_token_id": [2, 92542]}, False, ""),
        (None, {"eos_token_id": 2}, True, "names all"),
    ],
)
def test_stop_tokens(
    generation: dict[str, object] | None, config: dict[str, object], flag: bool, fix: str, tmp_path: Path
) -> None:
    adapter = ADAPTERS["internlm2_5"]
    folder = tiny(tmp_path, adapter.name, INTERNLM2, config)
    ids = {"</s>": 2, "<|im_end|>": 92542}
    rest = [token for token in adapter.tokens if token not in ids]
    tokenizer = Tokenizer(models.BPE({"a": 0, **ids, **{token: id for id, token in enumerate(rest, 10)}}, []))
    tokenizer.add_special_tokens(list(adapter.tokens))
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "generation_config.json").unlink()
    if generation is not None:
        write_json(folder / "generation_config.json", generation)
    change(folder / "tokenizer_config.json", {"eos_token": "</s>"})
    diagnosis = look(folder)
    given = ("--generation-config", str(generation_folder(adapter)))
    assert (given in diagnosis.flags) == flag
    (found,) = [finding.fix for finding in diagnosis.findings if finding.code == "stop-tokens"] or [""]
    assert fix in found


def test_templates_that_ignore_tools_or_write_a_backslash(tmp_path: Path) -> None:
    diagnosis = look(tiny(tmp_path, "chatglm3", OF_A_POST.replace("<|{{", "<|{{ '<|' }}{{")), "chatglm3")
    assert {"template-ignores-tools", "template-literal-newline"} <= codes(diagnosis, "note")
    diagnosis = look(tiny(tmp_path / "tools", "qwen2_5", f"{{{{ tools }}}}{{{{ '<think>{QWEN2_5}' }}}}"))
    assert not {"template-ignores-tools", "template-literal-newline"} & codes(diagnosis, "note")
    assert "template-thinks" in codes(diagnosis, "warning")


PIECES = st.sampled_from((
    r"\n", "a", "}", "%", "'", '"', "\n", r"{{ '}}\n' }}", r"""{{- "a'}\"{{\n" -}}""", "{{ {'a': {}} }}", "{{ 5 % 2 }}",
    r"{% if '%}\n' %}", "{% endif %}", r"{# \n }} ' #}", "{% set a = {'b': 1} %}",
))  # fmt: skip


@given(st.lists(PIECES, max_size=8).map("".join))
def test_what_a_template_writes_as_it_stands_is_what_jinja_says(template: str) -> None:
    environment = jinja2.Environment(keep_trailing_newline=True)
    try:
        tokens = [*environment.lex(template)]
    except jinja2.TemplateSyntaxError:
        assume(False)
    data = "".join(text for _, kind, text in tokens if kind == "data")
    assert ("\\n" in EXPRESSIONS.sub("", template)) == ("\\n" in data)


@pytest.mark.parametrize("name", ADAPTERS)
def test_our_own_templates_have_no_such_fault(name: str) -> None:
    assert "\\n" not in EXPRESSIONS.sub("", Path(template_path(get(name))).read_text("utf-8"))


@pytest.fixture(scope="module", params=["qwen2_5", "chatglm3"])
def spoilt(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny(tmp_path_factory.mktemp("spoilt"), request.param, TEMPLATES[request.param])


@given(st.data())
def test_no_file_makes_it_raise(spoilt: Path, data: st.DataObject) -> None:
    """Files of anything at all, and whole ones in which one value is anything."""
    path = spoilt / data.draw(
        st.sampled_from(["config.json", "tokenizer_config.json", "generation_config.json", "tokenizer.json"])
    )
    before = path.read_bytes() if path.exists() else None
    value: Any = data.draw(json_values())
    if before is not None and data.draw(st.booleans()):
        whole = json.loads(before)
        names = [*whole, "added_tokens_decoder", "quantization_config", "auto_map", "extra_special_tokens"]
        value = {**whole, data.draw(st.sampled_from(names)): value}
    content = data.draw(st.binary(max_size=20) | st.just(json.dumps(value).encode()))
    try:
        path.write_bytes(content)
        diagnosis = look(spoilt)
        assert diagnosis.ok == (not codes(diagnosis, "error"))
    finally:
        path.unlink() if before is None else path.write_bytes(before)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_tokenizer_is_the_one_that_the_server_has(
    name: str, vllm_installed: None, tmp_path: Path
) -> None:
    agrees_with_vllm(tiny(tmp_path, name, TEMPLATES[name]), name)


def test_tokens_that_only_the_settings_name(vllm_installed: None, tmp_path: Path) -> None:
    folder = tiny(tmp_path, "internlm2_5", INTERNLM2)
    tokenizer = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    assert tokenizer["added_tokens"].pop()["content"] == "</s>"
    write_json(folder / "tokenizer.json", tokenizer)
    agrees_with_vllm(folder, "internlm2_5")


@pytest.mark.parametrize("name", SHARED)
def test_real_tokenizers(name: str, vllm_installed: None, shared_dir: Path, tmp_path: Path) -> None:
    folder = real(tmp_path / "real", shared_dir, name, TEMPLATES[name], {"eos_token_id": 2})
    agrees_with_vllm(folder, name)
    ours = generation_folder(get(name))
    expected = usual_flags(name)
    if ours:
        expected[2:2] = ["--generation-config", str(ours)]
    assert all_flags(look(folder)) == expected
    if name in ("chatglm3", "internlm2_5"):  # as they are downloaded
        (folder / "tokenizer.json").unlink()
        settings = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
        tokens = enumerate(ADAPTERS[name].turn_tokens, 92538)
        decoder = {str(id): {"content": token, "special": True} for id, token in tokens}
        write_json(
            folder / "tokenizer_config.json",
            settings | ({"added_tokens_decoder": decoder} if name == "internlm2_5" else {}),
        )
        agrees_with_vllm(folder, name)


def agrees_with_vllm(folder: Path, name: str) -> None:
    """Every token that decides is one to both, and so the choice is the same."""
    from vllm.tokenizers import get_tokenizer

    from chat_adapters.vllm_plugin import register
    from chat_adapters.vllm_plugin.tool_parser import _adapter_of

    register()
    servers: Any = get_tokenizer(str(folder), tokenizer_mode=MODE)
    checkpoint = read(str(folder), folder)
    for text in ("✿", "<tool_call>", *(token for each in ADAPTERS.values() for token in each.tokens)):
        assert checkpoint.ids(text) == servers.encode(text, add_special_tokens=False), text
    assert _adapter_of(servers) is examine(checkpoint).adapter is ADAPTERS[name]


def test_the_callers_flags_win() -> None:
    ours = (("--tokenizer-mode", MODE), ("--enable-auto-tool-choice",), ("--chat-template", "ours"))
    given = ["--chat_template=theirs", "--port", "1", "--tokenizer-mode", "auto", '{"a": 1}']
    assert merge(ours, given) == ["--enable-auto-tool-choice", *given]


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


def test_a_missing_vllm_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(launch, "_version", lambda name: None)
    monkeypatch.setattr(launch, "find_spec", lambda name: None)
    diagnosis = look(tiny(tmp_path, "qwen2_5", QWEN2_5))
    assert diagnosis.ok
    assert codes(diagnosis, "warning") == {"vllm-missing"}


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from chat_adapters.toolkit import main; main()", *arguments]
    settings = {**os.environ, "HF_HUB_OFFLINE": "1", **environment}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=settings)


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
    for name in (str(tmp_path / "nowhere"), str(folder / "config.json"), "nobody/nothing"):
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
    """The command that is started here is one that prints what it is given."""
    folder = str(tiny(tmp_path / "tiny", "qwen2_5", QWEN2_5))
    (tmp_path / "vllm").write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    (tmp_path / "vllm").chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
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
    done = run("serve", folder, *given, PYTHONPATH=other_vllm(tmp_path), PATH=path)
    assert done.stdout.splitlines() == ["serve", folder, *usual_flags("qwen2_5")[:5], *given]


def test_flags_that_a_shell_would_tear_are_refused(tmp_path: Path) -> None:
    folder = str(tiny(tmp_path / "tiny", "qwen2_5", QWEN2_5))
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b" / "chat_adapters").symlink_to(ROOT / "tests" / "typing" / "chat_adapters")
    done = run("flags", folder, PYTHONPATH=str(tmp_path / "a b"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "a b/chat_adapters/templates/qwen2_5.jinja" in done.stderr


def test_a_missing_library_is_a_finding(tmp_path: Path) -> None:
    folder = str(tiny(tmp_path, "qwen2_5", QWEN2_5))
    program = "import sys; sys.modules['tokenizers'] = None; from chat_adapters.toolkit import main; main()"
    command = [sys.executable, "-c", program, "doctor", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "tokenizers is not installed" in done.stdout
    assert "vllm-chat-adapters[chatglm3]" in done.stdout


def test_a_repository_of_the_hub(tmp_path: Path) -> None:
    cached = tmp_path / "hub" / "models--somebody--tiny"
    tiny(cached / "snapshots" / "abc", "qwen2_5", QWEN2_5)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("abc")
    report = json.loads(run("doctor", "somebody/tiny", "--json", HF_HOME=str(tmp_path)).stdout)
    assert (report["ok"], report["adapter"]) == (True, "qwen2_5")
    assert "somebody/tiny" in report["command"]
    assert f"{tmp_path}:/root/.cache/huggingface" in report["docker"]


def test_the_docs_name_every_kind_of_finding() -> None:
    sources = (ROOT / "toolkit" / name for name in ("checkpoint.py", "doctor.py"))
    source = "".join(path.read_text("utf-8") for path in sources)
    page = (ROOT / "docs" / "doctor.md").read_text("utf-8").partition("## Findings")[2]
    used = set(re.findall(r'Finding\(\s*(?:"\w+"|level),\s*"([\w-]+)"', source)) | {"ambiguous", "no-adapter"}
    documented = re.findall(r"^\| `([\w-]+)` \|", page, re.MULTILINE)
    assert set(documented) == used


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
