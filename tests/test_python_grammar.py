"""The grammar of a Python call's keyword arguments: what it admits and refuses, over the vocabulary of single bytes."""

import ast
import itertools
import json
import keyword
import re
import unicodedata
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import jsonschema
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

pytest.importorskip("xgrammar", reason="xgrammar is not installed; it comes with vLLM")


from chat_adapters.adapters import SchemaError
from chat_adapters.adapters._digits import decimals, integers
from chat_adapters.adapters._patterns import written
from chat_adapters.adapters._python_grammar import SCRIPTS, keyword_arguments
from chat_adapters.adapters._schema import normalise
from chat_adapters.toolkit.grammars import admits, compile_ebnf, walk
from chat_adapters.toolkit.strategies import instances, json_values, tool_sets

Json = Any
RESERVED = re.compile(rf"\b({'|'.join([*keyword.kwlist, '__debug__'])})=")
CLOSERS = b"\"'}])"


def call(arguments: Mapping[str, Json]) -> str:
    """Arguments as a chat template writes them."""
    return ", ".join(
        f"{name}={literal(value)}" if name.isidentifier() else f"**{literal({name: value})}"
        for name, value in arguments.items()
    )


def literal(value: Json) -> str:
    match value:
        case None | bool():
            return str(value)
        case list():
            return f"[{', '.join(map(literal, value))}]"
        case dict():
            return f"{{{', '.join(f'{literal(name)}: {literal(inner)}' for name, inner in value.items())}}}"
    return json.dumps(value, ensure_ascii=False)


def read(text: str) -> dict[str, Json] | None:
    """What Python reads there; None where it has reasons of its own not to: a repeated name, a word of the language."""
    try:
        parsed = ast.parse(f"f({text})", mode="eval").body
    except SyntaxError as error:
        if "keyword argument repeated" in str(error) or RESERVED.search(text):
            return None
        raise
    assert isinstance(parsed, ast.Call)
    assert not parsed.args
    found: list[tuple[str, Json]] = []
    for argument in parsed.keywords:
        value = as_json(ast.literal_eval(argument.value))
        found += [(argument.arg, value)] if argument.arg else value.items()
    dicts = [node for node in ast.walk(parsed) if isinstance(node, ast.Dict)]
    repeated = any(len(ast.literal_eval(node)) < len(node.keys) for node in dicts)
    return None if repeated or len(dict(found)) < len(found) else dict(found)


def as_json(value: Json) -> Json:
    match value:
        case list() | tuple():
            return [as_json(item) for item in value]
        case dict():
            return {name: as_json(inner) for name, inner in value.items()}
    return value


def admits_of(parameters: Json) -> Callable[[str], bool]:
    grammar = compile_ebnf(keyword_arguments(normalise(parameters).schema))
    return lambda text: admits(grammar, text)


# ---- arguments ----

