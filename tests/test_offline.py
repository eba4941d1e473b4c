"""Calls without a server: `read_message` and its kin, vLLM's LLM, transformers, and the programs of docs/offline.md."""

import ast
import json
import os
import re
import subprocess
import sys
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("vllm", reason="vLLM is not installed: pip install 'vllm-chat-adapters[cpu]'")

from offline import ANSWER, CALL, TEXT, WEATHER
from recorded import FIXTURES, load, output, reading
from replies import faults, tool
from taught import teach
from tiny import FAMILIES, write_tiny_checkpoint
from transformers import AutoTokenizer

from chat_adapters.adapters import (
    ADAPTERS,
    Adapter,
    TokenizerError,
    ToolNameError,
    as_tools,
    get,
    read_message,
    read_template,
    stops,
)
from chat_adapters.toolkit.writing import write_reply

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "offline.md").read_text("utf-8")
PROGRAMS = dict(
    zip(("vLLM", "transformers"), re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL), strict=True)
)
(PRINTED,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
CASES = [
    path.parent
    for path in sorted(FIXTURES.glob("*/*/output.txt"))
    if load(path.parent, "request").get("tools")
]


# What is said of a text


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_a_recorded_reply_is_a_message(case: Path) -> None:
    """With and without its stop token, which transformers leaves in the text."""
    adapter, tools, expected = get(case.parent.name), load(case, "request")["tools"], reading(case)
    content = expected["content"] or ""
    for end in ("", adapter.stop_tokens[0], adapter.stop_tokens[0] * 2):
        message = read_message(adapter, output(case) + end, tools)
        calls = message.get("tool_calls", [])
        assert [
            {"name": call["function"]["name"], "arguments": json.loads(call["function"]["arguments"])}
            for call in calls
        ] == expected["tool_calls"]
        assert message["content"] == (content if content.strip() or not calls else None)
        assert len({call["id"] for call in calls}) == len(calls)


def test_a_message_is_what_openai_calls_one() -> None:
    adapter = get("qwen2_5")
    text = write_reply(adapter.format, CALL, text=TEXT)
    for tools in ([WEATHER], [WEATHER["function"]]):
        message = read_message(adapter, text, tools)
        (call,) = message["tool_calls"]
        function = {"name": CALL[0], "arguments": CALL[1]}
        assert message == {
            "role": "assistant",
            "content": TEXT,
            "tool_calls": [{"id": call["id"], "type": "function", "function": function}],
        }
        assert re.fullmatch("call_[0-9a-f]{32}", call["id"])
    assert read_message(adapter, text) == {"role": "assistant", "content": text}


@pytest.mark.parametrize(
    ("dialects", "read"), [(None, "react"), ([], ""), (["fenced_json"], "fenced"), (["react"], "react")]
)
def test_a_message_is_read_in_these_dialects(dialects: list[str] | None, read: str) -> None:
    """Without a word, in those that a server reads without a setting."""
    arguments = json.dumps({"city": "Paris"})
    replies = {
        "react": f"Action: get_weather\nAction Input: {arguments}",
        "fenced": f'```json\n{{"name": "get_weather", "arguments": {arguments}}}\n```',
    }
    for title, text in replies.items():
        message = read_message(get("qwen2_5"), text, [WEATHER], dialects=dialects)
        assert ("tool_calls" in message) == (title == read)


def test_a_message_has_what_the_schema_asks_for_if_that_is_wanted() -> None:
    days = tool("get_weather", {"type": "object", "properties": {"days": {"type": "integer"}}})
    text = '<tool_call>{"name": "get_weather", "arguments": {"days": "3"}}</tool_call>'
    for coercions, left in ((), '{"days": "3"}'), (["integer"], '{"days": 3}'):
        (call,) = read_message(get("qwen2_5"), text, [days], coercions=coercions)["tool_calls"]
        assert call["function"]["arguments"] == left


def test_tools_are_read_from_either_shape() -> None:
    bare = tool("get_time")
    assert as_tools([WEATHER, bare["function"]]) == [
        ("get_weather", WEATHER["function"]["parameters"]),
        ("get_time", None),
    ]


@pytest.mark.parametrize("tool", [{"type": "web_search"}, {"type": "function", "function": {}}])
def test_a_tool_without_a_name_is_refused(tool: dict[str, Any]) -> None:
    with pytest.raises(ToolNameError, match="has no name"):
        read_message(get("qwen2_5"), "", [WEATHER, tool])


@pytest.mark.parametrize("adapter", ADAPTERS.values(), ids=ADAPTERS)
def test_a_stop_token_that_is_spelled_in_a_reply_stays(adapter: Adapter) -> None:
    """HTML has `</s>`, too: a text cannot be cut at the first."""
    for token in adapter.stop_tokens:
        arguments = {"city": f"<s>Rome{token} Paris"}
        reply = write_reply(adapter.format, ("get_weather", json.dumps(arguments)))
        (call,) = read_message(adapter, reply + adapter.stop_tokens[0], [WEATHER])["tool_calls"]
        assert json.loads(call["function"]["arguments"]) == arguments


def test_padding_is_cut_by_the_ids(tmp_path: Path) -> None:
    """As the page's second program does."""
    adapter = get("llama3_1")
    tokenizer: Any = AutoTokenizer.from_pretrained(write_tiny_checkpoint(tmp_path, FAMILIES[adapter.name]))
    padding = tokenizer.convert_tokens_to_ids(["<|begin_of_text|>"]) * 3
    (end, *_) = ends = stops(adapter, tokenizer)["stop_token_ids"]
    ids = [*tokenizer.encode(TEXT, add_special_tokens=False), end, *padding]
    assert read_message(adapter, tokenizer.decode(ids))["content"] != TEXT
    text = tokenizer.decode(list(takewhile(lambda id: id not in ends, ids)))
    assert read_message(adapter, text)["content"] == TEXT


@pytest.mark.parametrize("adapter", ADAPTERS.values(), ids=ADAPTERS)
def test_a_tokenizer_of_another_family_is_refused(adapter: Adapter, tmp_path: Path) -> None:
    other = "llama3_1" if adapter.name.startswith("qwen") else "qwen2_5"
    tokenizer = AutoTokenizer.from_pretrained(write_tiny_checkpoint(tmp_path, FAMILIES[other]))
    with pytest.raises(TokenizerError, match="choose the adapter of its family"):
        stops(adapter, tokenizer)


# vLLM's LLM


def run(*arguments: str, workdir: Path) -> str:
    """What a program prints, in a process of its own that can replay."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "tests" / "serving"),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "VLLM_CACHE_ROOT": str(workdir / "cache"),
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_LOGGING_LEVEL": "ERROR",  # its log goes where programs print
        "VLLM_NO_USAGE_STATS": "1",
    }
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=workdir,
        env=environment,
        capture_output=True,
        check=False,
        encoding="utf-8",
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


# The page's program is qwen2_5; ChatGLM3 differs most from it. Each takes as long as a server.
OFFLINE = [
    pytest.param(name, marks=() if name == "chatglm3" else pytest.mark.slow, id=name) for name in FAMILIES
]


@pytest.mark.parametrize("name", OFFLINE)
def test_a_conversation_without_a_server(tmp_path: Path, name: str) -> None:
    model = write_tiny_checkpoint(tmp_path / "tiny", FAMILIES[name])
    result = tmp_path / "result.json"
    program = str(ROOT / "tests" / "serving" / "offline.py")
    run(program, str(model), name, str(result), workdir=tmp_path)
    came = json.loads(result.read_text("utf-8"))
    first, second = came["turns"]
    calls = [call["function"] for call in first["message"]["tool_calls"]]
    assert [(call["name"], call["arguments"]) for call in calls] == [CALL]
    assert first["message"]["content"] == TEXT
    assert second["message"] == {"role": "assistant", "content": ANSWER}
    # The second prompt goes on where the first reply has ended: what an engine keeps of it is used again.
    assert second["prompt"].startswith(first["said"])
    assert second["prompt"].count("22 degrees") == 1
    for message in came["held"]:  # written by random weights
        assert message["content"] is None
        for call in message["tool_calls"]:
            assert call["function"]["name"] == "get_weather"
            assert not list(faults(call["function"]["arguments"], WEATHER["function"]["parameters"]))


# The programs of the page


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that answers the page's conversation as the page prints it."""
    adapter = get("qwen2_5")
    folder = write_tiny_checkpoint(tmp_path_factory.mktemp("taught"), FAMILIES[adapter.name])
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    literal = re.search(r"^tools = (\[.*?^\])", PAGE, re.DOTALL | re.MULTILINE)
    assert literal
    tools = ast.literal_eval(literal[1])
    called, answer = PRINTED.splitlines()
    name, _, arguments = called.partition(" ")
    messages: list[Any] = [{"role": "user", "content": "What is the weather in Paris?"}]

    def prompt() -> str:
        text = tokenizer.apply_chat_template(
            messages,
            tools=tools,
            chat_template=read_template(adapter),
            add_generation_prompt=True,
            tokenize=False,
        )
        assert isinstance(text, str)
        return text

    lessons = []
    for reply in (write_reply(adapter.format, (name, arguments)), answer):
        lessons.append((prompt(), reply + adapter.stop_tokens[0]))
        messages.append(read_message(adapter, reply, [{"name": name}]))
        messages.append({"role": "tool", "tool_call_id": "call_1", "content": "22 degrees"})
    teach(folder, lessons)
    return folder


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_a_program_of_the_page_prints_what_the_page_says(taught: Path, tmp_path: Path, program: str) -> None:
    """But for the checkpoint's name, it is run as it is printed."""
    assert '"CHECKPOINT"' in program
    file = tmp_path / "program.py"
    file.write_text(program.replace('"CHECKPOINT"', repr(str(taught))), "utf-8")
    assert PRINTED in run(str(file), workdir=tmp_path)
