"""What a tool's schema asks for at each place of a call's arguments: which types, and of what its members are."""

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from ._errors import SchemaError
from ._known import normal_form
from ._schema import Parameters, kind_of

__all__ = ["Asked", "asked_by"]

Schema = Mapping[str, object]

MAX_OPTIONS = 64
"""Alternatives at one place; where a schema has more, nothing is asked."""


def asked_by(parameters: Parameters) -> "Asked | None":
    """What these parameters ask for; None where they are no schema, which is for the grammar to refuse."""
    try:
        schema = normal_form(parameters).schema
    except SchemaError:
        return None
    return _Places(schema).of([schema])


class Asked:
    """One place: its types, and what is asked inside it. `None` in place of one: anything may stand there."""

    __slots__ = ("_inside", "_options", "_places", "kinds", "texts")

    def __init__(self, options: Sequence[Schema], places: "_Places") -> None:
        self.kinds = frozenset(kind for option in options for kind in _kinds(option)) - {"string"}
        """The names of JSON Schema's types, but for texts."""
        self.texts = _texts(options)
        """Those that may stand here; None for any."""
        self._options = options
        self._places = places
        self._inside: dict[str | int, Asked | None] = {}

    def inside(self, key: str | int) -> "Asked | None":
        """What is asked of an object's member, or of an array's item."""
        if key not in self._inside:
            found = [inner for option in self._options for inner in _inside(option, key)]
            self._inside[key] = self._places.of(found)
        return self._inside[key]


class _Places:
    """The places of one schema in normal form, each made once: a schema may contain itself."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._made: dict[frozenset[int], Asked | None] = {}

    def of(self, schemas: Iterable[Schema]) -> Asked | None:
        """The place where any of these may stand."""
        found: dict[int, Schema] = {}
        waiting = list(schemas)
        while waiting:
            schema = waiting.pop()
            if id(schema) in found:
                continue
            if not schema or len(found) == MAX_OPTIONS:
                return None
            found[id(schema)] = schema
            if isinstance(ref := schema.get("$ref"), str):
                waiting.append(self._target(ref))
            waiting += cast("list[Schema]", schema.get("anyOf", []))
        key = frozenset(found)
        if key not in self._made:
            self._made[key] = Asked(list(found.values()), self) if found else None
        return self._made[key]

    def _target(self, ref: str) -> Schema:
        if ref == "#":
            return self._root
        defs = cast("dict[str, Schema]", self._root["$defs"])
        return defs[ref.removeprefix("#/$defs/")]


def _kinds(option: Schema) -> list[str]:
    if "enum" in option:
        return [kind_of(value) for value in cast("list[object]", option["enum"])]
    return [str(option["type"])] if "type" in option else []


def _texts(options: Sequence[Schema]) -> frozenset[str] | None:
    if any(option.get("type") == "string" for option in options):
        return None
    values = [value for option in options for value in cast("list[object]", option.get("enum", []))]
    return frozenset(value for value in values if isinstance(value, str))


def _inside(option: Schema, key: str | int) -> list[Schema]:
    """What this alternative asks of the member or item; nothing, if it has none such."""
    if isinstance(key, str):
        named = cast("dict[str, Schema]", option.get("properties", {}))
        rest = option.get("additionalProperties", False)
        found: object = named.get(key, rest)
    else:
        first = cast("list[Schema]", option.get("prefixItems", []))
        found = first[key] if key < len(first) else option.get("items", False)
    if isinstance(found, bool):
        return [{}] if found else []
    return [cast("Schema", found)]