ON = {"type": "boolean"}
NULL = {"type": "null"}
ARGUMENTS: list[tuple[Json, list[str], list[str]]] = [
    ({"properties": {}}, [""], [" ", "a=1", "**{}"]),
    (
        {"properties": {"a": ON, "b": ON}},
        ["", "a=True", "b=True", "a=True, b=False", "a=True,b=False"],
        ["b=True, a=True", "a=True, ", ", b=True", "a=True,  b=True", "a=True b=True", "a= True", "a=true", "c=True"],
    ),
    (
        {"properties": {"a": ON, "b": ON, "c": ON}, "required": ["b"]},
        ["b=True", "a=True, b=True", "b=True, c=True", "a=True, b=True, c=True"],
        ["", "a=True", "c=True", "a=True, c=True"],
    ),
    (
        {"properties": {"odd name": ON, "from": ON, "北京": ON, "it's": ON}},
        ['**{"odd name": True}, from=True, 北京=True', "**{'odd name':True}", "**{'it\\'s': True}", '**{"it\'s": True}'],
        ["odd name=True", '"odd name"=True', "**{odd name: True}", "{'odd name': True}", "**{'odd name': True,}"],
    ),
    (
        {"properties": {"a": NULL, "b c": NULL}, "additionalProperties": ON},
        ["", "a=None", "x=True", 'a=None, **{"b c": None}, x=True, ab=True', '**{"x y": True}', '**{"x": True}'],
        ["a=True", '**{"a": True}', "**{'a': True}", '**{"b c": True}', r'**{"\u0061": True}', r"**{'\x61': True}", "x=None",
         "x=True, a=None", "1x=True", '**{"x": True, "y": True}'],
    ),
    ({"type": "object"}, ["", "a=1", "a=[{'b': (1,)}], c=None", '**{"": 1}'], ["a", "1", "=1"]),
    ({"additionalProperties": ON, "minProperties": 2, "maxProperties": 3},
     ["a=True, b=True", "a=True, b=True, c=True"], ["", "a=True", "a=True, b=True, c=True, d=True"]),
    ({"properties": {"a": ON, "b": ON, "c": ON}, "required": ["b"], "minProperties": 2},
     ["a=True, b=True", "b=True, c=True", "a=True, b=True, c=True"], ["b=True", "a=True, c=True"]),
    ({"properties": {"a": ON, "b": ON, "c": ON}, "required": ["c"], "maxProperties": 2},
     ["c=True", "a=True, c=True", "b=True, c=True"], ["a=True", "a=True, b=True", "a=True, b=True, c=True"]),
    ({"properties": {"a": ON}, "additionalProperties": ON, "minProperties": 1, "maxProperties": 2},
     ["a=True", "b=True", "a=True, b=True", "b=True, c=True"], ["", "a=True, b=True, c=True"]),
    ({"anyOf": [{"properties": {"a": ON}, "required": ["a"]}, {"properties": {"b": ON}, "required": ["b"]}]},
     ["a=True", "b=True"], ["", "a=True, b=True"]),
    ({"enum": [{"a": 1}, {"b": [True]}]}, ["a=1", "b=[True]"], ["", "a=2"]),
    ({"properties": {"a": {"$ref": "#"}}}, ["", "a={}", "a={'a': {}}"], ["a=None", "a={'b': {}}"]),
    ({"properties": {"a" * 70: NULL}, "additionalProperties": ON},
     [f"{'a' * 70}=None", f"{'a' * 63}=True", f"{'a' * 63}b=True"], [f"{'a' * 70}=True"]),
]  # fmt: skip


@pytest.mark.parametrize(("parameters", "fitting", "others"), ARGUMENTS)
def test_arguments(parameters: Json, fitting: list[str], others: list[str]) -> None:
    fits = admits_of(parameters)
    for text in fitting:
        assert fits(text), text
    for text in others:
        assert not fits(text), text


# ---- values ----

