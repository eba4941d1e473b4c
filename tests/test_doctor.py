"""`chat-adapters doctor`: right about a checkpoint, or refusing clearly."""

import re
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from checkpoints import TEMPLATES, all_flags, change, codes, look, run, tiny, usual_flags
from official import CHATGLM3, INTERNLM2, LLAMA3, QWEN2, QWEN2_5
from tiny import FAMILIES, write_json
from tokenizers import Tokenizer, models

from chat_adapters.adapters import ADAPTERS, get, read_template
from chat_adapters.toolkit.checkpoint import Checkpoint, read
from chat_adapters.toolkit.doctor import THINKING, WRITES_TEXT, examine
from chat_adapters.toolkit.launch import generation_folder

ROOT = Path(__file__).resolve().parent.parent
OF_A_POST = (
    r"""[gMASK]sop{% for message in messages %}<|{{ message.role }}|>\n {{ message.content }}{% endfor %}"""
)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_is_recognised(name: str, tmp_path: Path) -> None:
    diagnosis = look(tiny(tmp_path, name, TEMPLATES[name]))
    assert diagnosis.adapter is ADAPTERS[name]
    assert all_flags(diagnosis) == usual_flags(name)
    assert not codes(diagnosis, "error") | codes(diagnosis, "warning")
    assert f"has {ADAPTERS[name].signs[0].template!r}" in " ".join(diagnosis.why)
    assert ("remote-code" in codes(diagnosis, "note")) == (name == "chatglm3")
    # Tiny checkpoints name the first only.
    assert ("stop-tokens" in codes(diagnosis, "note")) == (len(ADAPTERS[name].stop_tokens) > 1)


@pytest.mark.parametrize("name", FAMILIES)
def test_without_a_template_none_is_guessed_but_one_can_be_named(name: str, tmp_path: Path) -> None:
    folder = tiny(tmp_path, name)
    diagnosis = look(folder)
    assert (diagnosis.adapter, codes(diagnosis, "error"), diagnosis.flags) == (None, {"no-adapter"}, ())
    assert f"{name}: the tokens are there, but the checkpoint's chat template is missing" in diagnosis.why
    diagnosis = look(folder, name)
    assert all_flags(diagnosis) == usual_flags(name)
    assert "template-missing" in codes(diagnosis, "note")
    other = "llama3_1" if name != "llama3_1" else "qwen2"
    assert codes(look(folder, other), "error") == {"tokens"}


@pytest.mark.parametrize(
    ("family", "template", "config", "name"),
    [
        ("qwen2", QWEN2_5, {}, "qwen2_5"),  # Hermes, on Qwen2
        ("qwen2", QWEN2.replace("assistant.", "assistant"), {}, "qwen2"),  # Qwen1.5
        ("qwen2_5", QWEN2_5, {"vision_config": None}, "qwen2_5"),
        ("chatglm3", CHATGLM3, {"architectures": ["ChatGLMForConditionalGeneration"]}, "chatglm3"),
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
        (
            QWEN2_5,
            {"architectures": ["Qwen2ForSequenceClassification"]},
            ADAPTERS["qwen2_5"].tokens,
            "writes-no-text",
        ),
        (QWEN2_5, {"architectures": ["BertModel"]}, ADAPTERS["qwen2_5"].tokens, "writes-no-text"),
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


def test_who_writes_text_is_what_vllm_says(vllm_installed: None) -> None:
    from vllm.model_executor.models import registry

    pooled = (
        *registry._SEQUENCE_CLASSIFICATION_MODELS,
        *registry._TOKEN_CLASSIFICATION_MODELS,
        *registry._REWARD_MODELS,
    )
    assert [name for name in registry._TEXT_GENERATION_MODELS if not WRITES_TEXT.search(name)] == []
    assert [name for name in pooled if WRITES_TEXT.search(name)] == []


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


@pytest.mark.parametrize(
    ("family", "template", "tokens", "level"),
    [
        ("qwen2_5", "<think>", ["<think>", "</think>"], "note"),
        ("r1_distill", "{{ content.split('</think>') }}", [], "note"),
        ("qwen2_5", "<think>", [], "warning"),  # nothing to know the reasoning by
        ("qwen2_5", "<think>{{ enable_thinking }}", ["<think>", "</think>"], "warning"),  # Qwen3
        ("internlm2_5", "<think>", ["<think>", "</think>"], "warning"),
    ],
)
def test_a_checkpoint_that_thinks(
    family: str, template: str, tokens: list[str], level: str, tmp_path: Path
) -> None:
    folder = tiny(tmp_path, family, TEMPLATES[family] + template)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_tokens(tokens)
    tokenizer.save(str(folder / "tokenizer.json"))
    diagnosis = look(folder)
    assert "template-thinks" in codes(diagnosis, level)
    more = [part for flag in THINKING for part in flag] if level == "note" else []
    assert all_flags(diagnosis) == [*usual_flags(family), *more]
    assert run("flags", str(folder)).stdout.split() == all_flags(diagnosis)


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    folder = tiny(tmp_path_factory.mktemp("qwen"), "qwen2_5")
    return read(str(folder), folder)


def writes_backslash(checkpoint: Checkpoint, template: str) -> bool:
    diagnosis = examine(replace(checkpoint, template=template), get("qwen2_5"))
    return "template-literal-newline" in codes(diagnosis, "note")


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (r"a\nb", True),
        (r"{{ a }}\n{% if b %}", True),
        (r"{% raw %}{{ '\n' }}{% endraw %}", True),
        (r"\n{{ 'that never ends", True),
        (r"{{ 'that never ends\n", False),
        (r"{{ {'a': {'b': 1}} ~ '\n' }}", False),
        (r"{{ '}}\n' }}", False),
        (r"""{{- "a'}\"{{\n" -}}""", False),
        (r"{% if '%}\n' %}{% endif %}", False),
        (r"{# \n }} ' #}", False),
    ],
)
def test_a_backslash_that_a_template_writes(qwen: Checkpoint, template: str, said: bool) -> None:
    assert writes_backslash(qwen, template) == said


@pytest.mark.parametrize("opener", ["{{", "{%", "{#", "{{ '", "{% raw %}", "{"])
def test_a_hostile_template_costs_nothing(qwen: Checkpoint, opener: str) -> None:
    """Some 30 ms where each is looked at once, 10 s where each looks for its end."""
    started = time.process_time()
    assert not writes_backslash(qwen, opener * (16_000 // len(opener)))
    assert time.process_time() - started < 1


def test_without_jinja_nothing_is_said(qwen: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert not writes_backslash(qwen, r"a\nb")


@pytest.mark.parametrize("name", ADAPTERS)
def test_our_own_templates_have_no_such_fault(qwen: Checkpoint, name: str) -> None:
    assert not writes_backslash(qwen, read_template(get(name)))


def test_the_docs_name_every_kind_of_finding() -> None:
    sources = (ROOT / "toolkit" / name for name in ("checkpoint.py", "doctor.py"))
    source = "".join(path.read_text("utf-8") for path in sources)
    page = (ROOT / "docs" / "doctor.md").read_text("utf-8").partition("## Findings")[2]
    used = set(re.findall(r'Finding\(\s*(?:"\w+"|level),\s*"([\w-]+)"', source)) | {"ambiguous", "no-adapter"}
    documented = re.findall(r"^\| `([\w-]+)` \|", page, re.MULTILINE)
    assert set(documented) == used
