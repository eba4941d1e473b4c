"""What both measurements of prompts share: a conversation with tool calls, and the command line."""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from chat_adapters.adapters import ADAPTERS

__all__ = [
    "HERE",
    "Asked",
    "answer",
    "arguments",
    "asked",
    "conversation",
    "question",
    "result",
    "tools",
    "write",
]

HERE = Path(__file__).resolve().parent
CITIES = ("Paris", "Rome", "北京", "São Paulo", "Zürich")
TOOL = "get_weather"


class Asked(NamedTuple):
    """The command line."""

    adapters: Sequence[str]
    official: Mapping[str, Path]
    """By adapter, a file with the template that comes with the model."""
    tokenizers: Mapping[str, Path]
    """By adapter, a folder with a real tokenizer; without, a small one is made."""
    quick: Path | None
    """Where the files of a short run go."""

    @property
    def folder(self) -> Path:
        """Where the files go."""
        return self.quick or HERE


def asked(description: str | None) -> Asked:
    """Reads the command line; what is wrong with it ends the program with a message."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    named: dict[str, Any] = {"action": "append", "type": _named, "default": []}
    parser.add_argument("adapters", nargs="*", default=list(ADAPTERS), metavar="ADAPTER")
    parser.add_argument(
        "--official", **named, metavar="ADAPTER=FILE", help="the template that comes with the model"
    )
    parser.add_argument(
        "--tokenizer", **named, metavar="ADAPTER=FOLDER", help="a real one; else a small one is made"
    )
    parser.add_argument("--quick", type=Path, metavar="FOLDER", help="a few points, once, into this folder")
    given = parser.parse_args()
    if unknown := [name for name in given.adapters if name not in ADAPTERS]:
        parser.error(f"there is no adapter {unknown[0]!r}: the adapters are {', '.join(ADAPTERS)}")
    return Asked(given.adapters, dict(given.official), dict(given.tokenizer), given.quick)


def _named(text: str) -> tuple[str, Path]:
    name, _, path = text.partition("=")
    if name not in ADAPTERS:
        raise argparse.ArgumentTypeError(
            f"{text!r}: write ADAPTER=PATH, ADAPTER one of {', '.join(ADAPTERS)}"
        )
    if not Path(path).exists():
        raise argparse.ArgumentTypeError(f"there is no {path!r}")
    return name, Path(path)


def write(folder: Path, name: str, found: object, report: str) -> None:
    """The two files."""
    folder.joinpath(f"{name}.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    folder.joinpath(f"{name}.md").write_text(report, "utf-8")


def tools(count: int) -> list[dict[str, Any]]:
    """So many tools, no two the same, in OpenAI's form; the first is the one that is called."""
    names = (TOOL, *(f"{TOOL}_{number}" for number in range(1, count)))[:count]
    return [{"type": "function", "function": _function(name)} for name in names]


def _function(name: str) -> dict[str, Any]:
    properties = {
        "city": {"type": "string", "description": f"The city that {name} is asked about"},
        "days": {"type": "integer", "description": f"How many days from today {name} gives", "minimum": 1},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
    }
    return {
        "name": name,
        "description": f"The weather of the next days in a city. Its source is {name}.",
        "parameters": {"type": "object", "properties": properties, "required": ["city"]},
    }


def conversation(turns: int) -> list[dict[str, Any]]:
    """So many turns behind a system message, and a last question; a turn is question, call, result and answer."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": "Be brief, and use the tools."}]
    for turn in range(turns):
        function = {"name": TOOL, "arguments": json.dumps(arguments(turn), ensure_ascii=False)}
        call = {"id": f"call_{turn}", "type": "function", "function": function}
        messages += [
            {"role": "user", "content": question(turn)},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"call_{turn}", "content": result(turn)},
            {"role": "assistant", "content": answer(turn)},
        ]
    return [*messages, {"role": "user", "content": question(turns)}]


def question(turn: int) -> str:
    """What the user asks in a turn."""
    return (
        f"What will the weather be like in {_city(turn)} in the next {turn % 7 + 1} days? I take the train."
    )


def arguments(turn: int) -> dict[str, object]:
    """What the tool is called with."""
    return {"city": _city(turn), "days": turn % 7 + 1, "unit": "celsius"}


def result(turn: int) -> str:
    """What the tool gives."""
    days = [{"day": day, "high": 20 + (turn + day) % 9, "low": 11.5, "sky": "clear"} for day in range(3)]
    return json.dumps({"city": _city(turn), "forecast": days}, ensure_ascii=False)


def answer(turn: int) -> str:
    """What the model says to that."""
    return f"It stays clear in {_city(turn)}: up to {20 + turn % 9} degrees by day, and 11.5 in the nights.\n\nTake a hat."


def _city(turn: int) -> str:
    return CITIES[turn % len(CITIES)]
