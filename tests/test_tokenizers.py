"""What is registered for the checkpoints that bring code: ChatGLM3's tokenizer, and InternLM2's configuration."""

import json
import pickle
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

pytest.importorskip("transformers", reason="transformers comes with vLLM, which is not installed")
from replies import ask
from sentencepiece import SentencePieceProcessor
from server import DUMMY, Server
from tiny import ALL_STOP_TOKENS, FAMILIES, small_sentencepiece_model, write_tiny_checkpoint
from transformers import AutoConfig, AutoTokenizer

from chat_adapters.adapters import Adapter, CheckpointError
from chat_adapters.adapters.chatglm3 import CHATGLM3
from chat_adapters.adapters.internlm2_5 import INTERNLM2_5
from chat_adapters.vllm_plugin.chatglm3 import TOKENS, convert, load_tokenizer
from chat_adapters.vllm_plugin.internlm2_config import END, END_OF_TURN, InternLM2Config

ROLES = ("<|system|>", "<|user|>", "<|assistant|>", "<|observation|>")
Message = tuple[str, str, str]
"""The token of the role, the metadata and the content."""
REMOTE_CODE = 'raise SystemExit("remote code ran")  # <|observation|>\n'


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """ChatGLM3's, with code that must not run and a file to be linked."""
    folder = write_tiny_checkpoint(tmp_path / "checkpoint", FAMILIES["chatglm3"])
    for name in ("tokenization_chatglm.py", "configuration_chatglm.py", "modeling_chatglm.py"):
        (folder / name).write_text(REMOTE_CODE)
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


class Official:
    """`build_single_message` of the model's own code, for the pieces of any SentencePiece model.

    Source: tokenization_chatglm.py of THUDM/chatglm3-6b, quoted in MinusZoneAI/ComfyUI-Kolors-MZ @43ec2701.
    """

    def __init__(self, model: bytes) -> None:
        self.pieces: Any = SentencePieceProcessor(model_proto=model)
        self.special = {token: len(self.pieces) + place for place, token in enumerate(TOKENS)}

    def message(self, role: str, metadata: str, content: str) -> list[int]:
        return [
            self.special[role],
            *self.pieces.encode(metadata + "\n"),
            *self.pieces.encode(content),
        ]

    def prompt(self, messages: list[Message]) -> list[int]:
        ids = [self.special["[gMASK]"], self.special["sop"]]
        for message in messages:
            ids += self.message(*message)
        return [*ids, self.special["<|assistant|>"]]


def as_text(messages: list[Message]) -> str:
    """What a template writes for the same messages."""
    turns = (
        f"{role}{metadata}\n" + (" " + content if content else "") for role, metadata, content in messages
    )
    return "[gMASK]sop" + "".join(turns) + "<|assistant|>"


Encoders = tuple[Official, Any]
"""The official encoding, and our tokenizer of the same model."""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Encoders:
    folder = write_tiny_checkpoint(tmp_path_factory.mktemp("chatglm3"), FAMILIES["chatglm3"])
    return Official(small_sentencepiece_model()), load_tokenizer(folder)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, shared_dir: Path) -> Encoders:
    folder = tmp_path_factory.mktemp("chatglm3")
    model = (shared_dir / "tokenizers" / "chatglm3" / "tokenizer.model").read_bytes()
    (folder / "tokenizer.model").write_bytes(model)
    (folder / "config.json").write_text('{"model_type": "chatglm", "padded_vocab_size": 65024}')
    return Official(model), load_tokenizer(folder)


def ordinary(text: str) -> bool:
    """The encoding of `</s>` and `<unk>` as text is the renderer's business: transformers makes tokens of them."""
    return not any(token in text for token in (*TOKENS, "</s>", "<unk>"))


