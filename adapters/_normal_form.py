"""Walking a schema in normal form, and the references in it."""

from collections.abc import Callable, Iterator, Mapping
from typing import cast

from ._places import Place, error

__all__ = ["check_cycles", "children", "each", "references"]

Schema = dict[str, object]

# Where a schema has others inside it: by name, in a list, alone.
NAMED = ("properties", "$defs")
LISTED = ("anyOf", "prefixItems")
ALONE = ("items", "additionalProperties")


def children(node: Mapping[str, object]) -> Iterator[tuple[Place, Schema]]:
    """Every schema directly inside one, and its place there."""
    for word in NAMED:
        for name, inner in cast("dict[str, Schema]", node.get(word, {})).items():
            yield (word, name), inner
    for word in LISTED:
        for index, inner in enumerate(cast("list[Schema]", node.get(word, []))):
            yield (word, str(index)), inner
    for word in ALONE:
        if isinstance(alone := node.get(word), dict):
            yield (word,), alone


def each(node: Mapping[str, object], change: Callable[[Schema], Schema]) -> Schema:
    """A copy of a schema with `change` made to every schema directly inside it."""
    out = dict(node)
    for word in NAMED:
        if word in out:
            named = cast("dict[str, Schema]", out[word])
            out[word] = {name: change(inner) for name, inner in named.items()}
    for word in LISTED:
        if word in out:
            out[word] = [change(inner) for inner in cast("list[Schema]", out[word])]
    for word in ALONE:
        if isinstance(inner := out.get(word), dict):
            out[word] = change(inner)
    return out


def references(node: Schema) -> list[str]:
    """The names in `$defs` that a schema refers to."""
    found = [] if "anyOf" in node else _leads_to(node)
    for _, inner in children(node):
        found += references(inner)
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