TEXT = {"type": "string"}
INT = {"type": "integer"}
VALUES: list[tuple[Json, list[str], list[str]]] = [
    (TEXT,
     ['""', "''", '"a\'b"', "'a\"b'", r'"\" \\ \n \r \t \b \f \u00e9 \u4E2D"', r"'\' \" \\ \n'", '"\u2028\u7f51\U0001f600"'],
     ['"', "\"'", '"a"b"', "'a'b'", '"\n"', '"\x01"', r'"\/"', r'"\x41"', r'"\'"', r'"\ud800"', r'"\uDFFF"', r'"\N{DASH}"',
      r'"\u12"', 'b""', 'f""', '"""a"""', '"a" "b"', '"\\\n"']),
    (INT, ["0", "-1", "12", str(2**63 - 1), str(-(2**63))], ["-0", "01", "+1", "1.0", "1e3", "1_000", str(2**63), "0x1"]),
    ({"type": "integer", "minimum": -7, "maximum": 123}, ["-7", "0", "99", "123"], ["-8", "124", "1000", "-10"]),
    ({"type": "integer", "exclusiveMinimum": 0}, ["1"], ["0", "-1"]),
    ({"type": "number"}, ["0", "-1.5", "1e3", "1E-3", "1.25e+10", "-0.0"], ["01", ".5", "1.", "1e", "+1", "inf", "nan", "1j"]),
    ({"type": "number", "minimum": 0, "exclusiveMaximum": 1}, ["0", "0.0", "0.5", "0.999999"], ["-0.1", "1", "1.0", "1e-3", "00"]),
    ({"type": "number", "minimum": -1.5, "maximum": 23.25},
     ["-1.5", "-1.50", "-1.4", "-0.000001", "0", "7", "22.9", "23.25"], ["-1.6", "-1.500001", "23.26", "24", "-2"]),
    ({"type": "number", "minimum": 1e300}, ["1" + "0" * 300], ["1", "9" * 300]),
    (ON, ["True", "False"], ["true", "1", '"True"']),
    (NULL, ["None"], ["null", "False", ""]),
    ({"type": "array", "items": INT}, ["[]", "()", "[1]", "(1,)", "[1, 2]", "(1, 2)", "(1,2,3)"],
     ["(1)", "[1,]", "(1, 2,)", "[,]", "(,)", "[1 ,2]", "{1}", "[1, None]"]),
    ({"type": "array", "items": INT, "minItems": 1, "maxItems": 2}, ["[1]", "(1,)", "(1, 2)"], ["[]", "()", "[1, 2, 3]"]),
    ({"type": "array", "items": INT, "minItems": 2}, ["[1, 2]", "(1, 2, 3)"], ["[]", "[1]", "(1,)"]),
    ({"type": "array", "items": INT, "maxItems": 1}, ["[]", "()", "[1]", "(1,)"], ["[1, 2]", "(1, 2)"]),
    ({"type": "array", "items": INT, "minItems": 2, "maxItems": 2}, ["[1, 2]", "(1, 2)"], ["[1]", "(1,)", "[1, 2, 3]"]),
    ({"type": "array", "items": False}, ["[]", "()"], ["[1]", "(,)"]),
    ({"type": "array", "prefixItems": [INT, ON]}, ["[]", "[1]", "(1,)", "[1, True]", "(1, True)"], ["[True]", "[1, True, 1]"]),
    ({"prefixItems": [INT, ON, NULL], "items": TEXT, "minItems": 2},
     ["[1, True]", "(1, True, None)", "[1, True, None, 'a', 'b']"], ["[1]", "(1,)", "[1, True, 'a']"]),
    ({"prefixItems": [INT], "items": ON, "minItems": 2, "maxItems": 3}, ["[1, True]", "(1, True, True)"], ["[1]", "[1, True, True, True]"]),
    ({"type": "array", "items": {"type": "array", "items": ON}}, ["[[], (True,)]", "([],)"], ["[True]"]),
    ({"properties": {"a": ON, "b'": INT}, "required": ["a"]},
     ['{"a": True}', "{'a':True}", '{\'a\': True, "b\'": 1}', "{'a': True, 'b\\'': 1}"], ["{}", "{a: True}", "{'a': True, }", "{'b\\'': 1}"]),
    ({"properties": {"a": NULL}, "additionalProperties": ON}, ["{}", "{'x': True}", '{"a": None, "": True}'], ["{'a': True}", "{'x': None}"]),
    ({"properties": {"": NULL}, "additionalProperties": ON}, ["{'': None}", "{'x': True}"], ["{'': True}", '{"": True}']),
    ({"type": "object"}, ["{}", r"{'a': {'b': [(), None]}, '\n': 'x'}"], ["[]", "{1: 2}", "{None: 1}"]),
    ({"enum": ["a'b", 'say "hi"\n', "é", 1, -2, None, True, False]},
     ["\"a'b\"", r"'a\'b'", r'"say \"hi\"\n"', "'say \"hi\"\\n'", "'é'", '"é"', "1", "-2", "None", "True", "False"],
     ["'a'b'", '"a"', "2", "null", r'"\u00e9"']),
    ({"enum": ["a", 0.5, 2.0, 1e300]}, ["0.5", "2.0", "2", "1e+300"], ["0.51", "5"]),
    ({"enum": [[1, "a"], {"k": {"n": None}}, []]}, ["[1, 'a']", '(1, "a")', "{'k': {\"n\": None}}", "[]", "()"], ["[1]", "{}", "{'k': None}"]),
    ({"anyOf": [INT, NULL, TEXT]}, ["1", "None", "'1'"], ["True", "1.5"]),
    ({"$ref": "#/$defs/Tree"}, ["{}", "{'kids': [{}, {'kids': ()}]}"], ["[]", "{'kids': [1]}"]),
    ({}, ["1", "-1.5e3", "'a'", "None", "True", "[1, (2,), {'a': []}]"], ["", "a", "{1}", "f()", "1 + 1", "-True", "lambda: 1"]),
    ({"type": "string", "pattern": "^[a-c]+$"}, ["'abc'", '"a"'], ["''", "'d'", "'a\"", r"'\u0061'"]),
    ({"type": "string", "pattern": r"^(ab*)?c$"}, ["'c'", "'ac'", "'abbc'"], ["'bc'", "'a'"]),
    ({"type": "string", "pattern": r"^[^x]\S\D.$"}, ["'abc '", '"a\'b\'"', "'a\"b\"'"], ["'x'", "'a b '", "'ab1 '", "'''''''", '"a\\bc"', "'a\\n12'"]),
    ({"type": "string", "pattern": "^(it's|[!-~]{2})$"}, [r"'it\'s'", '"it\'s"', '"a\'"', "'a\"'"], ["'it's'", "'a''", '"a""', r"'a\'"]),
    ({"type": "string", "pattern": r"^\u4e2d[\u4e00-\u9fff]{0,2}|a+?$"}, ["'中文'", "'aa'", "'中'"], ["'文'", "''"]),
    ({"type": "string", "pattern": r"^[\w.-]+@\w+\.com$"}, ["'a.b-c@d.com'"], ["'@d.com'", "'a@d,com'"]),
    ({"type": "string", "minLength": 1}, ["'a'", r"'\n'", '"ab"', r'"\u00e9"'], ["''", '""']),
    ({"type": "string", "minLength": 2}, ['"ab"', '"it\'s"', r'"a\n"', r'"\"\\"'], ['"a"', '""', r'"\n"']),
    ({"type": "string", "maxLength": 2}, ['""', '"é中"', r'"a\n"'], ['"abc"', r'"a\n\n"', '"a"b"']),
    ({"type": "string", "minLength": 1, "maxLength": 2}, ['"a"', '"ab"'], ['""', '"abc"']),
    ({"type": "string", "maxLength": 0}, ['""'], ['" "']),
    ({"type": "string", "format": "date"}, ["'2024-02-29'", '"1999-12-31"'], ["'2024-13-01'", "'2024-1-1'"]),
    ({"type": "string", "format": "time"}, ["'23:59:59Z'", "'10:30:00.25+02:00'"], ["'24:00:00Z'", "'10:30:00'"]),
    ({"type": "string", "format": "date-time"}, ["'2024-02-29T10:30:00Z'"], ["'2024-02-29 10:30:00Z'"]),
    ({"type": "string", "format": "duration"}, ["'P1Y2M3DT4H5M6S'", "'PT5M'", "'P3W'"], ["'P'", "'PT'", "'1D'"]),
    ({"type": "string", "format": "hostname"}, ["'a-b.example.com'"], ["'-a.com'", "'a..b'"]),
    ({"type": "string", "format": "ipv4"}, ["'192.168.0.1'", "'255.255.255.255'"], ["'256.0.0.1'", "'1.2.3'"]),
    ({"type": "string", "format": "ipv6"}, ["'::'", "'::1'", "'fe80::1:2'", "'1:2:3:4:5:6:7:8'", "'1::'"], ["':'", "'1:2'", "'1::2::3'", "'12345::'"]),
    ({"type": "string", "format": "uri"}, ["'https://a.example/b?c=d#e'", "'mailto:a@b.c'"], ["'//a'", "'a b:c'", "'a:\"'"]),
    ({"type": "string", "format": "uuid"}, ["'123e4567-e89b-12d3-a456-426614174000'"], ["'123e4567'"]),
    ({"type": "string", "format": "email"}, ["'a.b@example.com'"], ["'a@b'", "'@example.com'"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("schema", "fitting", "others"), VALUES, ids=[json.dumps(row[0])[:60] for row in VALUES]
)
def test_values(schema: Json, fitting: list[str], others: list[str]) -> None:
    tree = {"properties": {"kids": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}}}
    fits = admits_of({"properties": {"x": schema}, "required": ["x"], "$defs": {"Tree": tree}})
    for text in fitting:
        assert fits(f"x={text}"), text
    for text in others:
        assert not fits(f"x={text}"), text


# ---- whatever a schema says ----


@given(tool_sets(), st.data())
def test_the_grammar_admits_what_a_template_writes(tools: dict[str, Json], data: st.DataObject) -> None:
    for parameters in tools.values():
        assert admits_of(parameters)(call(data.draw(instances(parameters))))


@given(st.dictionaries(st.text("ab1_é北 '\"\n", max_size=3), json_values(), max_size=3))
def test_a_free_object_is_any_object(arguments: dict[str, Json]) -> None:
    assert admits_of(None)(call(arguments))


def value_schemas() -> st.SearchStrategy[Json]:
    """Schemas of the table above, and of arrays, objects and unions of them."""
    plain = st.sampled_from([schema for schema, _, _ in VALUES if schema])
    return st.recursive(
        plain,
        lambda inner: st.one_of(
            st.lists(inner, min_size=1, max_size=2).map(lambda options: {"anyOf": options}),
            st.builds(
                lambda heads, items, low: {"prefixItems": heads, "items": items, "minItems": low},
                st.lists(inner, max_size=2),
                inner,
                st.integers(0, 3),
            ),
            object_schemas(inner),
        ),
        max_leaves=3,
    )


def object_schemas(inner: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    names = st.sampled_from(["a", "ab", "b", "odd name", "é", "it's", "\n", ""])
    counts = st.integers(0, 3)
    return st.fixed_dictionaries(
        {"type": st.just("object"), "properties": st.dictionaries(names, inner, max_size=3)},
        optional={
            "required": st.lists(names, max_size=2),
            "additionalProperties": st.booleans() | inner,
            "minProperties": counts,
            "maxProperties": counts.map(lambda count: count + 1),
        },
    )


@given(object_schemas(value_schemas()), st.integers(0, 2**32))
def test_what_the_grammar_admits_fits_the_schema(parameters: Json, seed: int) -> None:
    tree = {"properties": {"kids": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}}}
    try:
        schema, _ = normalise({**parameters, "$defs": {"Tree": tree}})
    except SchemaError as error:
        event(f"refused: {error}")
        return
    grammar = compile_ebnf(keyword_arguments(schema))
    for turn in range(3):
        text = walk(grammar, seed + turn, closers=CLOSERS)
        arguments = read(text)
        if arguments is None:
            event("not for Python")
        elif "\N{REPLACEMENT CHARACTER}" in text:
            event(
                "bytes that are no character: up to four are one to the grammar, and lengths cannot be told"
            )
        else:
            jsonschema.validate(arguments, schema, jsonschema.Draft202012Validator)


@given(object_schemas(value_schemas()))
def test_a_grammar_is_the_same_each_time_and_has_no_rule_twice(parameters: Json) -> None:
    try:
        schema, _ = normalise({**parameters, "$defs": {"Tree": {}}})
    except SchemaError:
        return
    grammar = keyword_arguments(schema)
    assert grammar == keyword_arguments(json.loads(json.dumps(schema)))
    rules = [line.split(" ::= ", 1) for line in grammar.splitlines()]
    assert len({body for _, body in rules[1:]}) == len({name for name, _ in rules[1:]}) == len(rules) - 1


def test_size_is_linear() -> None:
    def size(count: int) -> int:
        return len(
            keyword_arguments(normalise({"properties": {f"p{n:05}": INT for n in range(count)}}).schema)
        )

    assert size(2000) - size(1000) == pytest.approx(size(1000) - size(0), rel=0.05)


# ---- the parts ----

WHOLE = st.integers(-(10**3), 10**3) | st.integers(-(2**63), 2**63)


@given(WHOLE, WHOLE, st.data())
def test_whole_numbers_between_bounds(a: int, b: int, data: st.DataObject) -> None:
    low, high = min(a, b), max(a, b)
    grammar = compile_ebnf(f"root ::= {integers(low, high)}")
    near = st.sampled_from([low - 1, low, high, high + 1, 0]) | st.integers(low - 10, high + 10)
    for number in data.draw(st.lists(near, max_size=10)):
        assert admits(grammar, str(number)) == (low <= number <= high), number
    assert not admits(grammar, f"0{high}")
    assert not admits(grammar, "-0")


@given(WHOLE, WHOLE, st.data())
def test_decimals_between_bounds(a: int, b: int, data: st.DataObject) -> None:
    low, high = min(a, b), max(a, b)
    grammar = compile_ebnf(f"root ::= {decimals(low, high)}")
    near = st.sampled_from([low - 1, low, high, high + 1, 0]) | st.integers(low - 10, high + 10)
    for number in data.draw(st.lists(near, max_size=10)):
        text = f"{'-' * (number < 0)}{abs(number) // 10**6}.{abs(number) % 10**6:06}"
        for shorter in {text, text.rstrip("0").rstrip(".")}:
            assert admits(grammar, shorter) == (low <= number <= high), shorter


def patterns() -> st.SearchStrategy[str]:
    characters = [
        "a",
        "b",
        "'",
        "[ab]",
        "[^a]",
        "[^'b]",
        r"\d",
        r"[\da]",
        ".",
        r"\.",
        "[!-~]",
        r"\u00e9",
        r"[^\s\d]",
    ]
    return st.recursive(
        st.sampled_from(characters),
        lambda inner: st.one_of(
            st.tuples(inner, inner).map("".join),
            st.tuples(inner, inner).map(lambda pair: f"({pair[0]}|{pair[1]})"),
            inner.map(lambda one: f"(?:|{one})"),
            st.tuples(inner, st.sampled_from(["?", "*", "+", "{2}", "{0,2}", "{1,}", "*?"])).map(
                lambda pair: f"(?:{pair[0]}){pair[1]}"
            ),
        ),
        max_leaves=5,
    )


@cache
def short_texts() -> list[str]:
    return ["".join(text) for size in range(4) for text in itertools.product("ab'\"\\1.é", repeat=size)]


@given(patterns(), st.sampled_from("'\""))
def test_patterns_mean_what_they_say(pattern: str, quote: str) -> None:
    try:
        grammar = compile_ebnf(f"root ::= {written(pattern, quote)}")
    except SchemaError:
        return
    meant = re.compile(pattern, re.ASCII)
    for text in short_texts():
        if "\\" not in text and quote not in text:
            assert admits(grammar, text) == bool(meant.fullmatch(text)), text
        elif admits(grammar, text):
            value = ast.literal_eval(f"{quote}{text}{quote}")
            assert meant.fullmatch(value), text


@given(st.lists(st.text("ab\"'\n", max_size=3), min_size=1, max_size=3), st.text("ab\"'\n", max_size=4))
def test_further_keys_are_none_of_those_that_are_named(names: list[str], key: str) -> None:
    parameters = {"properties": dict.fromkeys(names, NULL), "additionalProperties": ON}
    fits = admits_of({"properties": {"x": parameters}})
    for quoted in (literal(key), repr(key)):
        assert not (fits(f"x={{{quoted}: True}}") and key in names), quoted
    if key not in names and not {'"', "\n"} & {*"".join(names)}:
        assert fits(f"x={{{literal(key)}: True}}")


def test_identifiers_are_python_s() -> None:
    for char in map(chr, range(0x80, 0x110000)):
        if re.match(f"[{SCRIPTS}]", char):
            assert char.isidentifier(), char
            assert unicodedata.normalize("NFKC", char) == char, char


@pytest.mark.parametrize("schema", [{"type": "string"}, {"type": "any"}, {}])
def test_only_objects_in_normal_form(schema: Json) -> None:
    with pytest.raises(SchemaError, match="must be an object in normal form"):
        keyword_arguments(schema)


def test_a_pattern_that_no_text_fits() -> None:
    schema = normalise({"properties": {"x": {"type": "string", "pattern": r"^[^\s\S]$"}}}).schema
    with pytest.raises(SchemaError, match=r"no character .* fits"):
        keyword_arguments(schema)
