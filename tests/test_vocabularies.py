"""Replies cut where the real vocabularies cut them. Two packages carry the vocabularies of Llama 3 and Qwen2."""

import base64
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any

import pytest

tiktoken: Any = pytest.importorskip("tiktoken", reason="tiktoken comes with vLLM, which is not installed")

from tokenizers import Tokenizer

from chat_adapters.adapters import ADAPTERS, Tool
from chat_adapters.toolkit.checks import check_cuts

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA3 = ("llama-models", "llama_models/llama3/tokenizer.model", SPLIT % "{1,3}")
QWEN2 = ("dashscope", "dashscope/resources/qwen.tiktoken", SPLIT % "")
VOCABULARIES = {"llama3_1": LLAMA3, "qwen2": QWEN2, "qwen2_5": QWEN2, "r1_distill": QWEN2}


@cache
def vocabulary(package: str, path: str, split: str) -> Any:
    try:
        (file,) = [file for file in files(package) or () if str(file) == path]
    except PackageNotFoundError:
        pytest.skip(f"{package} is not installed: `make setup` does it, for the vocabulary it carries")
    lines = Path(str(file.locate())).read_bytes().splitlines()
    ranks = {base64.b64decode(token): int(rank) for token, rank in map(bytes.split, lines)}
    return tiktoken.Encoding(package, pat_str=split, mergeable_ranks=ranks, special_tokens={})


@pytest.mark.parametrize("name", VOCABULARIES)
def test_cut_between_tokens(name: str) -> None:
    encoding = vocabulary(*VOCABULARIES[name])
    tools = [Tool("get_weather"), Tool("get_time"), Tool("save_note")]
    for path in sorted((FIXTURES / name).glob("*/output.txt")):
        text = path.read_bytes().decode()
        places = list(boundaries(encoding, text))
        check_cuts(ADAPTERS[name].format, tools, text, [places[::step] for step in (1, 3, 12)])


@pytest.mark.parametrize("name", ["chatglm3", "internlm2_5"])
def test_cut_between_pieces(name: str, shared_dir: Path) -> None:
    tokenizer = Tokenizer.from_file(str(shared_dir / "tokenizers" / name / "tokenizer.json"))
    tools = [Tool("get_weather"), Tool("get_time"), Tool("code_interpreter")]
    for path in sorted((FIXTURES / name).glob("*/output.txt")):
        text = path.read_bytes().decode()
        places = [end for _, end in tokenizer.encode(text, add_special_tokens=False).offsets]
        check_cuts(ADAPTERS[name].format, tools, text, [places[::step] for step in (1, 3, 12)])


def boundaries(encoding: Any, text: str) -> Iterator[int]:
    """Where a server cuts a reply: behind the tokens that end a character."""
    written = b""
    for token in encoding.encode_ordinary(text):
        written += encoding.decode_single_token_bytes(token)
        try:
            yield len(written.decode())
        except UnicodeDecodeError:
            continue


@pytest.mark.parametrize(
    ("name", "text", "tokens"),
    [
        ("llama3_1", '"}}', 1),  # the end of a text, of the arguments and of the call
        ("llama3_1", "};", 1),  # the end of a call and the separator
        ("qwen2", "✿FUNCTION✿", 3),
        ("qwen2", "}\n", 1),  # the end of the arguments and what leads to the next marker
        ("qwen2", "<tool_call>", 4),
    ],
)
def test_markers_are_not_tokens(name: str, text: str, tokens: int) -> None:
    assert len(vocabulary(*VOCABULARIES[name]).encode_ordinary(text)) == tokens
