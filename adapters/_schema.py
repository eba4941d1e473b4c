"""Tool parameters, however people write them, as a JSON Schema that a grammar can hold a model to.

What comes in may be JSON Schema of any draft, OpenAPI, the type names of Python, or a list of parameters. What goes out
is made of five forms only, so that whoever reads it needs no other case:

    {}    {"$ref": "#/$defs/NAME"}    {"enum": [...]}    {"anyOf": [...]}    {"type": one of seven, its keywords}

`allOf`, keywords beside `$ref` or `anyOf`, and keywords without a type are worked into these: xgrammar 0.2.8 reads
the first of `$ref`, `const`, `enum`, `anyOf`, `oneOf`, `allOf`, `type` that it finds, and forgets the others.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import NamedTuple, cast
from urllib.parse import unquote

from ._errors import SchemaError
from ._json_schema import of_list, spelled_out
from ._normal_form import check_cycles, references
from ._places import Place, Words, error, list_, mapping, number, said, shown, text
from ._scalars import HIGHEST, LOWEST, MAX_COUNT, counts, integer, is_short, number_, string
from ._type_names import NameBudget

__all__ = ["Normalised", "Parameters", "Work", "kind_of", "normalise"]

Parameters = Words | Sequence[object] | bool | None
Schema = dict[str, object]
"""A schema in normal form. Where it may be None, None is the schema that admits nothing."""

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

STRICTER: Mapping[str, Callable[[float, float], float]] = {
    **dict.fromkeys(LOWEST, max),
    **dict.fromkeys(HIGHEST, min),
}

MAX_COUNTED = 32  # properties of which some number has to be there; 200 take xgrammar a minute
MAX_DEPTH = 32  # vLLM refuses JSON of more than 64 levels, and a schema takes two for each of its own
# Schemas and values to look at, a second's work being about 100,000. `anyOf` beside `anyOf`, a reference in both of two
# references: more than this is an attack, or a mistake.
MAX_STEPS = 30_000
MAX_TRIALS = 10_000  # of them, to see whether the branches of `oneOf` exclude each other
MAX_WORK = 40_000  # for all tools of a request
TEXT_STEP = 64  # characters that count as one


class Normalised(NamedTuple):
    """A tool's parameters as a grammar holds them, and the places of what it does not hold."""

    schema: dict[str, object]
    unenforced: tuple[str, ...]


class Work:
    """What may be spent on the schemas of one request."""

    def __init__(self, steps: int = MAX_WORK) -> None:
        self.steps = steps
        self.names = NameBudget()


def normalise(parameters: Parameters, work: Work | None = None) -> Normalised:
    """The normal form of a tool's parameters: a schema that admits only objects.

    `None`, `True` and `{}` give a free object. An object with `properties` is closed unless its author opened it;
    one without stays free. The result is JSON Schema (draft 2020-12), shares nothing with the input, and is its own
    normal form; descriptions, titles, defaults and examples are gone. What xgrammar 0.2.8 cannot enforce is left
    out and its place reported. An integer without bounds is held to 64 bits, or a model may write digits for ever.

    What no schema makes xgrammar do (measured): a number without bounds has any count of digits, one with bounds at
    most six decimals and no exponent; a string with `pattern`, `format` or `maxLength` has no escapes; a pattern
    holds for the whole string; keys come in the order of `properties`; free values are free in everything.

    Args:
        parameters: as the request gave them.
        work: what is left for all tools of the request; what this takes is taken off.

    Raises:
        SchemaError: these cannot be a tool's parameters; the message begins with the place, `properties.city.type: `.
    """
    try:
        return _Reader(parameters, work or Work()).read()
    except RecursionError:
        raise error((), "nested too deeply") from None


