"""What is measured: points on six axes, each with the reply and the request that belong to it."""

import json
from typing import Any, Literal, NamedTuple

from competitors import Call, Reply
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest, ChatCompletionToolsParam

__all__ = ["AXES", "QUICK", "WHOLE", "Point", "reply_of", "request_of"]

TOOL = "write_file"
CODE = 'def f(x):\n    return "a" + x  # 注释\n'
PROSE = "The weather is fine {here} and in [Paris]: 18 degrees, 海淀区 25.\n"
VALUES = (1, True, None, 1.5, "x")
SMALL = 16
"""Characters of one of them, with its key."""
TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null", list: "array"}


class Point(NamedTuple):
    """A reply and how it arrives."""

    kind: Literal["text", "small values", "records", "prose"] = "text"
    """One long text in the arguments, or many small values, also in small objects; or a reply with no call."""
    size: int = 1024
    """Characters of the arguments of each call, or of the prose."""
    delta: int = 4
    calls: int = 1
    tools: int = 1


AXES: dict[str, dict[str, Point]] = {
    "argument": {f"{size / 1024:g} kB": Point(size=size) for size in (256, 1024, 4096, 16384, 65536, 262144)},
    "delta": {f"{delta} characters": Point(delta=delta) for delta in (1, 4, 16, 64)},
    "calls": {f"{calls} of 0.25 kB": Point(size=256, calls=calls) for calls in (1, 4, 16, 64)},
    "prose only": {f"{size / 1024:g} kB": Point("prose", size) for size in (1024, 16384)},
    "tools": {f"{tools} offered": Point(tools=tools) for tools in (1, 20, 200)},
    "many small values": {f"{size / 1024:g} kB": Point("small values", size) for size in (1024, 4096)},
}
"""Streamed replies; where nothing else is said, one call of 1 kB, 4 characters a delta, 1 tool."""

WHOLE = {
    "one text, 64 kB": Point("text", 65536),
    "many small values, 64 kB": Point("small values", 65536),
    "small objects, 64 kB": Point("records", 65536),
}
"""Replies that are not streamed."""

QUICK: dict[str, dict[str, Point]] = {
    "argument": {"0.25 kB": Point(size=256)},
    "calls": {"2 of 0.25 kB": Point(size=256, calls=2)},
    "prose only": {"0.25 kB": Point("prose", 256)},
    "many small values": {"0.25 kB": Point("small values", 256)},
}


def reply_of(point: Point) -> Reply:
    """The reply, whatever form it is written in."""
    if point.kind == "prose":
        return Reply((PROSE * (point.size // len(PROSE) + 1))[: point.size].strip(), ())
    return Reply("", (Call(TOOL, _arguments(point)),) * point.calls)


def _arguments(point: Point) -> dict[str, Any]:
    if point.kind == "text":
        return {"path": "a.py", "content": (CODE * (point.size // len(CODE) + 1))[: point.size]}
    if point.kind == "records":
        row = {"id": 1000, "name": "row", "done": True, "note": None}
        return {"rows": [row] * (point.size // len(json.dumps(row)))}
    return {f"key_{place}": VALUES[place % len(VALUES)] for place in range(point.size // SMALL)}


def request_of(point: Point) -> ChatCompletionRequest:
    """A request that offers so many tools, of which the reply calls one."""
    properties = {name: {"type": TYPES[type(value)]} for name, value in _arguments(point).items()}
    tools = [_tool(TOOL, properties)]
    tools += [
        _tool(f"tool_{number}", {f"p{index}": {"type": "string"} for index in range(10)})
        for number in range(1, point.tools)
    ]
    return ChatCompletionRequest.model_validate(
        {"model": "m", "messages": [{"role": "user", "content": "?"}], "tools": tools, "stream": True}
    )


def _tool(name: str, properties: dict[str, Any]) -> ChatCompletionToolsParam:
    return ChatCompletionToolsParam.model_validate(
        {
            "type": "function",
            "function": {"name": name, "parameters": {"type": "object", "properties": properties}},
        }
    )
