"""A text becomes the value that the schema asks for, where nothing is lost by it, and nowhere else."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from chat_adapters.adapters import (
    ADAPTERS,
    COERCIONS,
    Adapter,
    Arguments,
    ChatAdaptersError,
    Parser,
    Tool,
    _known,
    get,
)
from chat_adapters.adapters._asked import MAX_OPTIONS
from chat_adapters.adapters._coercion import MAX_TEXT
from chat_adapters.adapters._values import MAX_DEPTH
from chat_adapters.toolkit.checks import check_cuts, pieces, read
from chat_adapters.toolkit.strategies import arguments, cuts, instances, object_schemas, schemas
from chat_adapters.toolkit.writing import write_arguments

every_adapter = pytest.mark.parametrize("adapter", ADAPTERS.values(), ids=ADAPTERS)
QWEN = get("qwen2_5")


def coerced(
    schema: object, written: str, kinds: frozenset[str] = COERCIONS, adapter: Adapter = QWEN
) -> tuple[str, dict[str, int]]:
    """The arguments that leave for those that were written, and what was counted; the same for every cut."""
    call = adapter.format.call
    text = call.begin("f") + written + call.end
    tools = [Tool("f", schema)]  # type: ignore[arg-type]  # what is no schema, too
    places = [range(0, len(text), step) for step in (2, 3, 7)]
    reading = check_cuts(adapter.format, tools, text, places, coercions=kinds)
    left = "".join(event.text for event in reading.events if isinstance(event, Arguments))
    return left, reading.tally.coercions


def member(schema: object) -> dict[str, object]:
    """The schema of `{"a": ...}`."""
    return {"type": "object", "properties": {"a": schema}}


INTEGERS = {"type": "array", "items": {"type": "integer"}}
TREE = {
    "type": "object",
    "properties": {"n": {"type": "integer"}, "next": {"$ref": "#"}},
}
DONE: dict[str, tuple[object, str, str, dict[str, int]]] = {
    "integer": ({"type": "integer"}, '"-10"', "-10", {"integer": 1}),
    "integer, of any size": ({"type": "integer"}, f'"{2**70}"', str(2**70), {"integer": 1}),
    "integer for a number": ({"type": "number"}, '"3"', "3", {"number": 1}),
    "number": ({"type": "number"}, '"1.50e3"', "1.50e3", {"number": 1}),
    "boolean": ({"type": "boolean"}, '"true"', "true", {"boolean": 1}),
    "null": ({"type": ["integer", "null"]}, '"null"', "null", {"null": 1}),
    "array": ({"type": "array"}, r'"[1, \"a\",\n []]"', '[1, "a",\n []]', {"array": 1}),
    "object": ({"type": "object"}, r'"{\"b\": \"10\"}"', '{"b": "10"}', {"object": 1}),
    "escapes stay escapes": ({"type": "array"}, r'"[\"\\u00e9\\n\"]"', r'["\u00e9\n"]', {"array": 1}),
    "members": (INTEGERS, '["1", 2, "3"]', "[1, 2, 3]", {"integer": 2}),
    "texts in a text": (INTEGERS, r'"[\"1\", 2]"', "[1, 2]", {"array": 1, "integer": 1}),
    "a text in a text in a text": (
        {"type": "array", "items": INTEGERS}, r'"[\"[1, \\\"2\\\"]\"]"', "[[1, 2]]", {"array": 2, "integer": 1},
    ),
    "a tuple": (
        {"type": "array", "prefixItems": [{"type": "string"}, {"type": "boolean"}], "items": {"type": "integer"}},
        '["1", "false", "1"]', '["1", false, 1]', {"boolean": 1, "integer": 1},
    ),
    "further members": (
        {"type": "object", "properties": {"s": {"type": "string"}}, "additionalProperties": {"type": "integer"}},
        '{"s": "1", "t": "1"}', '{"s": "1", "t": 1}', {"integer": 1},
    ),
    "alternatives": ({"anyOf": [{"type": "integer"}, {"type": "boolean"}]}, '"1"', "1", {"integer": 1}),
    "what is asked in any alternative": (
        {"anyOf": [INTEGERS, {"type": "array", "items": {"type": "boolean"}}]}, '["1", "true"]', "[1, true]",
        {"integer": 1, "boolean": 1},
    ),
    "in one of the alternatives": ({"anyOf": [INTEGERS, TREE]}, '["1"]', "[1]", {"integer": 1}),
    "enum": ({"enum": [1, 2]}, '"2"', "2", {"integer": 1}),
    "other texts will do": ({"anyOf": [{"type": "integer"}, {"enum": ["auto"]}]}, '"2"', "2", {"integer": 1}),
    "const": ({"const": True}, '"true"', "true", {"boolean": 1}),
    "Python's name of a type": ({"type": "int"}, '"2"', "2", {"integer": 1}),
    "Optional": ({"type": "Optional[int]"}, '"2"', "2", {"integer": 1}),
    "a key with an escape": (
        {"type": "object", "properties": {"\u00e9": {"type": "integer"}}},
        r'{"\u00e9": "1"}', r'{"\u00e9": 1}', {"integer": 1},
    ),
    "a key with a quotation mark": (
        {"type": "object", "properties": {'"': {"type": "integer"}}}, r'{"\"": "1"}', r'{"\"": 1}', {"integer": 1},
    ),
    "beside its repair": ({"type": "integer"}, "'1'", "1", {"integer": 1}),
}  # fmt: skip


@pytest.mark.parametrize("title", DONE)
def test_a_text_becomes_what_is_asked_for(title: str) -> None:
    schema, written, left, counts = DONE[title]
    assert coerced(member(schema), f'{{"a": {written}}}') == (f'{{"a": {left}}}', counts)


LEFT: dict[str, tuple[object, str]] = {
    "a text is asked for": ({"type": "string"}, '"10"'),
    "a text will do": ({"type": ["integer", "string"]}, '"10"'),
    "this text will do": ({"enum": [1, "2"]}, '"2"'),
    "any text will do in one alternative": ({"anyOf": [{"type": "integer"}, {"type": "string", "maxLength": 3}]}, '"1"'),
    "a text will do in the items of an alternative": (
        {"anyOf": [INTEGERS, {"type": "array", "items": {"type": "string"}}]}, '["1", 2]',
    ),
    "anything will do": ({}, '"10"'),
    "anything will do, by a name": ({"type": "any"}, '"10"'),
    "another type": ({"type": "boolean"}, '"10"'),
    "no integer": ({"type": "integer"}, '"1.0"'),
    "no number": ({"type": "integer"}, '"12 Main Street"'),
    "an expression": ({"type": "integer"}, '"-"'),
    "two numbers": ({"type": "integer"}, '"1 2"'),
    "a leading zero": ({"type": "integer"}, '"007"'),
    "a sign": ({"type": "integer"}, '"+1"'),
    "a blank before": ({"type": "integer"}, '" 1"'),
    "a blank behind": ({"type": "integer"}, '"1 "'),
    "nothing": ({"type": "integer"}, '""'),
    "digits of another script": ({"type": "integer"}, '"\u0661"'),
    "more than a double holds": ({"type": "number"}, '"1e400"'),
    "infinity": ({"type": "number"}, '"Infinity"'),
    "Python's word": ({"type": "boolean"}, '"True"'),
    "a longer word": ({"type": "boolean"}, '"trueish"'),
    "a list in Python": ({"type": "array"}, "\"['a']\""),
    "an array that is cut": ({"type": "array"}, '"[1, 2"'),
    "an array, and more": ({"type": "array"}, '"[1, 2]]"'),
    "a trailing comma": ({"type": "array"}, '"[1, 2,]"'),
    "half a surrogate pair": ({"type": "array"}, r'"[\"\ud800\"]"'),
    "a raw line feed in a text": ({"type": "array"}, r'"[\"a\nb\"]"'),
    "an unknown member": ({"type": "object", "properties": {"b": {"type": "integer"}}}, '{"c": "1"}'),
    "behind the end of a tuple": ({"type": "array", "prefixItems": [{"type": "integer"}], "items": False}, '[1, "2"]'),
    "a value already": ({"type": "integer"}, "10"),
    "a number for a text": ({"type": "string"}, "10"),
}  # fmt: skip


@pytest.mark.parametrize("title", LEFT)
def test_all_else_stays(title: str) -> None:
    schema, written = LEFT[title]
    arguments = f'{{"a": {written}}}'
    text = QWEN.format.call.begin("f") + arguments + QWEN.format.call.end
    plain = read(QWEN.format, [Tool("f")], [text])
    expected = "".join(event.text for event in plain.events if isinstance(event, Arguments))
    assert coerced(member(schema), arguments) == (expected, {})


@pytest.mark.parametrize(
    "parameters", [None, True, {}, [], {"type": "odd"}, {"$ref": "#/no"}, "text", {"properties": 3}]
)
def test_without_a_schema_nothing_is_asked(parameters: object) -> None:
    assert coerced(parameters, '{"a": "1"}') == ('{"a": "1"}', {})


def test_parameters_may_be_a_list() -> None:
    entries = [{"name": "a", "type": "int", "required": True}]
    assert coerced(entries, '{"a": "1"}') == ('{"a": 1}', {"integer": 1})


def test_a_schema_may_contain_itself() -> None:
    written = '{"n": "1", "next": {"next": {"n": "2"}}}'
    assert coerced(TREE, written) == ('{"n": 1, "next": {"next": {"n": 2}}}', {"integer": 2})


@pytest.mark.parametrize("count", [MAX_OPTIONS - 1, MAX_OPTIONS])
def test_of_too_many_alternatives_nothing_is_asked(count: int) -> None:
    options = {"anyOf": [{"type": "integer", "minimum": number} for number in range(count)]}
    left = '{"a": 1}' if count < MAX_OPTIONS else '{"a": "1"}'
    assert coerced(member(options), '{"a": "1"}')[0] == left


def test_only_those_that_are_set() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "boolean"}}}
    written = '{"a": "1", "b": "true"}'
    assert coerced(schema, written, frozenset({"boolean"})) == ('{"a": "1", "b": true}', {"boolean": 1})
    assert coerced(schema, written, frozenset()) == (written, {})
    with pytest.raises(ChatAdaptersError, match="there is no coercion 'int'; there are"):
        Parser(QWEN.format, coercions=frozenset({"int"}))


def test_no_value_is_nested_deeper_than_another_may_be() -> None:
    deep = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    shallow = "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1)
    assert coerced(member({"type": "array"}), f'{{"a": "{deep}"}}') == (f'{{"a": "{deep}"}}', {})
    assert coerced(member({"type": "array"}), f'{{"a": "{shallow}"}}') == (
        f'{{"a": {shallow}}}',
        {"array": 1},
    )


def test_a_long_text_is_not_held_back_for_ever() -> None:
    parser = Parser(QWEN.format, [Tool("f", member({"type": "array"}))], coercions=COERCIONS)
    parser.feed(QWEN.format.call.begin("f") + '{"a": "[')
    steps = iter(range(0, 2 * MAX_TEXT, 1000))
    held = next(step for step in steps if parser.feed("1," * 500))
    assert MAX_TEXT - 2000 <= held <= MAX_TEXT
    assert [type(event) for event in parser.feed("1")] == [Arguments]


def test_what_cannot_become_anything_is_not_held_back() -> None:
    parser = Parser(QWEN.format, [Tool("f", member({"type": "integer"}))], coercions=COERCIONS)
    parser.feed(QWEN.format.call.begin("f") + '{"a": ')
    assert parser.feed('"tw') == [Arguments(0, '"tw')]


@pytest.mark.parametrize(
    ("end", "left"),
    [
        ("", '{"a": "12'),
        ("}\n</tool_call>", '{"a": "12}\\n</tool_call>'),
        ('", oops', '{"a": 12, oops'),
        ('", "b": "1', '{"a": 12, "b": "1'),
    ],
)
def test_arguments_that_are_cut_or_go_bad_lose_nothing(end: str, left: str) -> None:
    text = QWEN.format.call.begin("f") + '{"a": "12' + end
    reading = check_cuts(QWEN.format, [Tool("f", member({"type": "integer"}))], text, coercions=COERCIONS)
    assert left == "".join(event.text for event in reading.events if isinstance(event, Arguments))


@every_adapter
def test_each_family(adapter: Adapter) -> None:
    written = write_arguments(adapter.format.call, {"a": "10"})
    assert coerced(member({"type": "integer"}), written, adapter=adapter) == ('{"a": 10}', {"integer": 1})


@every_adapter
@given(data=st.data())
def test_what_was_put_into_texts_comes_out(adapter: Adapter, data: st.DataObject) -> None:
    """Values of a schema, some of them written into texts where no text fits; jsonschema says where that is."""
    schema = data.draw(object_schemas(schemas()).filter(lambda made: not is_ambiguous(made)))
    value = data.draw(instances(schema))
    validator = Draft202012Validator(schema)
    texted, times = value, 0
    for path in reversed(list(paths(value))):  # what is inside comes first
        if isinstance(at(value, path), str):
            continue
        as_text = json.dumps(at(value, path), ensure_ascii=False)
        if not validator.is_valid(replaced(value, path, as_text)) and data.draw(st.booleans()):
            texted = replaced(texted, path, json.dumps(at(texted, path), ensure_ascii=False))
            times += 1
    call = adapter.format.call
    text = call.begin("f") + write_arguments(call, texted) + call.end
    reading = check_cuts(
        adapter.format, [Tool("f", schema)], text, [data.draw(cuts(text))], coercions=COERCIONS
    )
    left = "".join(event.text for event in reading.events if isinstance(event, Arguments))
    assert json.dumps(json.loads(left)) == json.dumps(value)
    assert sum(reading.tally.coercions.values()) == times


@given(schema=object_schemas(schemas()), value=arguments(), data=st.data())
def test_nothing_is_lost(schema: dict[str, Any], value: dict[str, object], data: st.DataObject) -> None:
    """Whatever was written, each value that leaves is the one that was written, or stands in its text."""
    written = json.dumps(value, ensure_ascii=False)
    text = QWEN.format.call.begin("f") + written + QWEN.format.call.end
    deltas = pieces(text, data.draw(cuts(text)))
    reading = read(QWEN.format, [Tool("f", schema)], deltas, coercions=COERCIONS)
    left = "".join(event.text for event in reading.events if isinstance(event, Arguments))
    changed = list(differences(value, json.loads(left)))
    assert len(changed) <= sum(reading.tally.coercions.values())
    assert changed or left == written
    assert all(isinstance(before, str) and json.loads(before) is not None for before, _ in changed)


def is_ambiguous(schema: dict[str, Any]) -> bool:
    """Two alternatives are containers: what may stand in one is asked of the other's members, too."""
    inner = [*schema.get("anyOf", []), *schema.get("properties", {}).values()]
    inner += [schema["items"]] if "items" in schema else []
    containers = re.findall(r"\"type\": \"(?:array|object)\"", json.dumps(schema.get("anyOf", [])))
    return len(containers) > 1 or any(map(is_ambiguous, inner))


def paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where the values inside a value stand, each before what is inside it."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inside:
        yield (*path, key)
        yield from paths(item, (*path, key))


def at(value: Any, path: tuple[str | int, ...]) -> Any:
    """What stands there."""
    for key in path:
        value = value[key]
    return value


def replaced(value: Any, path: tuple[str | int, ...], by: object) -> Any:
    """A copy of the value with something else in that place."""
    if not path:
        return by
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], by)
    return copy


def differences(before: Any, after: Any) -> Iterator[tuple[Any, Any]]:
    """Where the two are not alike: both sides of it, none of which contains another such place."""
    if type(before) is not type(after):
        yield before, after
    elif isinstance(before, dict):
        for (key, one), (other_key, other) in zip(before.items(), after.items(), strict=True):
            assert key == other_key
            yield from differences(one, other)
    elif isinstance(before, list):
        for one, other in zip(before, after, strict=True):
            yield from differences(one, other)
    else:
        assert before == after


def test_a_schema_is_worked_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    schema = member({"type": "integer", "title": "asked of this test alone"})
    first = coerced(schema, '{"a": "10"}')
    monkeypatch.setattr(_known, "normalise", None)
    assert coerced(schema, '{"a": "10"}') == first == ('{"a": 10}', {"integer": 1})
