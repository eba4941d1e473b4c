"""`render`, `parse` and `grammar`, as a shell runs them; and the page about them, docs/inspect.md."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

pytest.importorskip(
    "markdown_it", reason="markdown-it-py is not installed: pip install 'vllm-chat-adapters[dev]'"
)
from pages import ROOT, Block, blocks

from chat_adapters.adapters import get
from chat_adapters.toolkit.cli import app
from chat_adapters.toolkit.tracing import trace

pytest.importorskip("jinja2", reason="jinja2 is not installed: pip install 'vllm-chat-adapters[kit]'")

PAGE = ROOT / "docs" / "inspect.md"
REFUSED = {
    "history_bare_call": "a call without the word function",
    "history_code_string": "arguments that are no JSON",
    "number_results": "a content that is a number",
    "results_data": "a content that is an object",
}
"""Cases that a server refuses, and whose prompt only the template makes."""
LOADED = {"builtin_string_arguments", "history_string_arguments"}
"""Cases whose arguments a server makes objects of before the template sees them."""
PROMPTS = sorted(
    path.parent
    for path in (ROOT / "fixtures").glob("*/*/prompt.txt")
    if path.parent.name not in REFUSED.keys() | LOADED
)
WEATHER: dict[str, Any] = {
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
REQUEST: dict[str, Any] = {
    "messages": [{"role": "user", "content": "?"}],
    "tools": [{"type": "function", "function": WEATHER}],
}
CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Rome"}}\n</tool_call>'


def run(*arguments: str, stdin: str | bytes | None = None, code: int = 0) -> str:
    done = CliRunner().invoke(app, arguments, input=stdin)
    assert done.exit_code == code, done.output
    return done.output


def written(folder: Path, value: Any) -> str:
    path = folder / "request.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value), "utf-8")
    return str(path)


# render


@pytest.mark.parametrize("case", PROMPTS, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_a_request_renders_as_its_golden_prompt(case: Path) -> None:
    said = run("render", str(case / "request.json"), "--adapter", case.parent.name, "--json")
    assert json.loads(said)["prompt"] == (case / "prompt.txt").read_bytes().decode()


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_server_refuses_is_refused(name: str) -> None:
    for case in sorted((ROOT / "fixtures").glob(f"*/{name}")):
        said = run("render", str(case / "request.json"), "--adapter", case.parent.name, code=2)
        assert "messages: " in said


def test_a_prompt_is_shown_as_it_is(tmp_path: Path) -> None:
    said = run("render", written(tmp_path, REQUEST), "--adapter", "qwen2_5")
    prompt = json.loads(run("render", str(tmp_path / "request.json"), "--adapter", "qwen2_5", "--json"))[
        "prompt"
    ]
    assert said == prompt + "\n"


def test_special_tokens_are_coloured(tmp_path: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("chat-adapters"), "render", written(tmp_path, REQUEST), "--adapter", "qwen2_5"],
        capture_output=True, text=True, check=True, env={**os.environ, "FORCE_COLOR": "1", "TERM": "xterm"},
    )  # fmt: skip
    assert re.search(r"\x1b\[[0-9;]+m<\|im_start\|>\x1b\[0m", done.stdout)


def test_requests_in_older_styles_render_as_the_new_ones(tmp_path: Path) -> None:
    older = {
        "messages": REQUEST["messages"],
        "functions": [
            {"name": "get_weather", "parameters": [{"name": "city", "type": "str", "required": True}]}
        ],
    }
    new = run("render", written(tmp_path, REQUEST), "--adapter", "llama3_1")
    assert run("render", written(tmp_path, older), "--adapter", "llama3_1") == new


def test_ids(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[?]": 0, "<|im_start|>": 1}, unk_token="[?]"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.Split("\n", "isolated")
    words.add_special_tokens(["<|im_start|>"])
    words.save(str(tmp_path / "tokenizer.json"))
    options = (written(tmp_path, REQUEST), "--adapter", "qwen2_5", "--ids", str(tmp_path))
    said = json.loads(run("render", *options, "--json"))
    assert "".join(token["text"] for token in said["tokens"]) == said["prompt"]
    assert said["tokens"][0] == {"id": 1, "text": "<|im_start|>"}
    assert run("render", *options).splitlines()[0].split() == ["1", "<|im_start|>"]


# parse


@pytest.mark.parametrize("size", ["1", "7", "1000"])
def test_a_stream_joins_to_the_message(tmp_path: Path, size: str) -> None:
    options = ("--adapter", "qwen2_5", "--tools", written(tmp_path, REQUEST))
    message = json.loads(run("parse", "-", *options, stdin=f"Hi.\n{CALL}\n{CALL}"))
    content, arguments = "", ["", ""]
    for line in run("parse", "-", *options, "--delta", size, stdin=f"Hi.\n{CALL}\n{CALL}").splitlines():
        delta = json.loads(line)
        content += delta.get("content", "")
        for call in delta.get("tool_calls", ()):
            arguments[call["index"]] += call["function"]["arguments"]
    assert message["content"] == content == "Hi."
    assert [call["function"]["arguments"] for call in message["tool_calls"]] == arguments


def test_the_trace_for_programs_is_the_trace(tmp_path: Path) -> None:
    text = f"Hi {CALL} <tool_call>!"
    options = ("--adapter", "qwen2_5", "--tools", written(tmp_path, REQUEST["tools"]), "--delta", "9")
    said = json.loads(run("parse", "-", *options, "--trace", "--json", stdin=text))
    expected = trace(get("qwen2_5"), text, REQUEST["tools"], deltas=9).as_json()
    assert said == json.loads(json.dumps(expected))


@pytest.mark.parametrize(
    ("text", "options", "calls"),
    [
        ('{"name": "get_weather", "arguments": {}}', (), False),
        ('{"name": "get_weather", "arguments": {}}', ("--dialects", "bare_json"), True),
        ("<tool_call>{'name': 'get_weather', \"arguments\": {}}", (), True),
        ("<tool_call>{'name': 'get_weather', \"arguments\": {}}", ("--repairs", "none"), False),
        ('<tool_call>{"name": "no", "arguments": {}}', (), True),
        ('<tool_call>{"name": "no", "arguments": {}}', ("--unknown-tools", "content"), False),
    ],
)
def test_settings(tmp_path: Path, text: str, options: tuple[str, ...], calls: bool) -> None:
    said = run(
        "parse", "-", "--adapter", "qwen2_5", "--tools", written(tmp_path, REQUEST), *options, stdin=text
    )
    assert ("tool_calls" in json.loads(said)) == calls


@pytest.mark.parametrize(
    "options", [(), ("--delta", "3"), ("--trace",), ("--trace", "--delta", "3"), ("--json",)]
)
def test_a_terminal_obeys_no_reply(tmp_path: Path, options: tuple[str, ...]) -> None:
    ugly = "\x1b[31m\x9b2J\x07\u202e\r\x7f"
    text = f'{ugly}<tool_call>{{"name": "no{ugly[:0]}", "arguments": {{"a": "{ugly[1:]}'
    said = run(
        "parse", "-", "--adapter", "qwen2_5", "--tools", written(tmp_path, REQUEST), *options, stdin=text
    )
    assert "\\x1b" in said or "\\u001b" in said
    assert not set(ugly) & set(said) - set("[31m2J")


# grammar


@pytest.mark.parametrize(
    ("choice", "text", "place", "expected"),
    [
        ("required", CALL, None, ""),
        ("required", f"{CALL}\n{CALL}", None, ""),
        ("required", f"Hi {CALL}", 0, '<tool_call>\\n{"name": "get_weather", "arguments": '),
        ("required", CALL[:-3], len(CALL) - 3, "ll>"),
        ("required", CALL.replace('"Rome"', "7"), CALL.index('"Rome"'), '"'),
        ({"type": "function", "function": {"name": "get_weather"}}, f"{CALL}\n{CALL}", len(CALL), "the end"),
        ("auto", f"Hi {CALL}", None, ""),
        ("auto", "Hi <tool_call>!", 14, '\\n{"name": "get_weather", "arguments": '),
    ],
)
def test_where_a_text_leaves_the_grammar(
    tmp_path: Path, choice: Any, text: str, place: int | None, expected: str
) -> None:
    pytest.importorskip("xgrammar", reason="xgrammar is not installed: pip install 'vllm-chat-adapters[kit]'")
    request = written(tmp_path, {**REQUEST, "tool_choice": choice})
    options = ("grammar", request, "--adapter", "qwen2_5", "--check", text)
    code = 0 if place is None else 1
    said, found = run(*options, code=code), json.loads(run(*options, "--json", code=code))
    assert found["admitted"] == (place is None)
    if place is not None:
        assert found["at"] == place
        assert f"character {place} " in said
        assert expected in said.splitlines()[-1]


def test_one_call_where_no_more_are_wanted(tmp_path: Path) -> None:
    pytest.importorskip("xgrammar", reason="xgrammar is not installed: pip install 'vllm-chat-adapters[kit]'")
    request = written(tmp_path, {**REQUEST, "tool_choice": "required", "parallel_tool_calls": False})
    run(
        "grammar",
        request,
        "--adapter",
        "llama3_1",
        "--check",
        '{"name": "get_weather", "parameters": {"city": "A"}}',
    )
    run("grammar", request, "--adapter", "qwen2_5", "--check", f"{CALL}\n{CALL}", code=1)


# what is wrong


@pytest.mark.parametrize(
    ("command", "request_", "why"),
    [
        ("render", "{", "this is no JSON"),
        ("render", "[]", 'an object with "messages"'),
        ("render", {"messages": []}, "there is none"),
        ("render", {**REQUEST, "tools": [{"type": "function"}]}, "tools.0"),
        ("render", {**REQUEST, "tools": 3}, "array"),
        ("render", {**REQUEST, "chat_template_kwargs": 3}, "chat_template_kwargs"),
        ("render", {**REQUEST, "continue_final_message": True, "add_generation_prompt": True}, "both"),
        ("grammar", {"messages": [{}]}, "offers none"),
        ("grammar", {**REQUEST, "tool_choice": "none"}, "no grammar"),
        ("grammar", {**REQUEST, "tool_choice": 3}, "tool_choice: must be"),
        ("grammar", {**REQUEST, "tool_choice": {"function": {"name": "f"}}}, "not among the tools"),
        (
            "grammar",
            {**REQUEST, "tools": [{"function": {"name": "f", "strict": True, "parameters": {"type": "x"}}}]},
            "tool 'f'",
        ),
    ],
)
def test_what_is_wrong_with_a_request_is_said_in_one_line(
    tmp_path: Path, command: str, request_: Any, why: str
) -> None:
    said = run(command, written(tmp_path, request_), "--adapter", "qwen2_5", code=2)
    assert said.count("\n") == 1
    assert why in said


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("render", "no_such_file", "--adapter", "qwen2_5"), "No such file"),
        (("parse", "no_such_file", "--adapter", "qwen2_5"), "No such file"),
        (("parse", "-", "--adapter", "qwen9"), "there is no adapter 'qwen9'"),
        (("parse", "-", "--adapter", "qwen2_5", "--dialects", "all,"), "--dialects takes"),
        (
            ("parse", "-", "--adapter", "qwen2_5", "--unknown-tools", "drop"),
            "--unknown-tools takes forward or content",
        ),
    ],
)
def test_what_is_wrong_with_the_arguments_is_said_in_one_line(arguments: tuple[str, ...], why: str) -> None:
    said = run(*arguments, stdin="", code=2)
    assert said.count("\n") == 1
    assert why in said


def test_bytes_that_are_no_text() -> None:
    assert "UTF-8" in run("parse", "-", "--adapter", "qwen2_5", stdin=b"\xff", code=2)


@pytest.mark.parametrize(
    ("module", "arguments", "name"),
    [("jinja2", ("render",), "[kit]"), ("xgrammar", ("grammar", "--check", "x"), "[kit]")],
)
def test_a_missing_library_is_named(
    tmp_path: Path, module: str, arguments: tuple[str, ...], name: str
) -> None:
    command, *options = arguments
    words = [command, written(tmp_path, REQUEST), "--adapter", "qwen2_5", *options]
    program = f"import sys; sys.modules[{module!r}] = None; from chat_adapters.toolkit import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert module in done.stderr
    assert name in done.stderr


# docs/inspect.md


def examples() -> list[tuple[Block, str | None]]:
    """The blocks that are run, each with what the page says that they print."""
    found = list(blocks(PAGE))
    return [
        (block, after.code if after and after.language == "text" else None)
        for block, after in zip(found, [*found[1:], None], strict=True)
        if block.language == "sh"
    ]


def test_the_page_shows_what_the_commands_print(tmp_path: Path) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for block, printed in examples():
        done = subprocess.run(
            ["bash", "-c", block.code],
            cwd=tmp_path,
            env={**os.environ, "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.stdout == (printed or ""), block
