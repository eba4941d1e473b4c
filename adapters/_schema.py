"""Tool parameters, however people write them, as a JSON Schema that a grammar can hold a model to.

What comes in may be JSON Schema of any draft, OpenAPI, or the Python type names of older data sets; what goes out
is made of five forms only, so that whoever reads it needs no more cases:

    {}   {"$ref": "#/$defs/NAME"}   {"enum": [scalars]}   {"anyOf": [...]}   {"type": one of seven, its keywords}

An object with `properties` is closed unless its author opened it; one without stays free. What the grammar of
xgrammar 0.2.8 cannot hold is left out and its place reported; what cannot be a schema raises.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, cast
from urllib.parse import unquote

from ._errors import SchemaError

__all__ = ["Normalised", "normalise"]

Schema = dict[str, object]
Node = Schema | None
"""A normalised schema; None is the schema that admits nothing."""
Place = tuple[str, ...]

TYPES: Mapping[str, str] = {
    **dict.fromkeys(("string", "str", "text", "char"), "string"),
    **dict.fromkeys(("integer", "int", "long"), "integer"),
    **dict.fromkeys(("number", "float", "double"), "number"),
    **dict.fromkeys(("boolean", "bool"), "boolean"),
    **dict.fromkeys(("object", "dict", "map", "mapping"), "object"),
    **dict.fromkeys(("array", "list", "tuple", "set", "sequence"), "array"),
    **dict.fromkeys(("null", "none", "nonetype"), "null"),
    "any": "any",
}

KEYWORDS: Mapping[str, tuple[str, ...]] = {
    "object": (
        "properties",
        "required",
        "additionalProperties",
        "patternProperties",
        "propertyNames",
        "minProperties",
        "maxProperties",
    ),
    "array": ("items", "prefixItems", "minItems", "maxItems"),
    "string": ("minLength", "maxLength", "pattern", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
"""The keywords that are enforced, and the type that one of them gives a schema without a type."""

UNENFORCED = [
    "not",
    "if",
    "then",
    "else",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "$dynamicRef",
    "$recursiveRef",
    "uniqueItems",
    "contains",
    "minContains",
    "maxContains",
    "unevaluatedItems",
    "unevaluatedProperties",
]

INT64 = -(2**63), 2**63 - 1
# xgrammar spells a length out in automaton states: 100 compile in a second; beyond, every token costs 35 ms.
MAX_LENGTH = 100
# xgrammar's repetition counts are 32-bit.
MAX_COUNT = 2**31 - 1
# vLLM refuses JSON deeper than 64 levels; a schema takes two of them for every one of its own.
MAX_DEPTH = 32
# References used many times over, `anyOf` beside `anyOf`: what takes more steps than this is an attack or a mistake.
MAX_STEPS = 100_000

FORMATS = frozenset(
    ["date", "date-time", "time", "duration", "ipv4", "ipv6", "hostname", "uuid", "uri", "uri-reference"]
)
"""Those whose patterns in xgrammar admit no character that JSON would have to escape."""

COMBINE: Mapping[str, Callable[[int, int], int]] = {
    **dict.fromkeys(("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"), max),
    **dict.fromkeys(("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"), min),
}

# A regular expression that xgrammar compiles as it reads: no look-around, references, word boundaries or classes of
# Unicode, anchors at the ends only, and nothing that JSON would have to escape outside a class.
_PATTERN = re.compile(
    r"""\^? (?: [^\\\[\]()"^$\x00-\x1f\x7f-\U0010ffff] | \( (?: \?: )? | \)
        | \\ (?: [dDwWsS] | x(?!22|5[cC]|[01])[0-9a-fA-F]{2} | u(?!00)[0-9a-fA-F]{4} | [-^$.*+?()\[\]{}|/@_:;,!#%&=<>~'` ] )
        | \[ \^? (?: [^\\\[\]\x00-\x1f\x7f-\U0010ffff&] | \\ [^bBpPcUuxk0-9] | \\x[0-9a-fA-F]{2} | \\u[0-9a-fA-F]{4} )+ \]
    )* \$?""",
    re.VERBOSE,
)


class Normalised(NamedTuple):
    """A tool's parameters as the grammar holds them, and the places of what it does not hold."""

    schema: dict[str, object]
    unenforced: tuple[str, ...]


def normalise(parameters: Mapping[str, object] | bool | None) -> Normalised:
    """Turn a tool's parameters into a schema that admits only objects.

    `None`, `True` and `{}` give a free object. The result is JSON Schema (draft 2020-12), shares nothing with the
    input, and is its own normal form. Descriptions, titles, defaults and examples are gone.

    Limits of xgrammar 0.2.8 (measured) that no schema lifts: a number without bounds may have any count of digits,
    one with bounds six decimals and no exponent; a string with `pattern`, `format` or `maxLength` admits no escapes;
    a pattern holds for the whole string; keys come in the order of `properties`.

    Raises:
        SchemaError: what cannot be a schema, with its place: `properties.city.type: there is no type 'strng'`.
    """
    return _Reader(parameters).read()


class _Reader:
    """Reads one set of parameters; what it learns on the way is the places that are not enforced."""

    def __init__(self, root: object) -> None:
        self.root = {} if root is None else root
        self.unenforced: dict[str, None] = {}
        self.pointers: dict[str, str] = {}
        self.meeting: list[tuple[Schema, Schema]] = []
        self.steps = 0

    def read(self) -> Normalised:
        top = self.meet(self.node(self.root, ()), {"type": "object", "additionalProperties": True}, ())
        if top is None:
            raise _error((), "a tool's parameters are an object; these admit none")
        schema = _closed(top)
        defs: Schema = {}
        waiting = list(_references(schema))
        while waiting:
            name = waiting.pop(0)
            if name not in defs:
                found = self.node(
                    self.target(self.pointers[name], ()), tuple(self.pointers[name][2:].split("/"))
                )
                if found is None:
                    raise _error((), f"{self.pointers[name]!r} admits nothing")
                defs[name] = _closed(found)
                waiting += _references(_closed(found))
        for name in defs:
            self.follow(name, defs)
        return Normalised(schema | ({"$defs": defs} if defs else {}), tuple(self.unenforced))

    # ---- reading ----

    def node(self, schema: object, at: Place) -> Node:
        """The normal form of `schema`, which stands at `at`."""
        self.count(at)
        if isinstance(schema, bool):
            return {} if schema else None
        words = _mapping(schema, at)
        for word in UNENFORCED:
            if words.get(word) not in (None, False):
                self.report((*at, word))
        typed = self.typed(words, at)
        result: Node = typed
        if "enum" in words or "const" in words:
            values = _list(words["enum"], (*at, "enum")) if "enum" in words else [words["const"]]
            result = self.meet(typed, self.literals(values, (*at, "enum")), at)
            if result is None:  # strings for an array, say: a slip, and the type is what calls follow
                self.report((*at, "enum"))
                result = typed
        if words.get("$ref") is not None:
            result = self.meet(result, self.reference(words["$ref"], (*at, "$ref")), at)
        for word in ("anyOf", "oneOf"):
            if word in words:
                options = self.nodes(words[word], (*at, word))
                if word == "oneOf" and not self.disjoint(options, at):
                    self.report((*at, word))
                result = self.meet(result, _union(options), at)
        if "allOf" in words:
            for part in self.nodes(words["allOf"], (*at, "allOf")):
                result = self.meet(result, part, at)
        if result is None:
            raise _error(at, "its keywords contradict each other: nothing fits all of them")
        return _union([result, {"type": "null"}]) if words.get("nullable") is True else result

    def nodes(self, schemas: object, at: Place) -> list[Node]:
        parts = _list(schemas, at)
        if not parts:
            raise _error(at, "holds no schema")
        return [self.node(part, (*at, str(index))) for index, part in enumerate(parts)]

    def typed(self, words: Mapping[str, object], at: Place) -> Node:
        """What `type` and the keywords of the types say."""
        declared = words.get("type")
        if declared is None:
            kinds = [
                kind for kind, keywords in KEYWORDS.items() if any(_given(words, word) for word in keywords)
            ]
        else:
            names = [declared] if isinstance(declared, str) else _list(declared, (*at, "type"))
            kinds = [_kind(name, (*at, "type")) for name in names]
            if not kinds:
                raise _error((*at, "type"), "names no type")
        if not kinds or "any" in kinds:
            return {}
        if "number" in kinds:
            kinds = [kind for kind in kinds if kind != "integer"]
        read: Mapping[str, Callable[[Mapping[str, object], Place], Schema]] = {
            "object": self.read_object,
            "array": self.read_array,
            "string": self.read_string,
            "number": self.read_number,
            "integer": self.read_integer,
        }
        found: list[Schema] = [read[kind](words, at) if kind in read else {"type": kind} for kind in kinds]
        for node in found:
            if _empty(node):
                raise _error(at, "its bounds contradict each other: nothing fits all of them")
        return _union(found)

    def read_object(self, words: Mapping[str, object], at: Place) -> Schema:
        given = _mapping(words.get("properties", {}), (*at, "properties"))
        nodes = {name: self.node(schema, (*at, "properties", name)) for name, schema in given.items()}
        required = [] if not _given(words, "required") else _list(words["required"], (*at, "required"))
        for name in required:
            _text(name, (*at, "required"))
        # Draft 3, and many a hand-written tool: "required": true inside the property.
        marked = [
            name
            for name, schema in given.items()
            if isinstance(schema, Mapping) and schema.get("required") is True
        ]
        names = [str(name) for name in dict.fromkeys([*required, *marked])]

        rest: Node | bool = None if "properties" in words or "patternProperties" in words else True
        if words.get("additionalProperties") is not None:
            rest = _short(self.node(words["additionalProperties"], (*at, "additionalProperties")))
        for name in names[:]:
            if name not in nodes and rest is False:
                self.report((*at, "required", name))
                names.remove(name)
            elif nodes.setdefault(name, rest if isinstance(rest, dict) else {}) is None:
                raise _error((*at, "required"), f"{name!r} is required and forbidden")
        for name in [name for name, node in nodes.items() if node is None]:
            if rest is not None and rest is not False:
                self.report((*at, "properties", name))

        out: Schema = {"type": "object"}
        if "properties" in words or nodes:
            out["properties"] = {name: node for name, node in nodes.items() if node is not None}
        if names:
            out["required"] = names
        if words.get("patternProperties"):
            patterns = _mapping(words["patternProperties"], (*at, "patternProperties"))
            kept: Schema = {}
            for pattern, schema in patterns.items():
                node = self.node(schema, (*at, "patternProperties", pattern))
                if node is None or not _PATTERN.fullmatch(pattern):
                    self.report((*at, "patternProperties", pattern))
                else:
                    kept[pattern] = node
            if kept:
                out["patternProperties"] = kept
        if words.get("propertyNames") not in (None, True):
            key = self.node(words["propertyNames"], (*at, "propertyNames"))
            key = self.meet(key, {"type": "string"}, at)
            if key is None or not key.keys() & {"type", "enum"}:
                self.report((*at, "propertyNames"))
            else:
                out["propertyNames"] = key
        if rest is not None:
            out["additionalProperties"] = rest
        return out | self.counts(words, ("minProperties", "maxProperties"), at)

    def read_array(self, words: Mapping[str, object], at: Place) -> Schema:
        items, prefix = words.get("items"), words.get("prefixItems")
        if isinstance(items, Sequence) and not isinstance(items, str):  # before draft 2020-12
            items, prefix = words.get("additionalItems"), items
        heads = [] if prefix is None else self.nodes(prefix, (*at, "prefixItems"))
        rest: Node | bool = not heads if items is None else _short(self.node(items, (*at, "items")))
        if None in heads:
            heads, rest = heads[: heads.index(None)], False
        counts = self.counts(words, ("minItems", "maxItems"), at)
        if heads and len(heads) >= counts.get("maxItems", MAX_COUNT):
            heads, rest = heads[: counts["maxItems"]], False
        out: Schema = {"type": "array", "items": {} if rest is True else rest}
        if heads:
            out["prefixItems"] = heads
        return out | counts

    def read_string(self, words: Mapping[str, object], at: Place) -> Schema:
        lengths = self.counts(words, ("minLength", "maxLength"), at)
        out: Schema = {"type": "string"}
        pattern = words.get("pattern")
        if pattern is not None:
            pattern = _ascii(_text(pattern, (*at, "pattern")))
            if _PATTERN.fullmatch(pattern):
                out["pattern"] = pattern
            else:
                self.report((*at, "pattern"))
        if "pattern" not in out and words.get("format") is not None:
            format = _text(words["format"], (*at, "format"))
            if format in FORMATS:
                out["format"] = format
        for word in lengths:
            if len(out) > 1 or lengths[word] > MAX_LENGTH:
                self.report((*at, word))
        return out if len(out) > 1 else out | {word: n for word, n in lengths.items() if n <= MAX_LENGTH}

    def read_number(self, words: Mapping[str, object], at: Place) -> Schema:
        if words.get("multipleOf") is not None:
            _positive(words["multipleOf"], (*at, "multipleOf"))
            self.report((*at, "multipleOf"))
        out: Schema = {"type": "number", **self.bounds(words, at)}
        if len(out) > 1:
            # xgrammar writes a bounded number without exponent, its digits before the point unbounded on the open side
            if not out.keys() & {"minimum", "exclusiveMinimum"}:
                out["minimum"] = INT64[0]
            if not out.keys() & {"maximum", "exclusiveMaximum"}:
                out["maximum"] = INT64[1]
        return out

    def read_integer(self, words: Mapping[str, object], at: Place) -> Schema:
        bounds = self.bounds(words, at)
        low, high = INT64
        for word, bound in bounds.items():
            if word == "minimum":
                low = max(low, math.ceil(bound))
            elif word == "exclusiveMinimum":
                low = max(low, math.floor(bound) + 1)
            elif word == "maximum":
                high = min(high, math.floor(bound))
            else:
                high = min(high, math.ceil(bound) - 1)
        out: Schema = {"type": "integer", "minimum": low, "maximum": high}
        if words.get("multipleOf") is not None:
            factor = _positive(words["multipleOf"], (*at, "multipleOf"))
            # xgrammar counts the multiples out in a narrow range, or follows them without any range.
            exact = factor == int(factor) and factor <= 1024
            if exact and not bounds:
                return {"type": "integer", "multipleOf": int(factor)}
            if exact and high - low < 10_000:
                out["multipleOf"] = int(factor)
            elif factor != 1:
                self.report((*at, "multipleOf"))
        return out

    def bounds(self, words: Mapping[str, object], at: Place) -> dict[str, int | float]:
        """The bounds of a number, one a side."""
        out: dict[str, int | float] = {}
        for side, exclusive, stricter in (
            ("minimum", "exclusiveMinimum", max),
            ("maximum", "exclusiveMaximum", min),
        ):
            loose, tight = words.get(side), words.get(exclusive)
            if isinstance(tight, bool):  # draft 4
                loose, tight = (None, loose) if tight else (loose, None)
            if loose is not None:
                out[side] = _number(loose, (*at, side))
            if tight is not None:
                out[exclusive] = _number(tight, (*at, exclusive))
                if side in out:
                    strict = stricter(out[side], out[exclusive]) == out[exclusive]
                    del out[side if strict else exclusive]
        return out

    def counts(self, words: Mapping[str, object], names: Iterable[str], at: Place) -> dict[str, int]:
        found = {word: _count(words[word], (*at, word)) for word in names if words.get(word) is not None}
        return {word: count for word, count in found.items() if count or word.startswith("max")}

    def literals(self, values: Sequence[object], at: Place) -> Node:
        """A schema of these values; containers become schemas, for xgrammar would write them without a blank."""
        scalars: list[object] = []
        others: list[Node] = []
        for value in values:
            if isinstance(value, Mapping):
                props = {str(key): self.literals([item], (*at, str(key))) for key, item in value.items()}
                node: Schema = {"type": "object", "properties": props, "additionalProperties": False}
                others.append(node | ({"required": list(props)} if props else {}))
            elif isinstance(value, Sequence) and not isinstance(value, str):
                heads = [self.literals([item], (*at, str(index))) for index, item in enumerate(value)]
                node = {"type": "array", "items": False}
                others.append(node | ({"prefixItems": heads, "minItems": len(heads)} if heads else {}))
            elif isinstance(value, float) and round(_number(value, at), 6) == value and abs(value) < 1e16:
                # xgrammar would write 0.1 as 0.10000000000000001 and 2.0 as 2
                others.append({"type": "number", "minimum": value, "maximum": value})
            elif value is None or isinstance(value, str | bool | int | float):
                scalars.append(value)
            else:
                raise _error(at, f"{value!r} is not a JSON value")
        distinct = list({json.dumps(value): value for value in scalars}.values())
        return _union([{"enum": distinct} if distinct else None, *others])

    # ---- references ----

    def reference(self, ref: object, at: Place) -> Schema:
        pointer = _text(ref, at)
        if pointer == "#":
            return {"$ref": "#"}
        self.target(pointer, at)
        known = {old: name for name, old in self.pointers.items()}
        if pointer not in known:
            stem = re.sub(r"[^A-Za-z0-9_]", "", pointer.rpartition("/")[2]) or "schema"
            name = stem
            while name in self.pointers:
                name = f"{stem}_{len(self.pointers)}"
            self.pointers[name] = pointer
            known[pointer] = name
        return {"$ref": f"#/$defs/{known[pointer]}"}

    def target(self, pointer: str, at: Place) -> object:
        if not pointer.startswith("#/"):
            raise _error(
                at, f"{pointer!r} is outside these parameters; only references of the form '#/...' are read"
            )
        found = self.root
        for part in pointer[2:].split("/"):
            key = unquote(part).replace("~1", "/").replace("~0", "~")
            if isinstance(found, Mapping) and key in found:
                found = found[key]
            elif (
                isinstance(found, Sequence)
                and not isinstance(found, str)
                and key.isdigit()
                and int(key) < len(found)
            ):
                found = found[int(key)]
            else:
                raise _error(at, f"there is no {pointer!r} in these parameters")
        return found

    def follow(self, name: str, defs: Schema) -> None:
        """A reference that leads only to references, and so back to itself, describes nothing."""
        seen: set[object] = set()
        node = cast(Schema, defs[name])
        while "$ref" in node and node["$ref"] != "#":
            if node["$ref"] in seen:
                raise _error(("$defs", name), "refers only to itself")
            seen.add(node["$ref"])
            node = cast(Schema, defs[str(node["$ref"]).removeprefix("#/$defs/")])

    def expand(self, node: Schema, at: Place) -> Node:
        ref = str(node["$ref"])
        if ref == "#":
            return self.node(self.root, (*at, "$ref"))
        return self.node(self.target(self.pointers[ref.removeprefix("#/$defs/")], at), (*at, "$ref"))

    # ---- combining ----

    def meet(self, a: Node, b: Node, at: Place) -> Node:
        """What both admit."""
        self.count(at)
        if a is None or b is None:
            return None
        if not a or a == b:
            return b
        if not b:
            return a
        for one, other in ((a, b), (b, a)):
            if "anyOf" in one:
                return _union([self.meet(option, other, at) for option in cast(list[Schema], one["anyOf"])])
        if "$ref" in a or "$ref" in b:
            if (a, b) in self.meeting:  # the two refer to each other for ever: the first goes on alone
                self.report(at)
                return a
            self.meeting.append((a, b))
            left, right = (self.expand(node, at) if "$ref" in node else node for node in (a, b))
            met = self.meet(left, right, at)
            self.meeting.pop()
            return met
        for one, other in ((a, b), (b, a)):
            if "enum" in one:
                fitting = [value for value in cast(list[object], one["enum"]) if _admits(other, value)]
                return {"enum": fitting} if fitting else None
        kinds = {a["type"], b["type"]}
        if len(kinds) > 1 and kinds != {"integer", "number"}:
            return None
        words: Schema = {**a, **b, "type": "integer" if "integer" in kinds else a["type"]}
        for word in a.keys() & b.keys() & COMBINE.keys():
            words[word] = COMBINE[word](cast(int, a[word]), cast(int, b[word]))
        for word in ("pattern", "format", "multipleOf"):
            if word in a and word in b and a[word] != b[word]:
                self.report((*at, word))
        match words["type"]:
            case "object":
                met = self.meet_objects(a, b, words, at)
            case "array":
                met = self.meet_arrays(a, b, words, at)
            case "string":
                met = self.read_string(words, at)
            case "number":
                met = self.read_number(words, at)
            case "integer":
                met = self.read_integer(words, at)
            case _:
                met = words
        return None if met is None or _empty(met) else met

    def meet_objects(self, a: Schema, b: Schema, words: Schema, at: Place) -> Node:
        def member(side: Schema, name: str) -> Node:
            rest = side.get("additionalProperties", True)
            return _properties(side).get(name, _long(rest))

        names = [*dict.fromkeys([*_properties(a), *_properties(b)])]
        met = {name: self.meet(member(a, name), member(b, name), (*at, "properties", name)) for name in names}
        required = [
            *dict.fromkeys([*cast(list[str], a.get("required", [])), *cast(list[str], b.get("required", []))])
        ]
        if any(met[name] is None for name in required):
            return None
        if "properties" in a or "properties" in b:
            words["properties"] = {name: node for name, node in met.items() if node is not None}
        if required:
            words["required"] = required
        rests = [side["additionalProperties"] for side in (a, b) if "additionalProperties" in side]
        words.pop("additionalProperties", None)
        if len(rests) == 2 or (rests and rests[0] is not True):
            rest = self.meet(_long(rests[0]), _long(rests[-1]), (*at, "additionalProperties"))
            words["additionalProperties"] = _short(rest)
        for word in ("patternProperties", "propertyNames"):
            if word in a and word in b and a[word] != b[word]:
                self.report((*at, word))
        return words

    def meet_arrays(self, a: Schema, b: Schema, words: Schema, at: Place) -> Node:
        def item(side: Schema, index: int) -> Node:
            heads = cast(list[Schema], side.get("prefixItems", []))
            return heads[index] if index < len(heads) else _long(side["items"])

        count = max(len(cast(list[Schema], side.get("prefixItems", []))) for side in (a, b))
        heads = [
            self.meet(item(a, index), item(b, index), (*at, "items", str(index))) for index in range(count)
        ]
        rest = _short(self.meet(_long(a["items"]), _long(b["items"]), (*at, "items")))
        if None in heads:
            heads, rest = heads[: heads.index(None)], False
        words.pop("prefixItems", None)
        words["items"] = {} if rest is True else rest
        if heads:
            words["prefixItems"] = heads
        return words

    def disjoint(self, options: Sequence[Node], at: Place) -> bool:
        """Whether no value fits two of these, so that `oneOf` is `anyOf`."""
        trial = _Reader(self.root)
        trial.pointers = self.pointers
        pairs = [(a, b) for index, a in enumerate(options) for b in options[:index]]
        try:
            return len(pairs) <= 100 and all(trial.meet(a, b, at) is None for a, b in pairs)
        except SchemaError:
            return False

    # ---- keeping count ----

    def report(self, place: Place) -> None:
        self.unenforced[_place(place)] = None

    def count(self, at: Place) -> None:
        self.steps += 1
        if len(at) > 2 * MAX_DEPTH:
            raise _error(at[:6], "is nested too deeply")
        if self.steps > MAX_STEPS:
            raise _error(at, "is too large to be combined into one grammar")


def each(node: Schema, change: Callable[[Schema], Schema]) -> Schema:
    """A copy of `node` with `change` made to every schema directly inside it."""
    out = dict(node)
    for word in ("properties", "patternProperties", "$defs"):
        if word in out:
            out[word] = {name: change(inner) for name, inner in cast(dict[str, Schema], out[word]).items()}
    for word in ("anyOf", "prefixItems"):
        if word in out:
            out[word] = [change(inner) for inner in cast(list[Schema], out[word])]
    for word in ("items", "additionalProperties", "propertyNames"):
        if isinstance(out.get(word), dict):
            out[word] = change(cast(Schema, out[word]))
    return out


def _closed(node: Schema) -> Schema:
    """Every object says whether it is open: one with properties is closed unless its author opened it."""
    out = each(node, _closed)
    return {**out, "additionalProperties": False} if out.get("type") == "object" and not _open(out) else out


def _open(node: Schema) -> bool:
    return "additionalProperties" in node


def _references(node: Schema) -> list[str]:
    """The names in `$defs` that `node` refers to."""
    found: list[str] = []

    def look(inner: Schema) -> Schema:
        if "$ref" in inner and inner["$ref"] != "#":
            found.append(str(inner["$ref"]).removeprefix("#/$defs/"))
        return each(inner, look)

    look(node)
    return found


def _union(options: Iterable[Node]) -> Node:
    """What any of these admits."""
    flat: list[Schema] = []
    for option in options:
        for node in cast(list[Schema], option.get("anyOf", [option])) if option is not None else []:
            if not node:
                return {}
            if node not in flat:
                flat.append(node)
    return None if not flat else flat[0] if len(flat) == 1 else {"anyOf": flat}


def _empty(node: Schema) -> bool:
    """Whether the bounds of a typed schema leave nothing."""
    size = {
        "minProperties": len(_properties(node)) if not node.get("additionalProperties") else MAX_COUNT,
        "minItems": len(cast(list[Schema], node.get("prefixItems", [])))
        if node.get("items") is False
        else MAX_COUNT,
    }
    low = {word: cast(float, node[word]) for word in node if word.startswith("min")}
    high = {word: cast(float, node[word]) for word in node if word.startswith("max")}
    return (
        any(value > high.get("max" + word[3:], math.inf) for word, value in low.items())
        or any(low.get(word, 0) > most for word, most in size.items() if "patternProperties" not in node)
        or len(cast(list[str], node.get("required", []))) > high.get("maxProperties", math.inf)
        or cast(float, node.get("exclusiveMinimum", -math.inf))
        >= cast(float, node.get("exclusiveMaximum", math.inf))
        or cast(float, node.get("exclusiveMinimum", -math.inf)) >= high.get("maximum", math.inf)
        or low.get("minimum", -math.inf) >= cast(float, node.get("exclusiveMaximum", math.inf))
    )


def _admits(node: Schema, value: object) -> bool:
    """Whether a scalar fits a typed schema or an enumeration."""
    if "enum" in node:
        return json.dumps(value) in map(json.dumps, cast(list[object], node["enum"]))
    kinds: Mapping[str, tuple[type, ...]] = {
        "string": (str,),
        "boolean": (bool,),
        "null": (type(None),),
        "integer": (int,),
        "number": (int, float),
    }
    kind = str(node["type"])
    if not isinstance(value, kinds.get(kind, ())) or isinstance(value, bool) is not (kind == "boolean"):
        return False
    if isinstance(value, str):
        return (
            cast(int, node.get("minLength", 0)) <= len(value) <= cast(int, node.get("maxLength", MAX_COUNT))
        )
    if isinstance(value, bool) or not isinstance(value, int | float):
        return True
    return not _empty({**node, "minimum": value, "maximum": value}) and (
        cast(float, node.get("minimum", value)) <= value <= cast(float, node.get("maximum", value))
    )


def _properties(node: Schema) -> dict[str, Schema]:
    return cast(dict[str, Schema], node.get("properties", {}))


def _short(node: Node) -> Schema | bool:
    return node if node else node is not None


def _long(value: object) -> Node:
    return cast(Node, {True: {}, False: None}[value] if isinstance(value, bool) else value)


def _given(words: Mapping[str, object], word: str) -> bool:
    return words.get(word) is not None and not (word == "required" and isinstance(words[word], bool))


def _kind(name: object, at: Place) -> str:
    if name is None:
        return "null"
    if not isinstance(name, str) or name.casefold() not in TYPES:
        raise _error(at, f"there is no type {name!r}; the types are {', '.join(sorted(set(TYPES.values())))}")
    return TYPES[name.casefold()]


def _ascii(pattern: str) -> str:
    """Beyond ASCII xgrammar compiles a pattern another way, which admits raw quotes."""
    return "".join(
        char if ord(char) < 0x7F or ord(char) > 0xFFFF else f"\\u{ord(char):04x}" for char in pattern
    )


def _mapping(value: object, at: Place) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise _error(at, f"must be an object, not {_shown(value)}")
    return value


def _list(value: object, at: Place) -> Sequence[object]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise _error(at, f"must be a list, not {_shown(value)}")
    return value


def _text(value: object, at: Place) -> str:
    if not isinstance(value, str):
        raise _error(at, f"must be a string, not {_shown(value)}")
    return value


def _number(value: object, at: Place) -> int | float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise _error(at, f"must be a number, not {_shown(value)}")
    return value


def _positive(value: object, at: Place) -> int | float:
    if _number(value, at) <= 0:
        raise _error(at, f"must be greater than 0, not {_shown(value)}")
    return _number(value, at)


def _count(value: object, at: Place) -> int:
    count = _number(value, at)
    if count < 0 or count != int(count):
        raise _error(at, f"must be a whole number from 0, not {_shown(value)}")
    return min(int(count), MAX_COUNT)


def _shown(value: object) -> str:
    return ascii(value) if len(ascii(value)) < 40 else ascii(value)[:40] + "..."


def _place(at: Place) -> str:
    return ".".join(at) or "parameters"


def _error(at: Place, what: str) -> SchemaError:
    return SchemaError(f"{_place(at)}: {what}")