words = st.sampled_from(
    [
        *(" ", "  ", "\n", "\t", "\u3000", "é", "🙂", "北京", "天气", "people", "stop", '{"city": "Paris"}'),
        *("```python\n", "tool_call(a='b')", "\n```", "<|", "|>", "<s>", "<0x0A>", "\u2581"),
    ]
)
contents = st.lists(words | st.text(max_size=8), max_size=8).map("".join).filter(ordinary)
names = st.from_regex(r"[a-z_/-]{0,12}", fullmatch=True).filter(ordinary)
conversations = st.lists(st.tuples(st.sampled_from(ROLES), names, contents), max_size=6)


@given(messages=conversations)
@example(messages=[("<|user|>", "", "你好")])
@example(messages=[("<|assistant|>", "", ""), ("<|assistant|>", "f", "```python\ntool_call()\n```")])
def test_ids_are_those_of_the_official_encoding(messages: list[Message], small: Encoders) -> None:
    official, tokenizer = small
    assert tokenizer.encode(as_text(messages), add_special_tokens=False) == official.prompt(messages)


@given(messages=conversations)
def test_ids_of_the_real_model(messages: list[Message], real: Encoders) -> None:
    official, tokenizer = real
    assert tokenizer.encode(as_text(messages), add_special_tokens=False) == official.prompt(messages)
    for _, _, content in messages:
        back = tokenizer.decode(tokenizer.encode(content, add_special_tokens=False))
        assert back == content.replace("\u2581", " ")  # SentencePiece's sign for a blank


@pytest.mark.slow
@settings(max_examples=10_000)
@given(messages=conversations)
def test_ids_of_the_real_model_on_10_000_conversations(messages: list[Message], real: Encoders) -> None:
    official, tokenizer = real
    assert tokenizer.encode(as_text(messages), add_special_tokens=False) == official.prompt(messages)


def test_the_real_model_as_others_know_it(real: Encoders, shared_dir: Path) -> None:
    _, tokenizer = real
    assert tokenizer.convert_tokens_to_ids(list(TOKENS)) == list(range(64789, 64798))
    derived: Any = AutoTokenizer.from_pretrained(shared_dir / "tokenizers" / "chatglm3")
    for text in ("[gMASK]sop<|user|>\n 你好<|assistant|>", "people stop sop", "a  b", ""):
        assert tokenizer.encode(text) == derived.encode(text)


@pytest.mark.parametrize("adapter", [CHATGLM3, INTERNLM2_5], ids=lambda adapter: adapter.name)
def test_stop_tokens_of_the_real_models(adapter: Adapter, shared_dir: Path) -> None:
    """What `chat-adapters generation-config` names."""
    path = files(adapter.package) / "generation" / adapter.name / "generation_config.json"
    settings = json.loads(path.read_text())
    tokenizer: Any = AutoTokenizer.from_pretrained(shared_dir / "tokenizers" / adapter.name)
    stop = sorted(tokenizer.convert_tokens_to_ids(list(adapter.stop_tokens)))
    assert settings == {"eos_token_id": stop, "pad_token_id": tokenizer.pad_token_id}
    if adapter is INTERNLM2_5:
        assert stop == [END, END_OF_TURN]


def test_what_the_tokenizer_is(small: Encoders) -> None:
    official, tokenizer = small
    assert tokenizer.is_fast
    assert set(TOKENS) <= set(tokenizer.all_special_tokens)
    assert (tokenizer.eos_token, tokenizer.pad_token, tokenizer.padding_side) == ("</s>", "<unk>", "left")
    prefix = [official.special["[gMASK]"], official.special["sop"]]
    assert tokenizer.encode("people") == prefix + official.pieces.encode("people")
    assert tokenizer.encode("sop", add_special_tokens=False) == [official.special["sop"]]
    assert (
        tokenizer.decode([*tokenizer.encode("你好"), tokenizer.eos_token_id], skip_special_tokens=True)
        == "你好"
    )


