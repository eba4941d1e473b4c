"""What the request middleware costs: `python benchmarks/middleware.py`, in milliseconds a request, without vLLM.

The app behind it takes the body and answers; what it takes alone is printed beside. 50 tools of three parameters each,
with descriptions, as JSON Schema and as lists; and a route that the middleware leaves alone.
"""

import asyncio
import json
import time
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from chat_adapters.vllm_plugin import OpenAICompat

TIMES = 500
PROPERTIES: dict[str, dict[str, object]] = {
    "city": {"type": "string", "description": "The city, in English, without the country"},
    "days": {"type": "integer", "description": "For how many days from today"},
    "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "description": "The unit of temperatures"},
}


def body(listed: bool) -> bytes:
    """A request with 50 tools."""
    schema = {"type": "object", "properties": PROPERTIES, "required": ["city"]}
    entries = [{"name": name, **words, "required": name == "city"} for name, words in PROPERTIES.items()]
    tools = [
        {
            "type": "function",
            "function": {
                "name": f"get_weather_{number}",
                "description": "The weather of the next days in a city, with temperatures and rain.",
                "parameters": entries if listed else schema,
            },
        }
        for number in range(50)
    ]
    return json.dumps({"messages": [{"role": "user", "content": "Paris?"}], "tools": tools}).encode()


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Takes the request and answers."""
    while (await receive())["more_body"]:
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


async def milliseconds(served: Any, path: str, sent: bytes) -> float:
    """The median for a request."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": sent, "more_body": False}

    async def send(message: Any) -> None:
        pass

    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        await served({"type": "http", "method": "POST", "path": path, "headers": []}, receive, send)
        took.append(time.perf_counter() - began)
    return 1000 * median(took)


def main() -> None:
    table = Table("request", "bytes", "app alone, ms", "with the middleware, ms", box=None)
    for label, path, sent in (
        ("50 tools, JSON Schema", "/v1/chat/completions", body(listed=False)),
        ("50 tools, lists of parameters", "/v1/chat/completions", body(listed=True)),
        ("another route", "/v1/completions", body(listed=False)),
    ):
        took = [asyncio.run(milliseconds(served, path, sent)) for served in (app, OpenAICompat(app))]
        table.add_row(label, f"{len(sent):,}", *(f"{each:.3f}" for each in took))
    Console().print(table)


if __name__ == "__main__":
    main()
