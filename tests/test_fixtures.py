"""Every recorded or constructed reply in `fixtures/` reads as its `message.json` says, however it is cut."""

import json
from pathlib import Path

import pytest

from chat_adapters.adapters import Tool, get
from chat_adapters.toolkit.checks import check_cuts, reply_of

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
CASES = sorted(path.parent for path in FIXTURES.glob("*/*/output.txt"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_reply(case: Path) -> None:
    format = get(case.parent.name).format
    text = (case / "output.txt").read_bytes().decode()
    request = json.loads((case / "request.json").read_text("utf-8"))
    functions = [tool.get("function", tool) for tool in request.get("tools") or []]
    tools = [Tool(function["name"], function.get("parameters")) for function in functions]
    message = json.loads((case / "message.json").read_text("utf-8"))

    check_cuts(format, tools, text, [range(0, len(text), step) for step in (2, 3, 7)])
    reply = reply_of(format, tools, text)
    assert reply.content == (message["content"] or "")
    assert [(call.name, json.loads(call.arguments)) for call in reply.calls] == [
        (call["name"], call["arguments"]) for call in message["tool_calls"]
    ]
