"""What vLLM's Responses route makes of our deltas, however the reply is cut: events in order, nothing lost.

A server cuts a reply where it likes: it joins tokens when it is busy. Here the cuts are given.
"""

import ast
import json
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("vllm", reason="vLLM is not installed: pip install 'vllm-chat-adapters[cpu]'")

from recorded import FIXTURES, load, output, reading, tools_of
from routes import as_responses_tool
from tiny import FAMILIES, write_tiny_checkpoint
from vllm.entrypoints.openai.responses.protocol import ResponsesRequest
from vllm.entrypoints.openai.responses.streaming_events import SimpleStreamingEventProcessor, split_delta
from vllm.parser import ParserManager

from chat_adapters.toolkit.checks import pieces
from chat_adapters.vllm_plugin import register
from chat_adapters.vllm_plugin.tokenizer import CheckpointTokenizer

CASES = [
    path.parent
    for path in sorted(FIXTURES.glob("*/*/output.txt"))
    if load(path.parent, "request").get("tools")
]
STEPS = (1, 2, 3, 5, 7, 12, 10_000)

Said = tuple[str, list[tuple[str, str]]]


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A tokenizer of each family."""
    register()
    folder = tmp_path_factory.mktemp("tiny")
    return {
        name: CheckpointTokenizer.from_pretrained(write_tiny_checkpoint(folder / name, family))
        for name, family in FAMILIES.items()
    }


@pytest.fixture
def left_out() -> Iterator[list[str]]:
    """The texts that the plugin says it has left out."""
    texts: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "left out" in record.msg:
                assert isinstance(record.args, tuple)
                texts.append(ast.literal_eval(str(record.args[1]).removeprefix(": ")))

    handler = Kept(logging.WARNING)  # repairs are told, too
    logger = logging.getLogger("vllm.chat_adapters")
    logger.addHandler(handler)
    yield texts
    logger.removeHandler(handler)


def said(tokenizer: Any, case: Path, deltas: Iterable[str]) -> Said:
    """The text and the calls of the items that vLLM says at the end of its stream."""
    asked = ResponsesRequest.model_validate(
        {"input": "?", "tools": [as_responses_tool(tool) for tool in tools_of(case)]}
    )
    made: Any = ParserManager.get_parser(tool_parser_name=case.parent.name, enable_auto_tools=True)
    parser = made(tokenizer, asked.tools)
    processor = SimpleStreamingEventProcessor(tools=asked.tools)
    deltas = list(deltas)
    for number, text in enumerate(deltas, 1):
        delta = parser.parse_delta(text, [7], asked, prompt_token_ids=[1], finished=number == len(deltas))
        for part in split_delta(delta) if delta else ():
            kind, call = processor.resolve_target_state(part)
            if processor.needs_transition(kind, call):
                processor.close_current()
                processor.open(kind, call)
            processor.emit_delta(part, None)  # type: ignore[arg-type]
    processor.close_current()
    items: list[Any] = processor.output_items
    return (
        "".join(part.text for item in items if item.type == "message" for part in item.content),
        [(item.name, item.arguments) for item in items if item.type == "function_call"],
    )


def check_is_recorded(whole: Said, message: dict[str, Any]) -> None:
    """A call that goes bad when it has been announced stays one here; in the message it is the end of the text."""
    text, calls = whole
    complete, announced = [], []
    for name, arguments in calls:
        try:
            complete.append({"name": name, "arguments": json.loads(arguments)})
        except ValueError:
            announced.append(name)
    assert complete == message["tool_calls"]
    content = message["content"] or ""
    if calls and not content.strip():
        content = ""  # as of a whole reply
    assert content.startswith(text)
    ending = content.removeprefix(text)
    assert bool(ending) == bool(announced)
    assert all(name in ending for name in announced)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_every_cut_says_the_same(tokenizers: dict[str, Any], case: Path, left_out: list[str]) -> None:
    tokenizer, reply = tokenizers[case.parent.name], output(case)
    whole = said(tokenizer, case, [*reply, ""])
    check_is_recorded(whole, reading(case))
    for step in STEPS:
        cut = pieces(reply, range(0, len(reply), step))
        assert said(tokenizer, case, [*cut, ""]) == whole
        assert left_out == []
        # vLLM's message says its text before its calls: it has no place for a text behind the end of a call, when a
        # delta is both this end and the last.
        content, calls = said(tokenizer, case, cut)
        assert (content + "".join(left_out), calls) == whole
        left_out.clear()
