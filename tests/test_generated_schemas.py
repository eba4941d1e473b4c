"""Any schema that people send: its normal form, and the grammar that this becomes."""

import json
import re
from collections.abc import Mapping
from copy import deepcopy
from random import Random
from typing import Any

import jsonschema
from hypothesis import assume, event, example, given
from hypothesis import strategies as st
from vocabulary import CHARACTERS, FREE, STOP, admits, arguments_grammar, walk

from chat_adapters.adapters import SchemaError, as_json_schema
from chat_adapters.adapters._normal_form import each
from chat_adapters.adapters._schema import Normalised, normalise
from chat_adapters.toolkit.strategies import ugly_parameters

Json = Any


def parts(schema: Mapping[str, Json]) -> list[Json]:
    """A schema in normal form, and all those inside it."""
    inner = [*schema.get("properties", {}).values(), *schema.get("$defs", {}).values()]
    inner += [*schema.get("anyOf", []), *schema.get("prefixItems", [])]
    inner += [
        schema[word] for word in ("items", "additionalProperties") if isinstance(schema.get(word), dict)
    ]
    return [schema, *(found for node in inner for found in parts(node))]


@given(ugly_parameters())
def test_normal_forms_are_their_own_and_share_nothing_with_the_input(parameters: Json) -> None:
    before = deepcopy(parameters)
    try:
        schema, _ = normalise(parameters)
    except SchemaError as error:
        event("refused: " + str(error).partition(": ")[2][:20])
        schema = FREE
    assert parameters == before
    assert normalise(schema) == (schema, ())
    theirs = {id(part) for part in containers(parameters)}
    assert not any(id(part) in theirs for part in containers(schema))


def containers(value: Json) -> list[Json]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return (
        [value, *(found for item in inner for found in containers(item))]
        if isinstance(value, dict | list)
        else []
    )


@given(ugly_parameters())
def test_normal_forms_have_five_forms(parameters: Json) -> None:
    try:
        top, _ = normalise(parameters)
    except SchemaError:
        return
    for node in parts(top):
        form = node.keys() - {"$defs"} if node is top else node.keys()
        assert not form or form in ({"$ref"}, {"enum"}, {"anyOf"}) or isinstance(node["type"], str)
        assert node.get("type") != "object" or "additionalProperties" in node
        assert node.get("type") != "array" or "items" in node
        assert node.get("type") != "integer" or {"minimum", "maximum"} <= node.keys()


def normal(parameters: Json) -> Normalised:
    try:
        return normalise(parameters)
    except SchemaError:
        assume(False)
        raise


def validator(parameters: Json) -> Json:
    """Of these parameters as JSON Schema, in the draft that they are of; None if no validator reads them as we do."""
    schema: Json = as_json_schema(parameters)
    schema = {} if schema is None else schema
    text = json.dumps(schema)
    if '"nullable": true' in text or '"enum": []' in text:
        return None
    new = re.search('"(const|contains|propertyNames|if|prefixItems|\\$ref)"', text)
    drafts: list[Json] = [jsonschema.Draft202012Validator]
    drafts += [] if re.search('"(prefixItems|\\$ref)"', text) else [jsonschema.Draft7Validator]
    drafts += [] if new or re.search(": (true|false)", text) else [jsonschema.Draft4Validator]
    for draft in drafts:
        try:
            draft.check_schema(schema)
        except (jsonschema.SchemaError, re.error):
            continue
        return draft(schema)
    return None


def ends(schema: Mapping[str, Json]) -> bool:
    """Whether a walk has a fair chance to end: nothing recursive, not too much to write."""
    return "$ref" not in json.dumps(schema)


class RepeatedKeyError(Exception):
    """A free object may repeat a key; its last value is the one that counts, for whoever reads it."""


