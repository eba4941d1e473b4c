"""The grammar: its data, and what xgrammar admits and refuses of it.

The vocabulary is small and made here: single characters, the bytes of a few others, and pieces across the seams of
JSON as real vocabularies have them.
"""

import json
import re
from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from random import Random
from typing import Any, Literal

import jsonschema
import pytest
from hypothesis import assume, event, example, given
from hypothesis import strategies as st

from chat_adapters.adapters import (
    ADAPTERS,
    Format,
    JsonCall,
    SchemaError,
    Tool,
    ToolNameError,
    as_json_schema,
    structural_tag,
)
from chat_adapters.adapters._normal_form import each
from chat_adapters.adapters._schema import Normalised, normalise
from chat_adapters.toolkit.strategies import ugly_parameters

Json = Any

FREE = {"type": "object", "additionalProperties": True}
TAGGED = Format(call=JsonCall(open="<call>\n", close="\n</call>"), separator="\n")
BARE = Format(call=JsonCall(arguments_key="parameters"), separator="; ")
WEATHER = Tool(
    "get_weather", {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
)
ANYTHING = Tool("any", None)

STOP = "<stop>"
PIECES = [
    '": ',
    '", ',
    '": "',
    '"}',
    '{"',
    " {",
    "[]",
    "{}",
    "\\n",
    '\\"',
    "\\u00",
    "12",
    ".5",
    "e-",
    "nul",
    "true",
    "}\n",
]
PIECES += [f'"{word}' for word in ("a", "name", "key", " ")] + [
    "<call>\n",
    "</call>",
    "  ",
    "\n\n",
    "ab",
    "2024-01-",
]
CHARACTERS = [*map(chr, range(0x20, 0x7F)), "\n", "\t", "\x01", "\u00e9", "\u4e2d", "\u540d", "\U0001f600"]
VOCABULARY = [*PIECES, *CHARACTERS, STOP]


@cache
def compiler() -> Any:
    xgr = pytest.importorskip("xgrammar", reason="xgrammar is not installed; it comes with vLLM")
    info = xgr.TokenizerInfo(
        [word.encode() for word in VOCABULARY], xgr.VocabType.RAW, stop_token_ids=[VOCABULARY.index(STOP)]
    )
    return xgr.GrammarCompiler(info, max_threads=1)


def compiled(tag: Mapping[str, Json]) -> Any:
    return compiler().compile_structural_tag(json.dumps(tag))


def admits(grammar: Any, text: str) -> bool:
    """Whether the grammar lets a model write this and stop."""
    import xgrammar

    matcher = xgrammar.GrammarMatcher(grammar)
    return all(matcher.accept_token(VOCABULARY.index(char)) for char in (*text, STOP))


def walk(grammar: Any, random: Random, limit: int = 300) -> str | None:
    """A text that the grammar admits, None if it did not end; like a model, it tends to close what is open."""
    import xgrammar

    matcher = xgrammar.GrammarMatcher(grammar)
    mask = xgrammar.allocate_token_bitmask(1, len(VOCABULARY))
    text = ""
    for length in range(limit):
        matcher.fill_next_token_bitmask(mask)
        bits = mask[0].tolist()
        open_ = [word for index, word in enumerate(VOCABULARY) if bits[index // 32] >> index % 32 & 1]
        assert open_, f"nothing may follow {text!r}"
        if STOP in open_ and random.random() < 0.5:
            return text
        closing = [word for word in open_ if word.strip()[:1] in ('"', "}", "]")]
        word = random.choice(closing if closing and random.random() < max(0.4, length / 100) else open_)
        if word == STOP:
            return text
        assert matcher.accept_token(VOCABULARY.index(word))
        text += word
    return None


def called(name: str = "get_weather", arguments: str = '{"city": "Rome"}') -> str:
    return TAGGED.call.begin(name) + arguments + TAGGED.call.end


def tagged(choice: Literal["auto", "required", "forced"], *tools: Tool, **changes: bool) -> Any:
    tag: Json = structural_tag(TAGGED, tools, choice)
    tag["format"].update(changes)
    return compiled(tag)


def arguments_grammar(parameters: Json) -> Any:
    """The grammar of the arguments alone."""
    tag: Json = structural_tag(TAGGED, [Tool("f", parameters)], "forced")
    return compiled({"type": "structural_tag", "format": tag["format"]["tags"][0]["content"]})


# ---- the data ----


@pytest.mark.parametrize("choice", ["required", "forced"])
def test_calls_alone_with_the_separator_between(choice: Literal["required", "forced"]) -> None:
    assert structural_tag(TAGGED, [WEATHER], choice) == {
        "type": "structural_tag",
        "format": {
            "type": "tags_with_separator",
            "tags": [
                {
                    "type": "tag",
                    "begin": '<call>\n{"name": "get_weather", "arguments": ',
                    "content": {
                        "type": "json_schema",
                        "json_schema": {**WEATHER.parameters, "additionalProperties": False},  # type: ignore[dict-item]
                        "max_whitespace_cnt": 1,
                    },
                    "end": "}\n</call>",
                }
            ],
            "separator": "\n",
            "at_least_one": True,
            "stop_after_first": choice == "forced",
        },
    }


@pytest.mark.parametrize(("format", "trigger"), [(TAGGED, "<call>"), (BARE, '{"name": "')])
def test_in_auto_the_opening_is_the_trigger(format: Format, trigger: str) -> None:
    tag: Json = structural_tag(format, [WEATHER, ANYTHING], "auto")
    assert tag["format"]["type"] == "triggered_tags"
    assert tag["format"]["triggers"] == [trigger]
    assert [item["begin"].startswith(trigger) for item in tag["format"]["tags"]] == [True, True]


@pytest.mark.parametrize("name", ADAPTERS)
def test_every_adapter_has_a_grammar_that_is_json(name: str) -> None:
    for choice in ("auto", "required", "forced"):
        tag = structural_tag(ADAPTERS[name].format, [WEATHER, ANYTHING], choice)
        assert json.loads(json.dumps(tag)) == tag
        compiled(tag)


def test_no_description_enters_the_grammar() -> None:
    noted = {
        "description": "NOTE",
        "title": "NOTE",
        "default": "NOTE",
        "examples": ["NOTE"],
        "$comment": "NOTE",
    }
    parameters = {
        **noted,
        "properties": {"a": {**noted, "type": "string"}, "b": {"anyOf": [{**noted, "enum": [1]}]}},
    }
    assert "NOTE" not in json.dumps(structural_tag(TAGGED, [Tool("f", parameters)], "required"))


def test_errors_name_the_tool() -> None:
    with pytest.raises(SchemaError, match=r"^tool 'f': properties\.a\.type: there is no type 'strng'"):
        structural_tag(TAGGED, [WEATHER, Tool("f", {"properties": {"a": {"type": "strng"}}})], "auto")
    with pytest.raises(ToolNameError, match="two words"):
        structural_tag(TAGGED, [Tool("two words", None)], "auto")


# ---- the calls ----


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        (called(), True),
        (called() + "\n" + called("any", "{}"), True),
        (called() + "\n" + called() + "\n" + called(), True),
        ("", False),
        (called() + "\n", False),  # whoever writes the separator has to go on
        (called() + called(), False),
        ("Hello " + called(), False),
        (called() + " Bye", False),
        (called("other"), False),
        (called(arguments="null"), False),
        (called(arguments="[]"), False),
        (called(arguments="{}"), False),
        (called("any", "null"), False),
        (called("any", "[1]"), False),
        (called("any", '"text"'), False),
        (called("any", '{"x": [null, {"y": -1.5e3}]}'), True),
        (called(arguments='{"city": "\\n\\u00e9 <call> \u4e2d </call>"}'), True),
        (called(arguments='{"city": 1}'), False),
        (called(arguments='{"city": "Rome", "town": "Rome"}'), False),
        (called()[:-1], False),
    ],
)
def test_required_is_one_call_or_more(text: str, fits: bool) -> None:
    assert admits(tagged("required", WEATHER, ANYTHING), text) is fits


def test_forced_and_single_calls_stop_after_the_first() -> None:
    for grammar in (tagged("forced", WEATHER), tagged("required", WEATHER, stop_after_first=True)):
        assert admits(grammar, called())
        assert not admits(grammar, called() + "\n" + called())
    single = tagged("auto", WEATHER, stop_after_first=True)
    assert admits(single, "Well.\n" + called())
    assert not admits(single, called() + "\n" + called())


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("", True),
        ("Just text, with < and </call> and <cal", True),
        ('{"name": "x"}', True),
        (called(), True),
        ("Before.\n" + called() + " between\n" + called("any", "{}") + " and after", True),
        (called() + called(), True),
        ("a <call> b", False),
        ("<call>", False),
        (called("other"), False),
        (called(arguments="null"), False),
        (called(arguments='{"town": "Rome"}'), False),
    ],
)
def test_auto_is_text_in_which_every_call_is_sound(text: str, fits: bool) -> None:
    assert admits(tagged("auto", WEATHER, ANYTHING), text) is fits


