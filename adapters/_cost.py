"""What a grammar costs the server, before it is made: vLLM checks it where it answers all other requests, too.

Counted in microseconds, as they were measured with xgrammar 0.2.8 on one core of a small machine, of what vLLM does with a
structural tag in its event loop, and of what is done here before.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, cast

from ._normal_form import children, each
from ._places import Place, said
from ._scalars import INT64

__all__ = ["MAX_COST", "cost", "dearest", "without_counts"]

Schema = Mapping[str, object]

MAX_COST = 450_000
TOOL = 100
SCHEMA = 150

LENGTHS = ("minLength", "maxLength")
DIGITS_18: Schema = {"type": "integer", "minimum": 1 - 10**18, "maximum": 10**18 - 1}


class _Scale(NamedTuple):
    """What parts of a schema cost."""

    node: float = 50
    digits: float = 3  # of a number's bounds, times their number
    format: float = 100
    state: float = 35  # each character that a length counts
    member: float = 15  # of an object whose members are counted, times the count
    # Members, times themselves: not of the event loop, but xgrammar would compile thousands for minutes.
    crowd: float = 0.1
    other: float = 0  # name of an object with further members
    value: float = 6  # of an enum
    character: float = 0.1
    pattern: float = 1  # each of its characters


JSON = _Scale()
PYTHON = _Scale(node=40, crowd=0.3, format=2500, state=3, other=500, value=15, character=2, pattern=4)


def cost(schemas: Sequence[Schema], python: bool) -> float:
    """Of the tools of a request.

    Args:
        schemas: their parameters in normal form; what is in them more than once is paid once.
        python: whether they are written as Python, not as JSON.
    """
    different = {json.dumps(schema): schema for schema in schemas}.values()
    return TOOL * len(schemas) + sum(SCHEMA + _Weights(python).of(schema) for schema in different)


def dearest(schema: Schema, python: bool) -> Place:
    """The place of what makes a schema dear: where more than half of its cost is, or where it comes together."""
    at: Place = ()
    while True:
        limit = _Weights(python).of(schema) / 2
        inside = [(place, node) for place, node in children(schema) if _Weights(python).of(node) > limit]
        if not inside:
            return at
        at += inside[0][0]
        schema = inside[0][1]


def without_counts(schema: Schema, python: bool) -> tuple[dict[str, object], list[str]]:
    """The same schema without what is dear and matters least: lengths of texts, of which it gives the places, and the
    bounds of integers that have none of their own. In Python these keep 18 digits."""

    def lean(node: Schema) -> dict[str, object]:
        if node == {"type": "integer", "minimum": INT64[0], "maximum": INT64[1]}:
            return {**DIGITS_18} if python else {"type": "integer"}
        return each({word: value for word, value in node.items() if word not in LENGTHS}, lean)

    places = [said((*at, word)) for at, node in _everywhere(schema, ()) for word in LENGTHS if word in node]
    return lean(schema), places


def _everywhere(node: Schema, at: Place) -> Iterator[tuple[Place, Schema]]:
    """The schema and all that are in it, each with its place."""
    yield at, node
    for place, inner in children(node):
        yield from _everywhere(inner, (*at, *place))


class _Weights:
    """What the parts of one tool's parameters cost, the second of equal ones nothing."""

    def __init__(self, python: bool) -> None:
        self.scale = PYTHON if python else JSON
        self.seen: set[str] = set()

    def of(self, node: Schema) -> float:
        return self.scale.node + self.own(node) + sum(self.of(inner) for _, inner in children(node))

    def own(self, node: Schema) -> float:
        scale = self.scale
        if "enum" in node:
            values = cast("list[object]", node["enum"])
            total = scale.value * len(values) + scale.character * len(json.dumps(values))
            return total + scale.node * sum(map(_parts, values))
        match node.get("type"):
            case "object":
                names = cast("dict[str, Schema]", node.get("properties", {}))
                total = scale.character * sum(map(len, names)) + scale.crowd * len(names) ** 2
                if node["additionalProperties"] is not False:
                    total += scale.other * len(names)
                if node.keys() & {"minProperties", "maxProperties"}:
                    total += scale.member * len(names) ** 2
                return total
            case "integer" | "number" | "string" if len(node) > 1:
                text = repr(node)
                if text not in self.seen:
                    self.seen.add(text)
                    return self.leaf(node)
        return 0

    def leaf(self, node: Schema) -> float:
        scale = self.scale
        if node["type"] == "string":
            total = scale.state * sum(cast(int, node.get(word, 0)) for word in LENGTHS)
            total += scale.pattern * len(cast(str, node.get("pattern", "")))
            return total + scale.format * ("format" in node)
        bounds = [bound for bound in node.values() if isinstance(bound, int | float)]
        if node == DIGITS_18 or (len(bounds) == 2 and bounds[0] == bounds[1]):
            return scale.node
        decimals = 6 * any(bound % 1 for bound in bounds)
        return scale.digits * (len(str(abs(int(max(bounds, key=abs))))) + decimals) ** 2


def _parts(value: object) -> int:
    """Values inside a value, and itself if there may be any."""
    if isinstance(value, Mapping):
        return 1 + len(value) + sum(map(_parts, value.values()))
    return 1 + len(value) + sum(map(_parts, value)) if isinstance(value, list) else 0
