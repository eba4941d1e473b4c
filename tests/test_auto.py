"""`auto` takes the adapter whose signs the checkpoint shows, and refuses to guess."""

from pathlib import Path
from typing import Any

import pytest
from official import CHATGLM3, INTERNLM2, LLAMA3, QWEN2, QWEN2_5, R1_DISTILL

from chat_adapters.adapters import ADAPTERS, TokenizerError, choose

CHATML = {"<|im_start|>", "<|im_end|>", "<|endoftext|>"}
LLAMA = set(ADAPTERS["llama3_1"].tokens)
R1 = set(ADAPTERS["r1_distill"].tokens)


@pytest.mark.parametrize(
    ("tokens", "template", "name"),
    [
        (LLAMA, LLAMA3, "llama3_1"),
        (CHATML | {"✿"}, QWEN2, "qwen2"),
        (CHATML | {"✿", "<tool_call>", "</tool_call>"}, QWEN2_5, "qwen2_5"),
        (set(ADAPTERS["internlm2_5"].tokens), INTERNLM2, "internlm2_5"),
        (set(ADAPTERS["chatglm3"].tokens), CHATGLM3, "chatglm3"),
        (R1 | {"<tool_call>", "✿"}, R1_DISTILL, "r1_distill"),
        (R1 | LLAMA | {"<|python_tag|>"}, R1_DISTILL, "r1_distill"),
        (CHATML, QWEN2_5, "qwen2_5"),  # a fine-tune of Qwen2 that was taught <tool_call>
    ],
)
def test_chosen(tokens: set[str], template: str, name: str) -> None:
    assert choose(ADAPTERS.values(), tokens.__contains__, template).name == name


@pytest.mark.parametrize(
    ("tokens", "template", "message"),
    [
        (set(), None, r"llama3_1: the tokenizer does not know <\|begin_of_text\|>"),
        (CHATML, None, "qwen2_5: .* template is missing"),
        (CHATML, "{{ messages }}", "qwen2_5: .* does not say"),
        (CHATML | {"✿", "<tool_call>"}, QWEN2, "qwen2: the tokens are there"),  # Qwen3-Coder and its like
        (R1 | {"<｜tool▁calls▁begin｜>"}, R1_DISTILL, "r1_distill: the tokens are there"),  # R1 itself
        (CHATML | {"✿"} | LLAMA, QWEN2 + LLAMA3, "llama3_1: fits; qwen2: fits"),
    ],
)
def test_refused(tokens: set[str], template: str | None, message: str) -> None:
    with pytest.raises(TokenizerError, match=f"auto does not guess.*{message}"):
        choose(ADAPTERS.values(), tokens.__contains__, template)


@pytest.mark.parametrize(
    ("name", "template"),
    [
        ("llama3_1", LLAMA3),
        ("qwen2", QWEN2),
        ("qwen2_5", QWEN2_5),
        ("internlm2_5", INTERNLM2),
        ("r1_distill", R1_DISTILL),
    ],
)
def test_vllm_starts_with_the_adapter_or_not_at_all(name: str, template: str, tmp_path: Path) -> None:
    pytest.importorskip("vllm", reason="vLLM is not installed: pip install 'vllm-chat-adapters[cpu]'")
    from releases import need
    from tiny import FAMILIES, write_tiny_checkpoint
    from transformers import AutoTokenizer
    from vllm.parser.parser_manager import ParserManager

    from chat_adapters.vllm_plugin import register

    need("0.32", "refusal of its own for a parser that does not fit the tokenizer")
    register()
    checkpoint = write_tiny_checkpoint(tmp_path, FAMILIES[name])
    tokenizer: Any = AutoTokenizer.from_pretrained(checkpoint)
    with pytest.raises(
        TypeError, match=r"--tool-call-parser auto cannot be used with .* auto does not guess"
    ):
        ParserManager.get_parser("auto", enable_auto_tools=True, model_name="m", tokenizer=tokenizer)

    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    tokenizer.chat_template = template
    if name == "qwen2":
        tokenizer.add_tokens(["✿"])  # as in the real vocabulary
    parser: Any = ParserManager.get_parser(
        "auto", enable_auto_tools=True, model_name="m", tokenizer=tokenizer
    )
    assert parser(tokenizer).tool_parser.adapter is ADAPTERS[name]


@pytest.mark.parametrize(
    ("name", "template"),
    [
        ("llama3_1", LLAMA3),
        ("qwen2", QWEN2),
        ("qwen2_5", QWEN2_5),
        ("internlm2_5", INTERNLM2),
        ("chatglm3", CHATGLM3),
        ("r1_distill", R1_DISTILL),
    ],
)
def test_real_tokenizers_through_vllm(shared_dir: Path, tmp_path: Path, name: str, template: str) -> None:
    pytest.importorskip("vllm", reason="vLLM is not installed: pip install 'vllm-chat-adapters[cpu]'")
    from real_tokenizers import real_tokenizer
    from transformers import AutoTokenizer
    from vllm.tool_parsers import ToolParserManager

    from chat_adapters.vllm_plugin import register
    from chat_adapters.vllm_plugin.tool_parser import AdapterToolParser

    register()
    folder = real_tokenizer(name, shared_dir, tmp_path / "made")
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = template
    parser = ToolParserManager.get_tool_parser("auto")(tokenizer)
    assert isinstance(parser, AdapterToolParser)
    assert parser.adapter is ADAPTERS[name]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with pytest.raises(TokenizerError, match="auto does not guess"):  # it carries no template
        ToolParserManager.get_tool_parser("auto")(tokenizer)