def without_repeated_keys(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    if len(dict(pairs)) < len(pairs):
        raise RepeatedKeyError
    return dict(pairs)


@given(ugly_parameters(), st.integers(0, 2**32))
def test_what_the_grammar_admits_fits_the_schema(parameters: Json, seed: int) -> None:
    random = Random(seed)  # not Hypothesis's own, which would look for the walk that never ends
    schema, unenforced = normal(parameters)
    grammar = arguments_grammar(parameters)
    for _ in range(3):
        text = walk(grammar, random)
        assert text is not None or not ends(schema), schema
        if text is None:
            continue
        try:
            arguments = json.loads(text, object_pairs_hook=without_repeated_keys)
        except RepeatedKeyError:
            continue
        jsonschema.validate(arguments, schema, jsonschema.Draft202012Validator)
        theirs = validator(parameters)
        if not unenforced and theirs is not None:
            theirs.validate(arguments)


SCALARS: list[Json] = [
    None,
    True,
    False,
    0,
    1,
    -3,
    2.0,
    0.5,
    2**40,
    "",
    "a",
    "abc",
    "12",
    "km/h",
    "\u4e2d\n",
    [],
    {},
    ["a"],
]


def guess(random: Random, node: Json, whole: Json, depth: int = 0) -> Json:
    """A value that may fit a schema in normal form: most of it does, here and there it goes astray."""

    def of(inner: Json) -> Json:
        return guess(random, inner, whole, depth + 1)

    if not node or depth > 8 or random.random() < 0.08:
        return random.choice(SCALARS)
    if "$ref" in node:
        return of(whole if node["$ref"] == "#" else whole["$defs"][node["$ref"].removeprefix("#/$defs/")])
    if "enum" in node:
        return random.choice(node["enum"])
    if "anyOf" in node:
        return of(random.choice(node["anyOf"]))
    match node["type"]:
        case "integer" | "number":
            edge = random.choice(
                [node.get("minimum", 0), node.get("maximum", 0), node.get("exclusiveMinimum", 1)]
            )
            edge = edge if abs(edge) < 1e6 else 0  # past 64 bits no integer fits ours
            return edge + random.choice([0, 0, 1, -1, 0.5])
        case "array":
            items = [of(item) for item in node.get("prefixItems", [])]
            items += [of(node["items"]) for _ in range(random.choice([0, 1, 2, node.get("minItems", 0)]))]
            return items[: random.choice([1, 2, 3, 9])]
        case "object":
            names = [
                *node.get("properties", {}),
                *random.choices(["a", "b", "x1"], k=random.choice([0, 0, 1])),
            ]
            kept = [name for name in names if name in node.get("required", []) or random.random() < 0.6]
            rest = {} if isinstance(node["additionalProperties"], bool) else node["additionalProperties"]
            return {
                name: of(node.get("properties", {}).get(name, rest))
                for name in kept
                if random.random() < 0.95
            }
        case "boolean" | "null":
            return random.choice(SCALARS[:3])
    return random.choice(["", "a", "abc", "12", "abcdef", "2024-01-31", "xy", "\u4e2d"])


def opened(node: Json) -> Json:
    """The same normal form with objects and arrays that may have more in them."""
    more: Json = {"additionalProperties": True} if node.get("additionalProperties") is False else {}
    more |= {"items": {}} if node.get("items") is False else {}
    return each({**node, **more}, opened)


def is_read_more_narrowly(schema: Json) -> bool:
    """Whether somewhere we take keywords without a type as that type, or a size with what an open object could hold."""
    text = json.dumps(schema)
    if "Properties" in text.replace("additionalProperties", "") or '"email"' in text or "Items" in text:
        return True
    return any(
        part.keys()
        & {"properties", "required", "items", "minLength", "pattern", "format", "minimum", "exclusiveMinimum"}
        and not isinstance(part.get("type"), str | list)
        # The whole is an object in any case, but others may be it.
        for part in containers(schema)['"#"' not in text :]
        if isinstance(part, dict)
    )


@example({"properties": {"a": {"type": "array", "items": {"$ref": "#"}}}}, 0)
@example(
    {
        "properties": {
            "a": {"allOf": [{"prefixItems": [True]}, {"items": {"type": "string"}}], "type": "array"}
        }
    },
    0,
)
@example({"properties": {"a": {"anyOf": [{"enum": [1]}, {"enum": [True]}]}}, "required": ["a"]}, 0)
@given(ugly_parameters(), st.integers(0, 2**32))
def test_a_valid_json_schema_keeps_its_meaning(parameters: Json, seed: int) -> None:
    """But for what is reported: then it admits more."""
    random = Random(seed)
    schema, unenforced = normal(parameters)
    theirs = validator(parameters)
    assume(theirs is not None)
    ours, more = map(jsonschema.Draft202012Validator, (schema, opened(schema)))
    narrow = is_read_more_narrowly(theirs.schema)
    for _ in range(20):
        value = guess(random, schema, schema)
        if not isinstance(value, dict):
            continue
        if ours.is_valid(value):
            event("fits")
            assert unenforced or theirs.is_valid(value), (value, schema)
        if not narrow and theirs.is_valid(value):
            event("fits theirs, which is read no more narrowly")
            assert more.is_valid(value), (value, schema)


@example({"properties": {"a": {"type": "odd", "required": True}}})
@given(ugly_parameters())
def test_as_json_schema_is_its_own_and_means_the_same(parameters: Json) -> None:
    before = deepcopy(parameters)
    schema: Json = as_json_schema(parameters)
    assert parameters == before
    assert as_json_schema(schema) is schema
    try:
        meant: Json = normalise(parameters)
    except SchemaError:
        meant = None
    again: Json = schema
    try:
        assert normalise(again) == meant
    except SchemaError:
        assert meant is None


PLAIN_TEXT = st.text(st.sampled_from("ab1 -/\u4e2d\U0001f600"), max_size=6)
TEXT = st.text(st.sampled_from([char for char in CHARACTERS if char != STOP]), max_size=8)
ANY = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXT
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(TEXT, inner, max_size=2)),
    max_leaves=4,
)


