"""Tool parameters, however people write them, as a JSON Schema that a grammar can hold a model to.

What comes in may be JSON Schema of any draft, OpenAPI, or the Python type names of older data sets. What goes out is
made of five forms only, so that whoever reads it needs no other case:

    {}    {"$ref": "#/$defs/NAME"}    {"enum": [...]}    {"anyOf": [...]}    {"type": one of seven, its keywords}

`allOf`, keywords beside `$ref` or `anyOf`, and keywords without a type are worked into these: xgrammar 0.2.8 reads
the first of `$ref`, `const`, `enum`, `anyOf`, `oneOf`, `allOf`, `type` that it finds, and forgets the others.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, cast
from urllib.parse import unquote

from ._errors import SchemaError

__all__ = ["Normalised", "each", "normalise"]

Words = Mapping[str, object]
"""A schema as it came: keywords and what they say."""
Schema = dict[str, object]
"""A schema in normal form. Where it may be None, None is the schema that admits nothing."""
Place = tuple[str, ...]

TYPES: Mapping[str, str] = {
    **dict.fromkeys(("string", "str", "text", "char"), "string"),
    **dict.fromkeys(("integer", "int", "long"), "integer"),
    **dict.fromkeys(("number", "float", "double"), "number"),
    **dict.fromkeys(("boolean", "bool"), "boolean"),
    **dict.fromkeys(("object", "dict"), "object"),
    **dict.fromkeys(("array", "list", "tuple"), "array"),
    **dict.fromkeys(("null", "none"), "null"),
    "any": "any",
}
"""The types by the names that people give them, which may be in any case."""

KEYWORDS: Mapping[str, frozenset[str]] = {
    "object": frozenset({"properties", "required", "additionalProperties", "minProperties", "maxProperties"}),
    "array": frozenset({"items", "prefixItems", "minItems", "maxItems"}),
    "string": frozenset({"minLength", "maxLength", "pattern", "format"}),
    "number": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}),
}
"""What is enforced. A schema without a type has the types that its keywords are of."""
COMBINING = frozenset({"$ref", "allOf", "anyOf", "oneOf", "enum", "const", "type"})
MEANT = COMBINING.union(*KEYWORDS.values())
UNENFORCED = frozenset(
    """if then else not multipleOf dependencies dependentRequired dependentSchemas patternProperties propertyNames
    uniqueItems contains minContains maxContains unevaluatedItems unevaluatedProperties
    $dynamicRef $recursiveRef""".split()  # noqa: SIM905
)
"""What is not, and is reported. All other keywords only describe."""

LOWEST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
HIGHEST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
STRICTER: Mapping[str, Callable[[float, float], float]] = {
    **dict.fromkeys(LOWEST, max),
    **dict.fromkeys(HIGHEST, min),
}

INT64 = -(2**63), 2**63 - 1
# A length is spelled out in states: 100 take xgrammar a second to compile, and more cost 35 ms for every token.
MAX_LENGTH = 100
MAX_STATES = 1000  # of a pattern; `(a{0,999}){0,999}` takes xgrammar more than a minute
MAX_COUNTED = 32  # properties of which some number has to be there; 200 take it another
MAX_COUNT = 2**31 - 1  # xgrammar's counts are 32-bit
MAX_DEPTH = 32  # vLLM refuses JSON of more than 64 levels, and a schema takes two for each of its own
# `anyOf` beside `anyOf`, a reference in both of two references: more than this is an attack, or a mistake.
MAX_STEPS = 20_000

# xgrammar's own e-mail admits the escape \a, which is not JSON.
EMAIL = r"^[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+$"
FORMATS = frozenset({"date", "date-time", "duration", "hostname", "ipv4", "ipv6", "time", "uri", "uuid"})

# The patterns that xgrammar compiles to what they mean, for strings that need no escape: printable ASCII, no
# look-around, word boundary, back reference or Unicode class, anchors at the ends alone, small repetitions.
PATTERN = re.compile(
    r"""\^? (?: [^\\[\](){}"^$*+?\x00-\x1f\x7f-\U0010ffff] | \((?:\?:|(?!\?)) | \)
        | (?: [*+?] | \{[0-9]{1,3}(?:,[0-9]{0,3})?\} ) \?? (?![*+?{])
        | \\ (?: [dDwWsS] | [-^$.*+?()[\]{}|/@_:;,!\#%&=<>~'`\ ] | u(?!00|[dD][89a-fA-F])[0-9a-fA-F]{4} )
        | \[ (?: [^\\[\]^&"\x00-\x1f\x7f-\U0010ffff]
            | \\ (?: [^a-zA-Z0-9\s\\"] | [dDwWsS] | u(?!00|[dD][89a-fA-F])[0-9a-fA-F]{4} ) )+ \]
        | \[\^ (?: [^\\[\]^&\x00-\x1f\x7f-\U0010ffff]
            | \\ (?: [^a-zA-Z0-9\s] | [dDwWsSnrt] | u(?![dD][89a-fA-F])[0-9a-fA-F]{4} ) )+ \]
    )* \$?""",
    re.VERBOSE,
)


class Normalised(NamedTuple):
    """A tool's parameters as a grammar holds them, and the places of what it does not hold."""

    schema: dict[str, object]
    unenforced: tuple[str, ...]


def normalise(parameters: Words | bool | None) -> Normalised:
    """The normal form of a tool's parameters: a schema that admits only objects.

    `None`, `True` and `{}` give a free object. An object with `properties` is closed unless its author opened it;
    one without stays free. The result is JSON Schema (draft 2020-12), shares nothing with the input, and is its own
    normal form; descriptions, titles, defaults and examples are gone. What xgrammar 0.2.8 cannot enforce is left
    out and its place reported. An integer without bounds is held to 64 bits, or a model may write digits for ever.

    What no schema makes xgrammar do (measured): a number without bounds has any count of digits, one with bounds at
    most six decimals and no exponent; a string with `pattern`, `format` or `maxLength` has no escapes; a pattern
    holds for the whole string; keys come in the order of `properties`; free values are free in everything.

    Raises:
        SchemaError: these cannot be a tool's parameters; the message begins with the place, `properties.city.type: `.
    """
    return _Reader(parameters).read()


class _Reader:
    """Reads the parameters of one tool; on the way it collects references, and places that are not enforced."""

    def __init__(self, root: object, trial: bool = False) -> None:
        self.trial = self if trial else _Reader(root, trial=True)
        self.root = {} if root is None else root
        self.pointers: dict[str, str] = {}
        self.unenforced: dict[str, None] = {}
        self.nothing: Place = ()
        self.steps = 0

    def read(self) -> Normalised:
        top = self.node({"allOf": [self.root, {"type": "object"}]}, ())
        if top is None:
            raise _error(self.nothing, "nothing fits; a tool's parameters are an object")
        defs: dict[str, Schema] = {}
        waiting = _references(top)
        for name in waiting:
            if name not in defs:
                pointer = self.pointers[name]
                found = self.node(self.target(pointer, ()), tuple(pointer.split("/")[1:]))
                if found is None:
                    raise _error(self.nothing, "nothing fits")
                defs[name] = found
                waiting += _references(found)
        for name in defs:
            _check_cycle(name, defs)
        return Normalised(top | ({"$defs": defs} if defs else {}), tuple(self.unenforced))

    def node(self, schema: object, at: Place) -> Schema | None:
        """The normal form of the schema that stands at `at`."""
        self.count(at)
        if isinstance(schema, bool):
            return {} if schema else self.none(at)
        words = _mapping(schema, at)
        if words.get("nullable") is True:  # OpenAPI 3.0
            plain = {word: value for word, value in words.items() if word != "nullable"}
            return self.union([self.node(plain, at), {"type": "null"}], at)
        meant = words.keys() & (MEANT | UNENFORCED)
        if meant == {"$ref"}:
            return self.reference(words["$ref"], (*at, "$ref"))
        if meant == {"allOf"} and len(parts := _list(words["allOf"], (*at, "allOf"))) == 1:
            return self.node(parts[0], at)
        flat = self.flat(words, at)
        for word in [word for word in flat if word in ("anyOf", "oneOf")]:
            rest = {key: value for key, value in flat.items() if key != word}
            options = _list(flat[word], (*at, word))
            if word == "oneOf" and not self.disjoint(options, at):
                self.report((*at, word))
            whole = [{"allOf": [rest, option]} if rest else option for option in options]
            return self.union([self.node(item, (*at, word, str(i))) for i, item in enumerate(whole)], at)
        kinds = self.kinds(flat, at)
        if "enum" in flat:
            for word in [word for word in flat if word not in COMBINING]:
                self.report((*at, word))
            values = _list(flat["enum"], (*at, "enum"))
            return self.literals([value for value in values if _within(_kind(value), kinds)], at)
        if "any" in kinds:
            return {}
        return self.union([self.typed(kind, flat, at) for kind in kinds], at)

    def flat(self, words: Words, at: Place) -> Schema:
        """The same keywords without `allOf`, `const` and a `$ref` beside others."""
        self.count(at)
        for word in words:
            if word in UNENFORCED and words[word] not in (None, False):
                self.report((*at, word))
        out = {
            word: value
            for word, value in words.items()
            if word in MEANT and (value is not None or word == "const")
        }
        if isinstance(out.get("required"), bool):
            del out["required"]  # draft 3; the object around it reads it
        if isinstance(out.get("items"), list | tuple):  # before draft 2020-12
            out["prefixItems"] = out["items"]
            out["items"] = words.get("additionalItems", True)
        if words.get("patternProperties") and "properties" not in out:
            out.setdefault("additionalProperties", True)
        if "enum" in out and "type" in out:
            kinds = self.kinds(out, at)
            if not any(_within(_kind(value), kinds) for value in _list(out["enum"], (*at, "enum"))):
                self.report((*at, "enum"))  # strings for an array, say: the type is what calls follow
                del out["enum"]
        parts = [*_list(out.pop("allOf", []), (*at, "allOf"))]
        if "$ref" in out:
            parts.append(self.target(out.pop("$ref"), (*at, "$ref")))
        if "const" in out:
            parts.append({"enum": [out.pop("const")]})
        for index, part in enumerate(parts):
            inner = (*at, "allOf", str(index))
            if isinstance(part, bool):
                part = {} if part else {"enum": []}
            out = self.both(out, self.flat(_mapping(part, inner), inner), at)
        return out

    def both(self, a: Schema, b: Schema, at: Place) -> Schema:
        """The keywords of two schemas as one schema's."""
        out = {**a, **b}
        for word in [word for word in a if word in b]:
            mine, its, place = a[word], b[word], (*at, word)
            match word:
                case "type":
                    first, second = self.kinds({word: mine}, at), self.kinds({word: its}, at)
                    out[word] = [k for k in (*first, *second) if _within(k, first) and _within(k, second)]
                case "enum":
                    known = _texts(_list(its, place), place)
                    out[word] = [
                        value for text, value in _texts(_list(mine, place), place).items() if text in known
                    ]
                case "required":
                    out[word] = [*_list(mine, place), *_list(its, place)]
                case "properties":
                    left, right = _mapping(mine, place), _mapping(its, place)
                    shared = {name: _together(left[name], right[name]) for name in left if name in right}
                    out[word] = {**left, **right, **shared}
                case "items" | "additionalProperties":
                    out[word] = _together(mine, its)
                case "anyOf" | "oneOf":
                    out[word] = [{"allOf": [option, {word: its}]} for option in _list(mine, place)]
                case _ if word in STRICTER and not isinstance(mine, bool) and not isinstance(its, bool):
                    out[word] = STRICTER[word](_number(mine, place), _number(its, place))
                case _ if mine != its:
                    self.report(place)
        # What one side says of keys that it does not name holds for those that the other names.
        place = (*at, "properties")
        for side, other in ((a, b), (b, a)):
            rest = other.get("additionalProperties", True)
            if rest is not True and "properties" in side:
                named = _mapping(side["properties"], place).keys()
                new = named - _mapping(other.get("properties", {}), place)
                out["properties"] = {
                    name: {"allOf": [schema, rest]} if name in new else schema
                    for name, schema in _mapping(out["properties"], place).items()
                }
        return out

    def disjoint(self, options: Sequence[object], at: Place) -> bool:
        """Whether no value fits two of these: then `oneOf` is `anyOf`, which is all that xgrammar enforces."""
        if self.trial is self:
            return True
        pairs = ([a, b] for index, a in enumerate(options) for b in options[:index])
        try:
            return all(self.trial.node({"allOf": pair}, at) is None for pair in pairs)
        except SchemaError:
            return False

    def kinds(self, words: Words, at: Place) -> list[str]:
        """The types that these keywords allow; `any` alone for every one."""
        declared = words.get("type")
        if declared is None:
            found = [kind for kind, keywords in KEYWORDS.items() if words.keys() & keywords]
        else:
            found = []
            for name in [declared] if isinstance(declared, str) else _list(declared, (*at, "type")):
                if not isinstance(name, str) or name.casefold() not in TYPES:
                    known = ", ".join(sorted(set(TYPES.values())))
                    raise _error((*at, "type"), f"there is no type {_shown(name)}; the types are {known}")
                found.append(TYPES[name.casefold()])
        if "any" in found or (declared is None and not found):
            return ["any"]
        return [kind for kind in dict.fromkeys(found) if kind != "integer" or "number" not in found]

    def typed(self, kind: str, words: Words, at: Place) -> Schema | None:
        match kind:
            case "object":
                return self.object_(words, at)
            case "array":
                return self.array(words, at)
            case "string":
                return self.string(words, at)
            case "integer":
                return self.integer(words, at)
            case "number":
                return self.number(words, at)
        return {"type": kind}

    def object_(self, words: Words, at: Place) -> Schema | None:
        given = _mapping(words.get("properties", {}), (*at, "properties"))
        nodes = {
            _text(name, (*at, "properties")): self.node(schema, (*at, "properties", name))
            for name, schema in given.items()
        }
        required = [
            _text(name, (*at, "required")) for name in _list(words.get("required", []), (*at, "required"))
        ]
        required += [
            name
            for name, inner in given.items()
            if isinstance(inner, Mapping) and inner.get("required") is True
        ]
        rest: Schema | bool = "properties" not in words
        if "additionalProperties" in words:
            more = self.node(words["additionalProperties"], (*at, "additionalProperties"))
            rest = more or more is not None
        for name in required:
            if name not in nodes and rest is False and "additionalProperties" in words:
                self.report((*at, "required", name))  # required and forbidden: one of the two is a slip
            elif nodes.setdefault(name, rest if isinstance(rest, dict) else {}) is None:
                return None
        for name, node in nodes.items():
            if node is None and rest is not False:
                self.report((*at, "properties", name))
        properties = {name: node for name, node in nodes.items() if node is not None}
        names = [name for name in dict.fromkeys(required) if name in properties]
        low, high = self.counts(words, "Properties", at)
        if low > (high if rest else min(high, len(properties))) or len(names) > high:
            return self.none(at)
        for word in ("minProperties", "maxProperties"):
            if word in words and len(properties) > MAX_COUNTED:
                self.report((*at, word))
                low, high = 0, MAX_COUNT
        return _kept(
            type="object",
            properties=properties if properties or rest is False else None,
            required=names or None,
            additionalProperties=rest,
            minProperties=low or None,
            maxProperties=high if high < MAX_COUNT else None,
        )

    def array(self, words: Words, at: Place) -> Schema | None:
        prefix = _list(words.get("prefixItems", []), (*at, "prefixItems"))
        heads = [self.node(item, (*at, "prefixItems", str(index))) for index, item in enumerate(prefix)]
        # A tuple ends with what its author listed, an array of whatever does not.
        rest = self.node(words.get("items", not heads), (*at, "items"))
        low, high = self.counts(words, "Items", at)
        known = min(high, [*heads, None].index(None))
        if known < len(heads) or known == high:
            rest = None
        if low > (high if rest is not None else known):
            return self.none(at)
        return _kept(
            type="array",
            prefixItems=heads[:known] or None,
            items=False if rest is None else rest,
            minItems=low or None,
            maxItems=high if high < MAX_COUNT and rest is not None else None,
        )

    def string(self, words: Words, at: Place) -> Schema | None:
        format = _text(words.get("format", ""), (*at, "format"))
        pattern = _text(words.get("pattern", ""), (*at, "pattern"))
        # Beyond ASCII xgrammar compiles a pattern another way, which admits raw quotes.
        pattern = re.sub(r"[\u0080-\uffff]", lambda char: f"\\u{ord(char[0]):04x}", pattern)
        if not PATTERN.fullmatch(pattern) or _states(pattern) > MAX_STATES:
            self.report((*at, "pattern"))
            pattern = ""
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            raise _error(
                (*at, "pattern"), f"{_shown(pattern)} is not a regular expression: {error}"
            ) from error
        if format == "email" and not pattern:
            pattern = EMAIL
        shape = {"pattern": pattern} if pattern else {"format": format} if format in FORMATS else {}
        low, high = self.counts(words, "Length", at)
        if low > high:
            return self.none(at)
        lengths = {"minLength": low} if low else {}
        lengths |= {"maxLength": high} if high < MAX_COUNT else {}
        for word in [word for word, length in lengths.items() if shape or length > MAX_LENGTH]:
            self.report((*at, word))
            del lengths[word]
        return {"type": "string", **shape, **lengths}

    def integer(self, words: Words, at: Place) -> Schema | None:
        bounds = self.bounds(words, at)
        low, high = INT64
        low = max(
            low,
            math.ceil(bounds.get("minimum", low)),
            math.floor(bounds.get("exclusiveMinimum", low - 1)) + 1,
        )
        high = min(
            high,
            math.floor(bounds.get("maximum", high)),
            math.ceil(bounds.get("exclusiveMaximum", high + 1)) - 1,
        )
        return self.none(at) if low > high else {"type": "integer", "minimum": low, "maximum": high}

    def number(self, words: Words, at: Place) -> Schema | None:
        bounds = self.bounds(words, at)
        if not bounds:
            return {"type": "number"}
        low = next((bounds[word] for word in bounds if word in LOWEST), None)
        high = next((bounds[word] for word in bounds if word in HIGHEST), None)
        # With a bound on one side alone there is no end to the digits on the other.
        if high is None and low is not None and low < INT64[1]:
            bounds["maximum"] = INT64[1]
        if low is None and high is not None and high > INT64[0]:
            bounds["minimum"] = INT64[0]
        if low is not None and high is not None:
            if low > high or (low == high and bounds.keys() != {"minimum", "maximum"}):
                return self.none(at)
            # Six decimals may not reach in between, and then xgrammar would have the model write nothing.
            if high - low <= 2e-6 and not low == high == round(low, 6):
                for word in bounds:
                    self.report((*at, word))
                return {"type": "number"}
        return {"type": "number", **bounds}

    def bounds(self, words: Words, at: Place) -> dict[str, float]:
        """The bounds of a number, at most one on each side."""
        out: dict[str, float] = {}
        for side, exclusive, strictest in (
            ("minimum", "exclusiveMinimum", max),
            ("maximum", "exclusiveMaximum", min),
        ):
            found = {word: words[word] for word in (side, exclusive) if word in words}
            if isinstance(found.get(exclusive), bool):  # draft 4
                tight = found.pop(exclusive)
                found = {exclusive if tight else side: bound for bound in found.values()}
            edges = {word: _number(bound, (*at, word)) for word, bound in found.items()}
            if edges:
                edge = strictest(edges.values())
                out[exclusive if edges.get(exclusive) == edge else side] = edge
        return out

    def counts(self, words: Words, of: str, at: Place) -> tuple[int, int]:
        """The least and the greatest number of properties, items or characters."""
        found = []
        for word, free in ((f"min{of}", 0), (f"max{of}", MAX_COUNT)):
            count = _number(words.get(word, free), (*at, word))
            if count < 0 or count != int(count):
                raise _error((*at, word), f"must be a whole number from 0, not {_shown(count)}")
            found.append(min(int(count), MAX_COUNT))
        return found[0], found[1]

    def literals(self, values: Iterable[object], at: Place) -> Schema | None:
        """A schema of exactly these values."""
        plain: list[object] = []
        options: list[Schema] = []
        for value in _texts(values, at).values():
            if isinstance(value, float) and round(value, 6) == value and abs(value) < 1e16:
                # In an enum xgrammar writes 0.1 as 0.10000000000000001 and 2.0 as 2.
                options.append({"type": "number", "minimum": value, "maximum": value})
            else:
                plain.append(value)
        if plain:
            options.insert(0, {"enum": plain})
        return self.union(options, at)

    def reference(self, ref: object, at: Place) -> Schema:
        pointer = _text(ref, at)
        self.target(pointer, at)
        if pointer == "#":
            return {"$ref": "#"}
        names = {known: name for name, known in self.pointers.items()}
        if pointer not in names:
            stem = name = re.sub(r"[^A-Za-z0-9_]", "", pointer.rpartition("/")[2]) or "schema"
            while name in self.pointers:
                name = f"{stem}_{len(self.pointers)}"
            self.pointers[name] = pointer
            names[pointer] = name
        return {"$ref": f"#/$defs/{names[pointer]}"}

    def target(self, ref: object, at: Place) -> object:
        pointer = _text(ref, at)
        if pointer != "#" and not pointer.startswith("#/"):
            raise _error(at, f"{pointer!r} is not inside these parameters; a reference begins with '#/'")
        found = self.root
        for part in pointer.split("/")[1:]:
            key = unquote(part).replace("~1", "/").replace("~0", "~")
            if isinstance(found, Mapping) and key in found:
                found = found[key]
            elif isinstance(found, list | tuple) and key.isdecimal() and int(key) < len(found):
                found = found[int(key)]
            else:
                raise _error(at, f"there is no {pointer!r} in these parameters")
        return found

    def union(self, options: Iterable[Schema | None], at: Place) -> Schema | None:
        """What any of these admits."""
        flat: list[Schema] = []
        for option in options:
            for node in cast("list[Schema]", option.get("anyOf", [option])) if option is not None else []:
                if not node:
                    return {}
                if node not in flat:
                    flat.append(node)
        if not flat:
            return self.none(at)
        return {"anyOf": flat} if len(flat) > 1 else flat[0]

    def none(self, at: Place) -> Schema | None:
        """Nothing fits here; if in the end nothing fits at all, this is the place to name."""
        if self.nothing[: len(at)] != at:
            self.nothing = at
        return None

    def report(self, place: Place) -> None:
        self.unenforced[_place(place)] = None

    def count(self, at: Place) -> None:
        self.steps += 1
        if len(at) > 2 * MAX_DEPTH:
            raise _error(at[:8], "nested too deeply")
        if self.steps > MAX_STEPS:
            raise _error(at, "too large to be worked out")


def each(node: Schema, change: Callable[[Schema], Schema]) -> Schema:
    """A copy of a normalised schema with `change` made to every schema directly inside it."""
    out = dict(node)
    for word, value in node.items():
        if word in ("properties", "$defs"):
            out[word] = {name: change(inner) for name, inner in cast("dict[str, Schema]", value).items()}
        elif word in ("anyOf", "prefixItems"):
            out[word] = [change(inner) for inner in cast("list[Schema]", value)]
        elif word in ("items", "additionalProperties") and isinstance(value, dict):
            out[word] = change(value)
    return out


def _references(node: Schema) -> list[str]:
    """The names in `$defs` that a schema refers to."""
    found = [] if "anyOf" in node else _leads_to(node)

    def look(inner: Schema) -> Schema:
        found.extend(_references(inner))
        return inner

    each(node, look)
    return found


def _leads_to(node: Schema) -> list[str]:
    """The names that this schema stands for, as against those inside its values."""
    options = cast("list[Schema]", node.get("anyOf", [node]))
    return [
        str(option["$ref"]).removeprefix("#/$defs/") for option in options if option.get("$ref", "#") != "#"
    ]


def _check_cycle(name: str, defs: Mapping[str, Schema]) -> None:
    waiting = _leads_to(defs[name])
    for other in waiting:
        if other == name:
            raise _error(("$defs", name), "a reference that leads back to itself")
        waiting += [further for further in _leads_to(defs[other]) if further not in waiting]


def _states(pattern: str) -> int:
    """About how many states the repetitions of a pattern come to, those of groups times all others."""
    groups, others = 1, 0
    for group, low, high in re.findall(r"(\)?)\{(\d+)(?:,(\d*))?\}", pattern):
        count = int(high or low)
        groups, others = (groups * max(1, count), others) if group else (groups, others + count)
    return groups * max(1, others)


def _together(a: object, b: object) -> object:
    return a if a == b else {"allOf": [a, b]}


def _kind(value: object) -> str:
    match value:
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "integer" if value.is_integer() else "number"
        case str():
            return "string"
        case None:
            return "null"
    return "object" if isinstance(value, Mapping) else "array"


def _within(kind: str, kinds: Iterable[str]) -> bool:
    return bool({kind, "any", "number" if kind == "integer" else kind} & {*kinds})


def _texts(values: Iterable[object], at: Place) -> dict[str, object]:
    """Each different value once, by its JSON text; none is the caller's own."""
    found: dict[str, object] = {}
    for value in values:
        try:
            text = json.dumps(value, allow_nan=False, ensure_ascii=False)
            text.encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise _error(at, f"{_shown(value)} is not a JSON value") from error
        found[text] = json.loads(text)
    return found


def _kept(**words: object) -> Schema:
    return {word: value for word, value in words.items() if value is not None}


def _mapping(value: object, at: Place) -> Words:
    if not isinstance(value, Mapping):
        raise _error(at, f"must be an object, not {_shown(value)}")
    return value


def _list(value: object, at: Place) -> Sequence[object]:
    if not isinstance(value, list | tuple):
        raise _error(at, f"must be a list, not {_shown(value)}")
    return value


def _text(value: object, at: Place) -> str:
    if not isinstance(value, str):
        raise _error(at, f"must be a string, not {_shown(value)}")
    if re.search("[\ud800-\udfff]", value):
        raise _error(at, f"{_shown(value)} has half a surrogate pair, which no text has")
    return value


def _number(value: object, at: Place) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not -1e308 <= value <= 1e308:
        raise _error(at, f"must be a number, not {_shown(value)}")
    return value


def _shown(value: object) -> str:
    text = ascii(value)
    return text if len(text) < 40 else text[:36] + " ..."


def _place(at: Place) -> str:
    return ".".join(at) or "parameters"


def _error(at: Place, what: str) -> SchemaError:
    return SchemaError(f"{_place(at)}: {what}")
