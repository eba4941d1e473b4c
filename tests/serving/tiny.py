"""Tiny checkpoints that the real vLLM serves on a CPU with random weights.

A family is data: its architecture, and the tokens that its adapter names. The tokenizer is made on the spot: of bytes,
so every text comes back as it went in, and trained on the few lines below, so that common pieces of prose, JSON and
code are one token each and cuts between tokens fall where a real tokenizer's might. ChatGLM3's is a `tokenizer.model`,
as its real checkpoint has it; that and InternLM2's name code for what vLLM shall do without.
"""

import io
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sentencepiece import SentencePieceTrainer
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from chat_adapters.adapters import Adapter
from chat_adapters.adapters.chatglm3 import CHATGLM3
from chat_adapters.adapters.internlm2_5 import INTERNLM2_5
from chat_adapters.adapters.llama3_1 import LLAMA3_1
from chat_adapters.adapters.qwen2 import QWEN2
from chat_adapters.adapters.qwen2_5 import QWEN2_5
from chat_adapters.adapters.r1_distill import R1_DISTILL
from chat_adapters.vllm_plugin import MODE
from chat_adapters.vllm_plugin.chatglm3 import build_tokenizer

__all__ = ["ALL_STOP_TOKENS", "FAMILIES", "Family", "write_tiny_checkpoint"]

VOCABULARY = 768
TEXT = """\
You are a helpful assistant. The user asks what the weather is like in Paris, Rome and Beijing today.
# Tools: You may call one or more functions to assist with the user query. You are provided with function signatures.
For each function call, return a json object with function name and arguments. Let me check that for you.
{"type": "function", "function": {"name": "get_weather", "description": "", "parameters": {"type": "object"}}}
{"name": "get_weather", "arguments": {"city": "Paris", "days": 3, "metric": true, "tags": ["a", "b"], "x": null}}
{"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"], "items": []}
{"name": "amap_weather", "arguments": {"location": "海淀区"}}
system user assistant tool function observation role content true false null string integer number array
北京市海淀区天气怎么样？今天晴，气温二十五度。请告诉我城市或区的具体名称，谢谢。我来查一下天气。
def get_weather(city: str, days: int = 3) -> dict:
    return {"city": city, "temperature": 21.5, "sky": "clear"}
print(get_weather(city='Paris', days=1 + 2))
"""
RUNS = "\n".join(character * 64 for character in '{}[]"\\ \n')
"""Runs become long tokens, so that a reply of thousands of braces fits into a short context."""


ALL_STOP_TOKENS = "generation"
"""The folder in a tiny checkpoint that is to it what `chat-adapters generation-config` prints for a real one."""


@dataclass(frozen=True, slots=True)
class Family:
    """One adapter's checkpoint: its architecture, and what its tokenizer does besides knowing the adapter's tokens."""

    adapter: Adapter
    config: Mapping[str, object]
    plain: tuple[str, ...] = ()
    """Tokens that the tokenizer knows as one but does not call special."""
    begin: str | None = None
    """The special token that the tokenizer puts before every text when it is asked for special tokens."""
    arguments: tuple[str, ...] = ("--tokenizer-mode", MODE)
    """How vLLM is to serve it, besides the parser and the template: as it is recommended."""
    vocabulary: str = "vocab_size"
    """What its configuration calls the number of tokens."""

    @property
    def special(self) -> tuple[str, ...]:
        """The tokens of its turns that the tokenizer calls special."""
        return tuple(token for token in self.adapter.tokens if token not in self.plain)


