"""What is read of a checkpoint: whatever its files hold, findings and no traceback, and the tokenizer that vLLM has."""

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from checkpoints import SHARED, TEMPLATES, all_flags, change, codes, look, real, run, tiny, usual_flags
from hypothesis import given
from hypothesis import strategies as st
from official import CHATGLM3, INTERNLM2, QWEN2_5
from tiny import FAMILIES, small_sentencepiece_model, write_json

from chat_adapters.adapters import ADAPTERS, get
from chat_adapters.toolkit.checkpoint import NoCheckpointError, locate, read
from chat_adapters.toolkit.doctor import examine
from chat_adapters.toolkit.launch import generation_folder
from chat_adapters.toolkit.strategies import json_values
from chat_adapters.vllm_plugin import MODE, backend


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


@pytest.mark.parametrize(
    "model",
    [
        {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "[UNK]"},
        {
            "type": "WordPiece",
            "vocab": {"a": 0},
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
        },
        {"type": "Unigram", "vocab": [["a", 0.0]], "unk_id": None},
    ],
    ids=lambda model: str(model["type"]),
)
def test_a_tokenizer_that_fails_at_unknown_words_is_refused(model: dict[str, object], tmp_path: Path) -> None:
    folder = tiny(tmp_path, "qwen2_5", QWEN2_5)
    change(folder / "tokenizer.json", {"model": model, "pre_tokenizer": None, "post_processor": None})
    assert codes(look(folder), "error") == {"tokenizer"}


def test_a_panic_of_the_library_is_a_finding(tmp_path: Path) -> None:
    folder = tiny(tmp_path, "qwen2_5", QWEN2_5)
    normalizer = {"type": "Precompiled", "precompiled_charsmap": "AAAA"}
    change(folder / "tokenizer.json", {"normalizer": normalizer})
    done = run("doctor", str(folder), "--json")
    assert done.returncode == 1
    assert "tokenizer" in [finding["code"] for finding in json.loads(done.stdout)["findings"]]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_who_stops_the_program_is_obeyed(
    stop: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def from_file(path: str) -> None:
        raise stop

    monkeypatch.setattr(backend, "Tokenizer", SimpleNamespace(from_file=from_file))
    folder = tiny(tmp_path, "qwen2_5", QWEN2_5)
    with pytest.raises(stop):
        look(folder)


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


PADDING = {
    "strategy": {"Fixed": 8},
    "direction": "Right",
    "pad_to_multiple_of": None,
    "pad_id": 0,
    "pad_type_id": 0,
    "pad_token": "x",
}
TRUNCATION = {"direction": "Right", "max_length": 1, "strategy": "LongestFirst", "stride": 0}


@pytest.mark.parametrize(
    "more", [{"padding": PADDING}, {"truncation": TRUNCATION}], ids=["padding", "truncation"]
)
def test_a_tokenizer_that_asks_to_pad_or_to_cut(
    more: dict[str, object], vllm_installed: None, tmp_path: Path
) -> None:
    folder = tiny(tmp_path, "qwen2_5", QWEN2_5)
    change(folder / "tokenizer.json", more)
    agrees_with_vllm(folder, "qwen2_5")


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


@pytest.mark.parametrize("name", ["", "a" * 300, "a/" + "b" * 300, "no/such/folder", "a\0b"])
def test_a_name_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(NoCheckpointError):
        locate(name)


def test_a_folder_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    folder = tiny(tmp_path / "barred" / "tiny", "qwen2_5", QWEN2_5)
    for path in (folder, folder.parent):
        path.chmod(0)
        try:
            if os.access(path, os.R_OK):
                pytest.skip("this user may read everything")
            with pytest.raises(NoCheckpointError, match="cannot be looked at"):
                locate(str(folder))
        finally:
            path.chmod(0o755)


def test_a_repository_of_the_hub(tmp_path: Path) -> None:
    cached = tmp_path / "hub" / "models--somebody--tiny"
    tiny(cached / "snapshots" / "abc", "qwen2_5", QWEN2_5)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("abc")
    report = json.loads(run("doctor", "somebody/tiny", "--json", HF_HOME=str(tmp_path)).stdout)
    assert (report["ok"], report["adapter"]) == (True, "qwen2_5")
    assert "somebody/tiny" in report["command"]
    assert f"{tmp_path}:/root/.cache/huggingface" in report["docker"]


def test_a_missing_library_is_a_finding(tmp_path: Path) -> None:
    folder = str(tiny(tmp_path, "qwen2_5", QWEN2_5))
    done = run("doctor", folder, first="sys.modules['tokenizers'] = None")
    assert done.returncode == 1
    assert "tokenizers is not installed" in done.stdout
    assert "vllm-chat-adapters[chatglm3]" in done.stdout