def instances(node: Json, whole: Json, depth: int = 0) -> st.SearchStrategy[Json]:
    """Values of a schema in normal form, their keys in its order."""

    def of(inner: Json) -> st.SearchStrategy[Json]:
        return instances(inner, whole, depth + 1)

    if not node:
        return ANY
    if "$ref" in node:
        target = whole if node["$ref"] == "#" else whole["$defs"][node["$ref"].removeprefix("#/$defs/")]
        return st.nothing() if depth > 6 else of(target)
    if "enum" in node:
        return st.sampled_from(node["enum"])
    if "anyOf" in node:
        return st.one_of([of(option) for option in node["anyOf"]])
    low, high = node.get("minItems", 0), node.get("maxItems")
    match node["type"]:
        case "null":
            return st.none()
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(node["minimum"], node["maximum"])
        case "number" if len(node) == 1:
            return st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False))
        case "number":
            least = max(node.get("minimum", -1e9), node.get("exclusiveMinimum", -1e9), -1e9)
            most = min(node.get("maximum", 1e9), node.get("exclusiveMaximum", 1e9), 1e9)
            numbers = st.floats(least, most).map(lambda number: round(number, 3) + 0.0)
            return numbers.filter(
                lambda number: jsonschema.Draft202012Validator(node).is_valid(number) and abs(number) > 1e-3
            )
        case "string" if "pattern" in node:
            return st.from_regex(
                node["pattern"], fullmatch=True, alphabet=st.sampled_from("abx0123456789-@.\u4e2d")
            )
        case "string" if "format" in node:
            samples = {"date": "2024-02-29", "time": "10:30:00Z", "ipv4": "10.0.0.255"}
            return st.just(samples[node["format"]])
        case "string":
            texts = PLAIN_TEXT if "maxLength" in node else TEXT
            return texts.filter(
                lambda text: node.get("minLength", 0) <= len(text) <= node.get("maxLength", 99)
            )
        case "array":
            heads = [of(item) for item in node.get("prefixItems", [])]
            rest = st.just([]) if node["items"] is False else st.lists(of(node["items"]), max_size=2)
            return st.builds(lambda first, more: [*first, *more], st.tuples(*heads), rest).filter(
                lambda items: low <= len(items) <= (99 if high is None else high)
            )
    given_ = {name: of(inner) for name, inner in node.get("properties", {}).items()}
    required = {name: given_[name] for name in node.get("required", [])}
    more = node["additionalProperties"]
    others = st.dictionaries(TEXT, of({} if more is True else more), max_size=2) if more else st.just({})

    def ordered(values: dict[str, Json], rest: dict[str, Json]) -> dict[str, Json]:
        return {name: values[name] for name in given_ if name in values} | {
            name: value for name, value in rest.items() if name not in given_
        }

    objects = st.builds(
        ordered,
        st.fixed_dictionaries(required, optional={n: g for n, g in given_.items() if n not in required}),
        others,
    )
    most = node.get("maxProperties", 99)
    return objects.filter(lambda found: node.get("minProperties", 0) <= len(found) <= most)


@given(ugly_parameters(leaves=8), st.data())
def test_the_grammar_admits_what_a_template_writes(parameters: Json, data: st.DataObject) -> None:
    schema, _ = normal(parameters)
    arguments = data.draw(instances(schema, schema))
    assert admits(arguments_grammar(parameters), json.dumps(arguments, ensure_ascii=False))


# Not \W, of which Python has another idea than JavaScript.
PIECES_OF_PATTERNS = [
    "a",
    "b-",
    "1",
    "'",
    "[a-c]",
    "[^ab]",
    '[^"]',
    "[\\w.-]",
    "[^\\s]",
    "\\d",
    "\\w",
    "\\s",
    "\\S",
    "\\D",
    "\\.",
    "\\/",
]
PIECES_OF_PATTERNS += [
    "\\u4e2d",
    "[\u4e00-\u9fff]",
    "(",
    "(?:",
    ")",
    ")",
    "|",
    "*",
    "+",
    "?",
    "{2}",
    "{1,3}",
    "{2,}",
    "^",
    "$",
    "\u4e2d",
]
PIECES_OF_PATTERNS += [
    "(?=a)",
    "\\b",
    "\\1",
    '"',
    "\\n",
    "\\\\",
    '["]',
    "\t",
    "[",
    "{",
    "\\x22",
    "\\u0022",
    "[[:alpha:]]",
]


@example(["^", "(?:", "a", "|", "b-", ")", "{1,3}", "$"], 0)
@given(st.lists(st.sampled_from(PIECES_OF_PATTERNS), max_size=6), st.integers(0, 2**32))
def test_a_pattern_that_is_kept_means_what_it_says(pieces: list[str], seed: int) -> None:
    schema, unenforced = normal(
        {"properties": {"x": {"type": "string", "pattern": "".join(pieces)}}, "required": ["x"]}
    )
    assume(not unenforced)
    text = walk(arguments_grammar(schema), Random(seed))
    if text is not None:
        jsonschema.validate(json.loads(text), schema)


@example({"a": "x" * 99})
@given(st.dictionaries(TEXT, ANY, max_size=3))
def test_a_free_object_is_any_object(arguments: Json) -> None:
    assert admits(arguments_grammar(None), json.dumps(arguments, ensure_ascii=False))