def test_conversion(checkpoint: Path, tmp_path: Path) -> None:
    before = load_tokenizer(checkpoint)
    output = tmp_path / "converted"
    convert(checkpoint, output)
    assert sorted(path.name for path in output.iterdir()) == [
        *("config.json", ALL_STOP_TOKENS, "generation_config.json", "model.safetensors"),
        *("tokenizer.json", "tokenizer_config.json"),
    ]
    assert (output / "model.safetensors").resolve() == checkpoint / "model.safetensors"
    assert "auto_map" not in json.loads((output / "config.json").read_text())
    stop = json.loads((output / "generation_config.json").read_text())["eos_token_id"]
    assert sorted(before.convert_ids_to_tokens(stop)) == sorted(CHATGLM3.stop_tokens)
    after: Any = AutoTokenizer.from_pretrained(output)
    assert after.all_special_tokens == before.all_special_tokens
    for text in ("[gMASK]sop<|user|>\n 你好<|assistant|>", "people sop eop", " a  b\n"):
        assert after.encode(text) == before.encode(text)
        assert after.decode(after.encode(text)) == before.decode(before.encode(text))


@pytest.mark.parametrize("where", ["tokenizer_config.json", "chat_template.jinja"])
def test_the_checkpoints_template_is_kept(checkpoint: Path, where: str) -> None:
    template = "{{ '[gMASK]sop' }}"
    (checkpoint / where).write_text(json.dumps({"chat_template": template}) if where[0] == "t" else template)
    assert load_tokenizer(checkpoint).chat_template == template


@pytest.mark.slow
@pytest.mark.parametrize("converted", [False, True])
def test_replies_without_tools_end(
    converted: bool, checkpoint: Path, vllm_installed: None, tmp_path: Path
) -> None:
    """The two ways to serve it of docs/serving.md."""
    arguments = (*FAMILIES["chatglm3"].arguments, "--generation-config", str(checkpoint / ALL_STOP_TOKENS))
    if converted:
        convert(checkpoint, tmp_path / "converted")
        checkpoint, arguments = tmp_path / "converted", ()
    with Server(checkpoint, "chatglm3", *DUMMY, *arguments, workdir=tmp_path) as server:
        for stop in CHATGLM3.stop_tokens:
            replay = f"\n It is sunny.{stop}I go on{CHATGLM3.stop_tokens[0]}"
            reply = ask(server, replay=replay, messages=[{"role": "user", "content": "Hello"}])
            assert server.text(reply.token_ids) == server.seen(f"\n It is sunny.{stop}")
            assert reply.finish_reason == "stop"


def without_model(checkpoint: Path) -> None:
    (checkpoint / "tokenizer.model").unlink()


def cut(checkpoint: Path) -> None:
    model = checkpoint / "tokenizer.model"
    model.write_bytes(model.read_bytes()[: model.stat().st_size // 2])


def empty(checkpoint: Path) -> None:
    (checkpoint / "tokenizer.model").write_bytes(b"")


def glm4(checkpoint: Path) -> None:
    (checkpoint / "tokenizer.model").write_text("IQ== 0\nIg== 1\n")


def another_family(checkpoint: Path) -> None:
    config = json.loads((checkpoint / "config.json").read_text())
    (checkpoint / "config.json").write_text(json.dumps({**config, "model_type": "llama"}))


def chatglm2_by_its_code(checkpoint: Path) -> None:
    (checkpoint / "tokenization_chatglm.py").write_text("class ChatGLMTokenizer: ...\n")


def chatglm2_by_its_name(checkpoint: Path) -> None:
    config = json.loads((checkpoint / "config.json").read_text())
    (checkpoint / "config.json").write_text(json.dumps({**config, "_name_or_path": "THUDM/chatglm2-6b"}))


def larger_than_the_weights(checkpoint: Path) -> None:
    config = json.loads((checkpoint / "config.json").read_text())
    (checkpoint / "config.json").write_text(json.dumps({**config, "padded_vocab_size": 700}))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (without_model, "has no tokenizer.model: download"),
        (cut, "is no SentencePiece.*download it again"),
        (empty, "is no SentencePiece"),
        (another_family, "is of the family 'llama', not ChatGLM3"),
        (glm4, "is no SentencePiece BPE model .*GLM-4"),
        (chatglm2_by_its_code, "knows no .*not ChatGLM3"),
        (chatglm2_by_its_name, "is ChatGLM2 .THUDM/chatglm2-6b."),
        (larger_than_the_weights, "777 tokens, config.json has room for 700"),
    ],
)
def test_refused(checkpoint: Path, tmp_path: Path, spoil: Callable[[Path], None], message: str) -> None:
    spoil(checkpoint)
    with pytest.raises(CheckpointError, match=message):
        load_tokenizer(checkpoint)
    with pytest.raises(CheckpointError, match=message):
        convert(checkpoint, tmp_path / "converted")
    assert not (tmp_path / "converted").exists()