QWEN2_CONFIG = {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_act": "silu"}
LLAMA_CONFIG = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu"}
CHATGLM_CONFIG = {
    "architectures": ["ChatGLMModel"],
    "model_type": "chatglm",
    "auto_map": {
        "AutoConfig": "configuration_chatglm.ChatGLMConfig",
        "AutoModel": "modeling_chatglm.ChatGLMForConditionalGeneration",
    },
    "num_layers": 2,
    "ffn_hidden_size": 128,
    "kv_channels": 32,
    "seq_length": 32768,
    "multi_query_attention": True,
    "multi_query_group_num": 1,
    "add_qkv_bias": True,
    "original_rope": True,
}
INTERNLM2_CONFIG = {
    "architectures": ["InternLM2ForCausalLM"],
    "model_type": "internlm2",
    "auto_map": {
        "AutoConfig": "configuration_internlm2.InternLM2Config",
        "AutoModelForCausalLM": "modeling_internlm2.InternLM2ForCausalLM",
    },
    "hidden_act": "silu",
    "bias": False,
}

FAMILIES = {
    family.adapter.name: family
    for family in (
        Family(LLAMA3_1, LLAMA_CONFIG, begin=LLAMA3_1.turn_tokens[0]),
        Family(QWEN2, QWEN2_CONFIG),  # no marker is a token: neither ✿ nor <tool_call>, as in the real one
        Family(
            QWEN2_5,
            QWEN2_CONFIG,
            arguments=(),  # it works without, too
            plain=(QWEN2_5.format.call.open.strip(), QWEN2_5.format.call.close.strip()),
        ),
        Family(
            R1_DISTILL,
            QWEN2_CONFIG,
            plain=(
                *R1_DISTILL.turn_tokens[1:3],
                *("<think>", "</think>"),
                *(R1_DISTILL.format.call.open.strip(), R1_DISTILL.format.call.close.strip()),
            ),
            begin=R1_DISTILL.turn_tokens[0],
        ),
        Family(CHATGLM3, CHATGLM_CONFIG, vocabulary="padded_vocab_size"),
        Family(INTERNLM2_5, INTERNLM2_CONFIG, begin="<s>"),
    )
}
"""Every family by its adapter's name."""


def write_tiny_checkpoint(directory: Path, family: Family, tokenizer_from: Path | None = None) -> Path:
    """Write a checkpoint without weights, for `--load-format dummy`, and give its folder back.

    Its settings name one stop token only, the first: a reply that ends at another one shows what the plugin adds. All
    are named in a folder of their own, for `--generation-config`.
    With `tokenizer_from`, the tokenizer files of that folder are used instead of a small new one.
    """
    end = family.adapter.stop_tokens[0]
    directory.mkdir(parents=True, exist_ok=True)
    if tokenizer_from is not None:
        for path in tokenizer_from.glob("tokenizer*"):
            shutil.copy(path, directory)
        tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    elif family.adapter is CHATGLM3:
        (directory / "tokenizer.model").write_bytes(small_sentencepiece_model())
        write_json(
            directory / "tokenizer_config.json",
            {
                "tokenizer_class": "ChatGLMTokenizer",
                "auto_map": {"AutoTokenizer": ["tokenization_chatglm.ChatGLMTokenizer", None]},
            },
        )
        tokenizer = build_tokenizer(directory / "tokenizer.model")
    else:
        tokenizer = small_tokenizer(family)
        tokenizer.save(str(directory / "tokenizer.json"))
        write_json(
            directory / "tokenizer_config.json",
            {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "bos_token": family.begin,
                "eos_token": end,
                "unk_token": None,  # as the real ones say; left out, transformers takes <|endoftext|> for Qwen2
                "pad_token": end,
                "additional_special_tokens": list(family.special),
                "clean_up_tokenization_spaces": False,
                "model_max_length": 32768,
            },
        )
    stop = tokenizer.token_to_id(end)
    write_json(
        directory / "config.json",
        {
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "max_position_embeddings": 32768,
            "rms_norm_eps": 1e-06,
            "rope_theta": 10000.0,
            "tie_word_embeddings": False,
            "torch_dtype": "float32",
            # No more rows than tokens: a random model would pick ids that no grammar and no text knows.
            family.vocabulary: tokenizer.get_vocab_size(with_added_tokens=True),
            "eos_token_id": stop,
            "pad_token_id": stop,
            **family.config,
        },
    )
    write_json(directory / "generation_config.json", {"eos_token_id": stop, "pad_token_id": stop})
    (directory / ALL_STOP_TOKENS).mkdir(exist_ok=True)
    every = [tokenizer.token_to_id(token) for token in family.adapter.stop_tokens]
    write_json(directory / ALL_STOP_TOKENS / "generation_config.json", {"eos_token_id": every})
    return directory


def small_tokenizer(family: Family) -> Tokenizer:
    """The same tokenizer every time, for the same family."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([TEXT, RUNS], trainer)
    tokens = dict.fromkeys((*filter(None, [family.begin]), *family.special))
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in tokens])
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in family.plain])
    if family.begin:
        begin = (family.begin, tokenizer.token_to_id(family.begin))
        tokenizer.post_processor = processors.Sequence(
            [
                processors.ByteLevel(trim_offsets=False),
                processors.TemplateProcessing(single=f"{family.begin} $A", special_tokens=[begin]),
            ]
        )
    return tokenizer


def small_sentencepiece_model() -> bytes:
    """The same model every time: as ChatGLM3's, it changes no text and writes in bytes what it has no piece for."""
    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter((TEXT + RUNS).splitlines()),
        model_writer=model,
        model_type="bpe",
        vocab_size=VOCABULARY,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,  # the template indents the tools
        num_threads=1,
        minloglevel=2,
    )
    return model.getvalue()


def write_json(path: Path, value: Mapping[str, object]) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