def test_calls_without_a_marker() -> None:
    auto, required = (compiled(structural_tag(BARE, [ANYTHING], choice)) for choice in ("auto", "required"))
    call = '{"name": "any", "parameters": {}}'
    assert admits(auto, '{"answer": 42} ' + call)
    assert not admits(auto, '{"name": "Alice"}')
    assert admits(required, f"{call}; {call}")
    assert not admits(required, f"{call}; ")


def test_a_name_may_begin_another_and_come_twice() -> None:
    tools = Tool("get", FREE), Tool("get_all", FREE), Tool("get", {"properties": {}})
    for choice in ("auto", "required"):
        grammar = tagged(choice, *tools)
        assert admits(grammar, called("get", '{"a": 1}'))
        assert admits(grammar, called("get_all", "{}"))


# ---- the arguments ----


@pytest.mark.parametrize(
    "text", ['{"a":1,"b":[1,2]}', '{"a": 1, "b": [1, 2]}', '{ "a" : 1 , "b" : [ 1 , 2 ] }']
)
@pytest.mark.parametrize("parameters", [None, {"properties": {"a": {"type": "int"}, "b": {"type": "list"}}}])
def test_white_space_is_there_or_not(parameters: Json, text: str) -> None:
    assert admits(arguments_grammar(parameters), text)


