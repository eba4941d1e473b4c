"""What the programs of this folder share: two tools, a question, their command line and what they print."""

import argparse
import json
from collections.abc import Callable

__all__ = ["QUESTION", "SCHEMAS", "TOOLS", "call", "difference", "get_weather", "options", "report"]

QUESTION = "By how much is 東京 warmer than Paris?"
TEMPERATURES = {"Paris": 18, "東京": 25}
executed: list[tuple[str, dict[str, object]]] = []


def get_weather(city: str) -> str:
    """The temperature in a city, in degrees Celsius."""
    executed.append(("get_weather", {"city": city}))
    return json.dumps({"city": city, "celsius": TEMPERATURES[city]}, ensure_ascii=False)


def difference(a: int, b: int) -> str:
    """One number less another."""
    executed.append(("difference", {"a": a, "b": b}))
    return str(a - b)


TOOLS: dict[str, Callable[..., str]] = {"get_weather": get_weather, "difference": difference}
TYPES = {str: "string", int: "integer"}
SCHEMAS: list[dict[str, object]] = [
    {
        "name": name,
        "description": tool.__doc__,
        "parameters": {
            "type": "object",
            "properties": {
                key: {"type": TYPES[kind]} for key, kind in tool.__annotations__.items() if key != "return"
            },
            "required": [key for key in tool.__annotations__ if key != "return"],
            "additionalProperties": False,
        },
    }
    for name, tool in TOOLS.items()
]
"""Name, description and parameters of each, for clients that do not find them out themselves."""


def call(name: str, arguments: str) -> str:
    """The result of a call as a model wrote it."""
    return TOOLS[name](**json.loads(arguments))


def options() -> argparse.Namespace:
    """`base_url` (with /v1), `model` and `stream`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("base_url")
    parser.add_argument("model")
    parser.add_argument("--stream", action="store_true")
    return parser.parse_args()


def report(answer: object) -> None:
    """Print the calls that were executed, and the final answer."""
    print(json.dumps({"calls": executed, "answer": answer}, ensure_ascii=True))