def test_a_conversion_does_not_link_itself(checkpoint: Path) -> None:
    convert(checkpoint, checkpoint / "converted")
    assert not (checkpoint / "converted" / "converted").exists()


def test_a_conversion_writes_over_nothing(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes").touch()
    with pytest.raises(CheckpointError, match="not an empty folder"):
        convert(checkpoint, tmp_path / "full")
    with pytest.raises(CheckpointError, match="not the folder of a checkpoint"):
        convert(checkpoint / "config.json", tmp_path / "new")


@pytest.mark.parametrize("name", FAMILIES)
def test_the_mode_and_auto(name: str, vllm_installed: None, tmp_path: Path) -> None:
    """vLLM's own way to the mode's tokenizer, and `auto` choosing by it."""
    from vllm.tokenizers.registry import get_tokenizer
    from vllm.tool_parsers import ToolParserManager

    from chat_adapters.vllm_plugin import MODE, register
    from chat_adapters.vllm_plugin.tool_parser import tool_parser_class

    register()
    checkpoint = write_tiny_checkpoint(tmp_path / "tiny", FAMILIES[name])
    for path in checkpoint.glob("*.py"):
        path.write_text(REMOTE_CODE)
    tokenizer: Any = get_tokenizer(checkpoint, tokenizer_mode=MODE)
    assert tokenizer.truncation_side == "left"
    assert tool_parser_class(FAMILIES[name].adapter)(tokenizer).adapter is FAMILIES[name].adapter
    if name == "chatglm3":
        tokenizer.chat_template = CHATGLM3.signs[0].template
        parser: Any = ToolParserManager.get_tool_parser("auto")(tokenizer)
        assert parser.adapter is CHATGLM3


def internlm2(**fields: object) -> dict[str, object]:
    return {
        "model_type": "internlm2",
        "auto_map": {"AutoConfig": "configuration_internlm2.InternLM2Config"},
        "vocab_size": 92544,
        "eos_token_id": 2,
        "bias": False,
        "rope_theta": 1000000,
        "rope_scaling": {"type": "dynamic", "factor": 2.0},
        **fields,
    }


@pytest.mark.parametrize(
    ("fields", "stop"),
    [
        ({}, [2, 92542]),
        ({"eos_token_id": [2, 92542]}, [2, 92542]),
        ({"eos_token_id": [7, 8]}, [7, 8]),
        ({"eos_token_id": 7}, 7),
        ({"vocab_size": 700}, 2),
    ],
)
def test_internlm2_configuration(fields: dict[str, object], stop: object, tmp_path: Path) -> None:
    AutoConfig.register("internlm2", InternLM2Config, exist_ok=True)
    (tmp_path / "config.json").write_text(json.dumps(internlm2(**fields)))
    (tmp_path / "configuration_internlm2.py").write_text(REMOTE_CODE)
    config: Any = AutoConfig.from_pretrained(tmp_path)
    again: Any = pickle.loads(pickle.dumps(config))
    for one in (config, again):
        kind: object = type(one)
        assert kind is InternLM2Config
        assert one.eos_token_id == stop
        assert one.bias is False
        assert one.rope_parameters["rope_theta"] == 1000000
        assert one.rope_parameters["rope_type"] == "dynamic"
