"""Requests that somebody got wrong: odd values, and the places in a body where they may stand."""

from collections.abc import Iterator
from typing import Any

__all__ = ["ODD", "places"]

ODD: list[Any] = [
    *(None, True, False, 0, -1, 2**63, 1.5, "", "x", "get_weather", "a b", "\ud800", "天气", [], {}),
    *([[]], [None], {"": None}, "int", {"type": "int"}, [1, 2], "auto", "required", {"name": "f"}, "x" * 300),
]


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a body: what it is in, and its key there."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield value, key
        if isinstance(inner, dict | list):
            yield from places(inner)