class _Reader:
    """Reads the parameters of one tool; on the way it collects references, and places that are not enforced."""

    def __init__(self, root: Parameters, work: Work, trial: bool = False) -> None:
        self.trial = self if trial else _Reader(root, work, trial=True)
        self.limit = MAX_TRIALS if trial else MAX_STEPS
        self.root: object = {} if root is None else root
        if isinstance(root, list | tuple):
            self.root = of_list(root, ())
        self.whole: Words = {"allOf": [self.root, {"type": "object"}]}
        self.work = work
        self.pointers: dict[str, str] = {}
        self.names: dict[str, str] = {}
        self.unenforced: dict[str, None] = {}
        self.nothing: Place = ()
        self.steps = 0

    def read(self) -> Normalised:
        top = self.node(self.whole, ())
        if top is None:
            raise error(self.nothing, "nothing fits; a tool's parameters are an object")
        defs: dict[str, Schema] = {}
        waiting = references(top)
        for name in waiting:
            if name not in defs:
                pointer = self.pointers[name]
                found = self.node(self.target(pointer, ()), tuple(pointer.split("/")[1:]))
                if found is None:
                    raise error(self.nothing, "nothing fits")
                defs[name] = found
                waiting += references(found)
        check_cycles(defs)
        return Normalised(top | ({"$defs": defs} if defs else {}), tuple(self.unenforced))

    def node(self, schema: object, at: Place) -> Schema | None:
        """The normal form of the schema that stands at `at`."""
        self.count(at)
        if isinstance(schema, bool):
            return {} if schema else self.none(at)
        words = self.spelled(schema, at)
        if words.get("nullable") is True:  # OpenAPI 3.0
            plain = {word: value for word, value in words.items() if word != "nullable"}
            return self.union([self.node(plain, at), {"type": "null"}], at)
        meant = words.keys() & (MEANT | UNENFORCED)
        if meant == {"$ref"}:
            return self.reference(words["$ref"], (*at, "$ref"))
        if meant == {"allOf"} and len(parts := list_(words["allOf"], (*at, "allOf"))) == 1:
            return self.node(parts[0], at)
        flat = self.flat(words, at)
        for word in [word for word in flat if word in ("anyOf", "oneOf")]:
            rest = {key: value for key, value in flat.items() if key != word}
            options = list_(flat[word], (*at, word))
            if word == "oneOf" and not self.disjoint(options, at):
                self.report((*at, word))
            whole = [{"allOf": [rest, option]} if rest else option for option in options]
            return self.union([self.node(item, (*at, word, str(i))) for i, item in enumerate(whole)], at)
        kinds = self.kinds(flat, at)
        if "enum" in flat:
            for word in [word for word in flat if word not in COMBINING]:
                self.report((*at, word))
            values = list_(flat["enum"], (*at, "enum"))
            return self.literals([value for value in values if _within(kind_of(value), kinds)], at)
        if "any" in kinds:
            return {}
        return self.union([self.typed(kind, flat, at) for kind in kinds], at)

    def spelled(self, schema: object, at: Place) -> Words:
        words = mapping(schema, at)
        properties = words.get("properties")
        self.count((*at, "properties"), len(properties) if isinstance(properties, dict | list) else 0)
        return spelled_out(words, at, self.work.names)

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
        if isinstance(out.get("items"), list | tuple):  # before draft 2020-12
            out["prefixItems"] = out["items"]
            out["items"] = words.get("additionalItems", True)
        if words.get("patternProperties") and "properties" not in out:
            out.setdefault("additionalProperties", True)
        if "enum" in out and "type" in out:
            kinds = self.kinds(out, at)
            if not any(_within(kind_of(value), kinds) for value in list_(out["enum"], (*at, "enum"))):
                self.report((*at, "enum"))  # strings for an array, say: the type is what calls follow
                del out["enum"]
        parts = [*list_(out.pop("allOf", []), (*at, "allOf"))]
        if "$ref" in out:
            parts.append(self.target(out.pop("$ref"), (*at, "$ref")))
        if "const" in out:
            parts.append({"enum": [out.pop("const")]})
        for index, part in enumerate(parts):
            inner = at if words is self.whole else (*at, "allOf", str(index))
            if isinstance(part, bool):
                part = {} if part else {"enum": []}
            out = self.both(out, self.flat(self.spelled(part, inner), inner), at)
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
                    known = self.texts(list_(its, place), place)
                    out[word] = [
                        value
                        for text, value in self.texts(list_(mine, place), place).items()
                        if text in known
                    ]
                case "required":
                    out[word] = [*list_(mine, place), *list_(its, place)]
                case "properties":
                    left, right = mapping(mine, place), mapping(its, place)
                    shared = {name: _together(left[name], right[name]) for name in left if name in right}
                    out[word] = {**left, **right, **shared}
                case "items" | "additionalProperties":
                    out[word] = _together(mine, its)
                case "prefixItems":
                    pass  # below
                case "anyOf" | "oneOf":
                    out[word] = [{"allOf": [option, {word: its}]} for option in list_(mine, place)]
                case _ if word in STRICTER and not isinstance(mine, bool) and not isinstance(its, bool):
                    out[word] = STRICTER[word](number(mine, place), number(its, place))
                case _ if mine != its:
                    self.report(place)
        # What one side says of items and keys that it does not name holds for those that the other names.
        firsts = [list_(side.get("prefixItems", []), (*at, "prefixItems")) for side in (a, b)]
        if any(firsts) and all(side.keys() & {"prefixItems", "items"} for side in (a, b)):
            rests = [side.get("items", True) for side in (a, b)]
            out["prefixItems"] = [
                _together(*(rest if one is rests else one for one, rest in zip(pair, rests, strict=True)))
                for pair in zip_longest(*firsts, fillvalue=rests)
            ]
            self.count(at, max(map(len, firsts)))
        place = (*at, "properties")
        for side, other in ((a, b), (b, a)):
            rest = other.get("additionalProperties", True)
            if rest is not True and "properties" in side:
                named = mapping(side["properties"], place).keys()
                new = named - mapping(other.get("properties", {}), place)
                out["properties"] = {
                    name: {"allOf": [schema, rest]} if name in new else schema
                    for name, schema in mapping(out["properties"], place).items()
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
            return found or ["any"]
        names = [declared] if isinstance(declared, str) else list_(declared, (*at, "type"))
        self.count(at, len(names))
        found = [str(name) for name in dict.fromkeys(names)]
        return [kind for kind in found if kind != "integer" or "number" not in found]

    def typed(self, kind: str, words: Words, at: Place) -> Schema | None:
        found: Schema | None = {"type": kind}
        match kind:
            case "object":
                return self.object_(words, at)
            case "array":
                return self.array(words, at)
            case "string":
                found = string(words, at, self.report)
            case "integer":
                found = integer(words, at)
            case "number":
                found = number_(words, at, self.report)
        return self.none(at) if found is None else found

    def object_(self, words: Words, at: Place) -> Schema | None:
        given = mapping(words.get("properties", {}), (*at, "properties"))
        nodes: dict[str, Schema | None] = {}
        for name, schema in given.items():
            self.count((*at, "properties"), len(text(name, (*at, "properties"))) // TEXT_STEP)
            nodes[name] = self.node(schema, (*at, "properties", name))
        place = (*at, "required")
        wanted = list_(words.get("required", []), place)
        self.count(place, len(wanted) // 4)
        required = [text(name, place) for name in wanted]
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
        low, high = counts(words, "Properties", at)
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
        prefix = list_(words.get("prefixItems", []), (*at, "prefixItems"))
        heads = [self.node(item, (*at, "prefixItems", str(index))) for index, item in enumerate(prefix)]
        # A tuple ends with what its author listed, an array of whatever does not.
        rest = self.node(words.get("items", not heads), (*at, "items"))
        low, high = counts(words, "Items", at)
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

    def literals(self, values: Sequence[object], at: Place) -> Schema | None:
        """A schema of exactly these values."""
        plain: list[object] = []
        options: list[Schema] = []
        for value in self.texts(values, at).values():
            if isinstance(value, float) and is_short(value):
                options.append({"type": "number", "minimum": value, "maximum": value})
            else:
                plain.append(value)
        if plain:
            options.insert(0, {"enum": plain})
        return self.union(options, at)

    def texts(self, values: Sequence[object], at: Place) -> dict[str, object]:
        """Each different value once, by its JSON text; none is the caller's own."""
        self.count(at, len(values))
        found: dict[str, object] = {}
        for value in values:
            try:
                written = json.dumps(value, allow_nan=False, ensure_ascii=False)
                written.encode()
            except (TypeError, ValueError, RecursionError) as failure:
                raise error(at, f"{shown(value)} is not a JSON value") from failure
            self.count(at, len(written) // TEXT_STEP)
            found[written] = json.loads(written)
        return found

    def reference(self, ref: object, at: Place) -> Schema:
        pointer = text(ref, at)
        self.target(pointer, at)
        if pointer == "#":
            return {"$ref": "#"}
        if pointer not in self.names:
            stem = name = re.sub(r"[^A-Za-z0-9_]", "", pointer.rpartition("/")[2]) or "schema"
            while name in self.pointers:
                name = f"{stem}_{len(self.pointers)}"
            self.pointers[name] = pointer
            self.names[pointer] = name
        return {"$ref": f"#/$defs/{self.names[pointer]}"}

    def target(self, ref: object, at: Place) -> object:
        pointer = text(ref, at)
        self.count(at, len(pointer) // TEXT_STEP)
        if pointer != "#" and not pointer.startswith("#/"):
            raise error(at, f"{pointer!r} is not inside these parameters; a reference begins with '#/'")
        found = self.root
        for part in pointer.split("/")[1:]:
            key = unquote(part).replace("~1", "/").replace("~0", "~")
            if isinstance(found, Mapping) and key in found:
                found = found[key]
            elif isinstance(found, list | tuple) and key.isdecimal() and int(key) < len(found):
                found = found[int(key)]
            else:
                raise error(at, f"there is no {pointer!r} in these parameters")
        return found

    def union(self, options: Iterable[Schema | None], at: Place) -> Schema | None:
        """What any of these admits."""
        flat: list[Schema] = []
        for option in options:
            if option is not None:
                flat += cast("list[Schema]", option.get("anyOf", [option]))
        if not flat:
            return self.none(at)
        if len(flat) == 1:
            return flat[0]
        if {} in flat:
            return {}
        different = list({repr(node): node for node in flat}.values())  # 1 is not true here
        return {"anyOf": different} if len(different) > 1 else different[0]

    def none(self, at: Place) -> Schema | None:
        """Nothing fits here; if in the end nothing fits at all, this is the place to name."""
        if self.nothing[: len(at)] != at:
            self.nothing = at
        return None

    def report(self, place: Place) -> None:
        self.unenforced[said(place)] = None

    def count(self, at: Place, steps: int = 1) -> None:
        self.steps += steps
        self.work.steps -= steps
        if len(at) > 2 * MAX_DEPTH:
            raise error(at[:8], "nested too deeply")
        if self.steps > self.limit or self.work.steps < 0:
            raise error(at, "too large to be worked out")


def _together(a: object, b: object) -> object:
    if a is True or b is True:
        return b if a is True else a
    return a if a is b or (a == b and repr(a) == repr(b)) else {"allOf": [a, b]}


def kind_of(value: object) -> str:
    """The name of a JSON value's type; of a number without a fraction it is `integer`."""
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


def _kept(**words: object) -> Schema:
    return {word: value for word, value in words.items() if value is not None}
