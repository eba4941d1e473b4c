"""The grammar: its data, and what xgrammar admits and refuses of it."""

import json
from typing import Any, Literal

import pytest
from vocabulary import FREE, TAGGED, admits, arguments_grammar, compiled

from chat_adapters.adapters import (
    ADAPTERS,
    Format,
    JsonCall,
    SchemaError,
    Tool,
    ToolNameError,
    structural_tag,
)

Json = Any

BARE = Format(call=JsonCall(arguments_key="parameters"), separator="; ")
WEATHER = Tool(
    "get_weather", {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
)
ANYTHING = Tool("any", None)


def called(name: str = "get_weather", arguments: str = '{"city": "Rome"}') -> str:
    return TAGGED.call.begin(name) + arguments + TAGGED.call.end


def tagged(choice: Literal["auto", "required", "forced"], *tools: Tool, **changes: bool) -> Any:
    tag: Json = structural_tag(TAGGED, tools, choice)
    tag["format"].update(changes)
    return compiled(tag)


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