@pytest.mark.parametrize(
    "text", ['{"a":  1}', '{  "a": 1}', '{"a": 1 \n}', '{"a": [  ]}', '{"a": {\n\n"b": 1}}', "{  }"]
)
@pytest.mark.parametrize("parameters", [None, {"properties": {"a": {}}}])
def test_white_space_cannot_go_on(parameters: Json, text: str) -> None:
    assert not admits(arguments_grammar(parameters), text)


def object_of(**properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": [*properties]}


@pytest.mark.parametrize(
    ("parameters", "written"),
    [
        (object_of(title=object_of(title={"type": "string"})), {"title": {"title": "x"}}),
        (
            object_of(a=object_of(title={"type": "string"}), b=object_of(title={"type": "integer"})),
            {"a": {"title": "x"}, "b": {"title": 1}},
        ),
        (
            {"properties": {"a": {"properties": {"title": {}}}, "b": {"properties": {"default": {}}}}},
            {"a": {"title": 1}, "b": {"default": 2}},
        ),
        (
            {
                "properties": {
                    "a": {"properties": {"x": {}, "y": {}}},
                    "b": {"properties": {"y": {}, "x": {}}},
                }
            },
            {"a": {"x": 1, "y": 2}, "b": {"y": 1, "x": 2}},
        ),
    ],
    ids=["one in the other", "another type", "another name", "another order"],
)
def test_objects_are_told_apart(parameters: Json, written: Json) -> None:
    """xgrammar takes two for one by what it thinks matters of them."""
    assert admits(arguments_grammar(parameters), json.dumps(written))


VALUES: list[tuple[Json, list[str], list[str]]] = [
    ({"type": "integer"}, ["0", "-7", str(2**63 - 1), str(-(2**63))], [str(2**63), "01", "1.0", "1e3", "9" * 40, "null"]),
    ({"type": "integer", "minimum": 3}, ["3", str(2**63 - 1)], ["2", "-3", "9" * 40]),
    ({"type": "number"}, ["3.141592653589793", "1e-07", "-0.5", "1e+16", "100", "-0.0", "2.5e-300"], ["1.", ".5", "NaN"]),
    ({"type": "number", "minimum": 0, "maximum": 1}, ["0", "0.5", "1.0", "0.123456"], ["1.5", "-0.5", "2"]),
    ({"type": "number", "minimum": 0}, ["12345.5"], ["-1", "1" * 30]),
    ({"type": "string"}, ['""', '"\\n\\"\\u00e9\u00e9/\\/"'], ['"\n"', '"\x01"', '"\\x"', "a"]),
    ({"type": "string", "maxLength": 3}, ['""', '"abc"', '"\u4e2d\U0001f600"'], ['"abcd"', '"a\tb"', '"a\x01"', '"\\"']),
    ({"type": "string", "minLength": 2}, ['"ab"', '"\\n\\""', '"a\\u00e9"', '"ab\\n\\ud83d\\ude00"'], ['"a"', '"\\n"', '"a\t"']),
    ({"type": "string", "minLength": 2}, ['"\u4e2d\U0001f600"'], ['"\\ud83d\\ude00"', '"\u4e2d"', '""', '"\\x61a"', '"ab""']),
    ({"type": "string", "minLength": 2, "maxLength": 3}, ['"ab"', '"a\u4e2dc"'], ['"a"', '"abcd"']),
    ({"type": "string", "maxLength": 0}, ['""'], ['"a"']),
    ({"type": "string", "pattern": "^(ab*)?c$"}, ['"c"', '"abbc"'], ['"bc"']),
    ({"type": "string", "pattern": "^(0|[1-9][0-9]*)([.][0-9]+)?$"}, ['"0.5"', '"12"'], ['"007"', '"1.2.3"']),
    ({"type": "string", "pattern": "^[()?]\\)?b$"}, ['"?b"', '"()b"'], ['"()"']),
    ({"type": "string", "pattern": "^[^x]*$"}, ['"abc"', '"\u4e2d"'], ['"x"', '"a\t"', '"a"b"', '"\\n"']),
    ({"type": "string", "pattern": "^\u4e2d.$"}, ['"\u4e2da"', '"\u4e2d\u4e2d"'], ['"\u4e2d"', '"\u4e2d""']),
    ({"type": "string", "format": "date"}, ['"2024-01-31"'], ['"2024-13-31"', '"today"']),
    ({"type": "string", "format": "email"}, ['"a.b@example.com"'], ['"a"', '"a@b"', '"\\"\\a\\"@b.cd"']),
    ({"enum": ["km/h", 'q"', "\u4e2d", 1, 0.1, 2.0, None, True]}, ['"km/h"', '"q\\""', '"\u4e2d"', "1", "0.1", "2.0", "null", "true"], ["false", "3", '"k"']),
    ({"enum": [[1, 0.1], {"a": {}, "b": [2.0, "x"]}, [], {}, 7]}, ["[1, 0.1]", "[1,0.1]", '{"a": {}, "b": [2.0, "x"]}', "[]", "{}", "7"], ["[1]", '{"a": {}}', '{"b": [2.0, "x"], "a": {}}']),
    ({"type": "array", "items": {"type": "int"}, "minItems": 1, "maxItems": 2}, ["[1]", "[1, 2]"], ["[]", "[1, 2, 3]", '["a"]']),
    ({"type": "array", "minItems": 1}, ['[null, "a"]'], ["[]"]),
    ({"prefixItems": [{"type": "int"}, {"type": "str"}], "minItems": 1}, ["[1]", '[1, "a"]'], ["[]", '[1, "a", 1]']),
    ({"type": "object"}, ["{}", '{"any": {"thing": []}}'], ["[]", "null"]),
    ({"type": "object", "properties": {}}, ["{}"], ['{"a": 1}']),
    ({"type": "object", "additionalProperties": {"type": "null"}}, ["{}", '{"a": null}'], ['{"a": 1}']),
    ({"properties": {"a": {}}, "additionalProperties": {"type": "null"}}, ['{"a": 1, "b": null}'], ['{"a": 1, "b": 1}']),
    ({"type": "object", "minProperties": 1}, ['{"a": 1}'], ["{}"]),
    ({"properties": {"a": {}, "b": {}}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}, ['{"a": 1}', '{"b": 1}'], ["{}"]),
    ({"allOf": [{"type": "string"}, {"enum": ["yes", "no"]}]}, ['"yes"'], ['"maybe"', "1"]),
    ({"type": "string", "enum": ["a"], "nullable": True}, ['"a"', "null"], ['"b"']),
    ({"$ref": "#/$defs/List"}, ["[]", "[[], [[]]]"], ["[1]", "{}"]),
    ({"anyOf": [{"$ref": "#/$defs/List"}, {"type": "null"}]}, ["[[]]", "null"], ["[null]"]),
    ({"type": "any"}, ["null", "1", '"a"', "[{}]"], ["nil"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("schema", "fitting", "others"), VALUES, ids=[json.dumps(row[0])[:60] for row in VALUES]
)
def test_values(schema: Json, fitting: list[str], others: list[str]) -> None:
    lists = {"type": "array", "items": {"$ref": "#/$defs/List"}}
    grammar = arguments_grammar({"properties": {"x": schema}, "required": ["x"], "$defs": {"List": lists}})
    for text in fitting:
        assert admits(grammar, f'{{"x": {text}}}'), text
    for text in others:
        assert not admits(grammar, f'{{"x": {text}}}'), text


# ---- whatever people send ----


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
