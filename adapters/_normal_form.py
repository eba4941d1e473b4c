"""Walking a schema in normal form, and the references in it."""

from collections.abc import Callable, Iterator, Mapping
from typing import cast

from ._places import error

__all__ = ["check_cycles", "each", "references"]

Schema = dict[str, object]


def each(node: Schema, change: Callable[[Schema], Schema]) -> Schema:
    """A copy of a schema in normal form with `change` made to every schema directly inside it."""
    out = dict(node)
    for word, value in node.items():
        if word in ("properties", "$defs"):
            out[word] = {name: change(inner) for name, inner in cast("dict[str, Schema]", value).items()}
        elif word in ("anyOf", "prefixItems"):
            out[word] = [change(inner) for inner in cast("list[Schema]", value)]
        elif word in ("items", "additionalProperties") and isinstance(value, dict):
            out[word] = change(value)
    return out


def references(node: Schema) -> list[str]:
    """The names in `$defs` that a schema refers to."""
    found = [] if "anyOf" in node else _leads_to(node)

    def look(inner: Schema) -> Schema:
        found.extend(references(inner))
        return inner

    each(node, look)
    return found


def check_cycles(defs: Mapping[str, Schema]) -> None:
    """
    Raises:
        SchemaError: a definition stands for nothing but itself.
    """
    sound: set[str] = set()
    for start in defs:
        path: dict[str, Iterator[str]] = {}
        name: str | None = start
        while name is not None or path:
            if name is None:
                last = next(reversed(path))
                name = next(path[last], None)
                if name is None:
                    sound.add(last)
                    del path[last]
            elif name in path:
                raise error(("$defs", name), "a reference that leads back to itself")
            else:
                if name not in sound:
                    path[name] = iter(_leads_to(defs[name]))
                name = None


def _leads_to(node: Schema) -> list[str]:
    """The names that this schema stands for, as against those inside its values."""
    options = cast("list[Schema]", node.get("anyOf", [node]))
    return [
        str(option["$ref"]).removeprefix("#/$defs/") for option in options if option.get("$ref", "#") != "#"
    ]
