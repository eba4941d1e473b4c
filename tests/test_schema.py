"""The normal form of tool parameters, case by case; test_generated_schemas.py has what must hold for whatever people send."""

from typing import Any

import pytest

from chat_adapters.adapters import SchemaError, as_json_schema
from chat_adapters.adapters._schema import normalise

Json = Any

FREE = {"type": "object", "additionalProperties": True}
INTEGER = {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1}
STRING = {"type": "string"}
NULL = {"type": "null"}


def of(schema: Json) -> Json:
    """The normal form of a schema, seen as the one property of an object."""
    found: Json = normalise({"type": "object", "properties": {"x": schema}, "required": ["x"]}).schema
    assert found.keys() == {"type", "properties", "required", "additionalProperties"}
    return found["properties"]["x"]


def object_of(properties: Json, required: list[str] | None = None, rest: Json = False) -> Json:
    found = {"type": "object", "properties": properties, "required": required, "additionalProperties": rest}
    return {word: value for word, value in found.items() if value is not None}


@pytest.mark.parametrize(
    "parameters", [None, True, {}, {"type": "object"}, {"type": "dict"}, {"description": "d"}]
)
def test_without_properties_an_object_is_free(parameters: Json) -> None:
    assert normalise(parameters) == (FREE, ())


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("int", INTEGER),
        ("Integer", INTEGER),
        ("str", STRING),
        ("float", {"type": "number"}),
        ("double", {"type": "number"}),
        ("bool", {"type": "boolean"}),
        ("dict", FREE),
        ("list", {"type": "array", "items": {}}),
        ("tuple", {"type": "array", "items": {}}),
        ("any", {}),
        ("None", NULL),
        (["string", "null"], {"anyOf": [STRING, NULL]}),
        (["integer", "number"], {"type": "number"}),
        (["any", "null"], {}),
    ],
)
def test_names_of_types(written: str | list[str], meant: Json) -> None:
    assert of({"type": written}) == meant


PAIR = {"type": "array", "prefixItems": [{"type": "integer"}] * 2, "items": False, "minItems": 2}
INTEGERS = {"type": "array", "items": {"type": "integer"}}
TEXTS = {"type": "array", "items": STRING}
DATE = {"type": "string", "format": "date"}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("tuple[int, int]", PAIR),
        ("Tuple[int, ...]", INTEGERS),
        ("tuple[()]", {"type": "array", "maxItems": 0}),
        ("List[str]", TEXTS),
        ("list[dict]", {"type": "array", "items": {"type": "object"}}),
        ("Dict[str, int]", {"type": "object", "additionalProperties": {"type": "integer"}}),
        ("Optional[int]", {"anyOf": [{"type": "integer"}, NULL]}),
        ("Union[int, str]", {"anyOf": [{"type": "integer"}, STRING]}),
        ("int | None", {"anyOf": [{"type": "integer"}, NULL]}),
        ("int?", {"anyOf": [{"type": "integer"}, NULL]}),
        ('Literal["a", \'b c\', 1, -2.5, True, None]', {"enum": ["a", "b c", 1, -2.5, True, None]}),
        ('"km" | "mi"', {"enum": ["km", "mi"]}),
        ("array<string>", TEXTS),
        ("string[]", TEXTS),
        ("(int | str)[]", {"type": "array", "items": {"anyOf": [{"type": "integer"}, STRING]}}),
        ("typing.List[typing.Optional[datetime.date]]", {"type": "array", "items": {"anyOf": [DATE, NULL]}}),
        ("array<map<string, int[]>>", {"type": "array", "items": {"type": "object", "additionalProperties": INTEGERS}}),
        ("datetime", {"type": "string", "format": "date-time"}),
        ("float64", {"type": "number"}),
        ("uint8", {"type": "integer", "minimum": 0}),
        ("bytes", STRING),
        ("Set[int]", {**INTEGERS, "uniqueItems": True}),
        ("HashMap", {"type": "object"}),
        ("List[Any]", {"type": "array", "items": {}}),
        ("Any", {}),
        (["int", "null"], {"type": ["integer", "null"]}),
        (["List[int]", "null"], {"anyOf": [INTEGERS, NULL]}),
    ],
)  # fmt: skip
def test_types_as_people_write_them(written: Json, meant: Json) -> None:
    def beside(words: Json) -> Json:
        return {"type": "object", "properties": {"x": {"description": "d", **words}}}

    assert as_json_schema(beside({"type": written})) == beside(meant)
    assert of({"type": written}) == of(meant)


@pytest.mark.parametrize(
    "written",
    ["strng", "", " ", "List[strng]", "list[", "list]", "list[int, str]", "dict[int]", "[int]", "int int", "int |", "tuple[...]",
     "tuple[int, int, ...]", "list[int, ...]", "Optional[int, str]", "Literal[int]", "()", "...", "1 +", "x" * 5000, "(" * 500, "list[" * 100],
)  # fmt: skip
def test_what_is_no_type_is_an_error_with_its_place(written: str) -> None:
    with pytest.raises(
        SchemaError, match=r"^properties\.x\.type: there is no type .*; the types are any, array"
    ):
        of({"type": written})
    parameters = {"properties": {"x": {"type": written}}}
    assert as_json_schema(parameters) is parameters


def test_a_name_beside_what_it_stands_for_says_both() -> None:
    written = {"type": "List[str]", "items": {"type": "str", "minLength": 1}, "maxItems": 2}
    assert of(written) == {"type": "array", "items": {**STRING, "minLength": 1}, "maxItems": 2}
    assert of({"type": "Optional[int]", "minimum": 1}) == {"anyOf": [{**INTEGER, "minimum": 1}, NULL]}
    assert of({"type": "list[int]", "items": INTEGER}) == of(INTEGERS)


LISTED = [
    {"name": "location", "type": "str", "description": "district", "required": True},
    {"name": "days", "type": "int", "minimum": 1, "default": 3, "required": False},
    {"name": "unit", "enum": ["c", "f"], "required": "true"},
    {"name": "range", "type": "tuple[int, int]", "required": "False"},
    {"name": "more", "type": "object", "properties": [{"name": "a", "type": "int", "required": True}], "required": ["b"]},
    {"name": "note"},
]  # fmt: skip


def test_a_list_of_parameters_is_an_object() -> None:
    more = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["b", "a"]}
    meant = {
        "type": "object",
        "properties": {
            "location": {**STRING, "description": "district"},
            "days": {"type": "integer", "minimum": 1, "default": 3},
            "unit": {"enum": ["c", "f"]},
            "range": PAIR,
            "more": more,
            "note": {},
        },
        "required": ["location", "unit"],
    }
    assert as_json_schema(LISTED) == meant
    assert as_json_schema(meant) is meant
    assert normalise(LISTED) == normalise(meant)
    assert normalise([]).schema == object_of({})


def test_what_is_required_is_so_once() -> None:
    both = {
        "properties": [{"name": "a", "required": True}, {"name": "b", "required": True}],
        "required": ["b"],
    }
    assert as_json_schema(both) == {"properties": {"a": {}, "b": {}}, "required": ["b", "a"]}


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (["city"], "parameters.0: must be an object, not 'city'"),
        ([{"type": "string"}], "parameters.0.name: must be a string, not None"),
        ([{"name": "a"}, {"name": "a"}], "parameters.1.name: another parameter is called 'a' already"),
    ],
)
def test_a_list_that_is_none_of_parameters_is_an_error(entries: Json, message: str) -> None:
    for read in (as_json_schema, normalise):
        with pytest.raises(SchemaError) as caught:
            read(entries)
        assert str(caught.value).startswith(message)


def test_as_json_schema_reaches_every_schema_and_no_value() -> None:
    inner, meant = {"type": "int"}, {"type": "integer"}
    for word in ("items", "additionalProperties", "not", "if", "then", "contains", "propertyNames"):
        assert as_json_schema({word: inner}) == {word: meant}
    for word in ("properties", "$defs", "definitions", "patternProperties"):
        assert as_json_schema({word: {"type": inner}}) == {word: {"type": meant}}
    for word in ("allOf", "anyOf", "oneOf", "prefixItems", "items"):
        assert as_json_schema({word: [inner, True]}) == {word: [meant, True]}
    for word in ("default", "const", "examples", "enum", "description", "x-mine"):
        parameters = {word: inner}
        assert as_json_schema(parameters) is parameters
    third = {"properties": {"a": {"type": "string", "required": True}, "b": {"required": False}}}
    assert as_json_schema(third) == {"properties": {"a": STRING, "b": {}}, "required": ["a"]}


@pytest.mark.parametrize(
    "parameters", [None, True, 5, {}, {"type": 5}, {"properties": 5, "type": ["odd", 5]}]
)
def test_as_json_schema_leaves_what_it_does_not_understand(parameters: Json) -> None:
    assert as_json_schema(parameters) is parameters


def test_as_json_schema_leaves_depths_alone() -> None:
    deep: Json = {}
    for _ in range(100_000):
        deep = {"items": deep}
    assert as_json_schema(deep) is deep


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        # Keywords without a type have the type they are of.
        ({"properties": {"a": {"type": "str"}}}, object_of({"a": STRING})),
        ({"items": {"type": "int"}}, {"type": "array", "items": INTEGER}),
        ({"enum": ["a", "b"]}, {"enum": ["a", "b"]}),
        ({}, {}),
        (True, {}),
        ({"type": None, "title": "anything"}, {}),
        # An object is closed if it has properties, and free if not, unless its author says so.
        ({"type": "object", "properties": {}}, object_of({})),
        ({"type": "object", "properties": {}, "additionalProperties": True}, FREE),
        (
            {"type": "object", "properties": {"a": {}}, "additionalProperties": {}},
            object_of({"a": {}}, rest=True),
        ),
        (
            {"type": "object", "additionalProperties": {"type": "int"}},
            {**FREE, "additionalProperties": INTEGER},
        ),
        ({"type": "object", "additionalProperties": False}, object_of({})),
        # What is required has to be there, whoever forgot to describe it.
        (
            {"properties": {"a": STRING}, "required": ["a", "b"]},
            object_of({"a": STRING, "b": {}}, ["a", "b"]),
        ),
        ({"type": "object", "required": ["b"]}, object_of({"b": {}}, ["b"], rest=True)),
        ({"properties": {"a": {"type": "str", "required": True}}}, object_of({"a": STRING}, ["a"])),
        ({"properties": {"a": {"type": "str", "required": False}}}, object_of({"a": STRING})),
        # Descriptions go; a property may be called like one.
        (
            {
                "properties": {
                    "title": {
                        "type": "str",
                        "title": "T",
                        "description": "D",
                        "default": "",
                        "examples": [""],
                    }
                }
            },
            object_of({"title": STRING}),
        ),
        # Several ways to say null.
        ({"type": "string", "nullable": True}, {"anyOf": [STRING, NULL]}),
        ({"type": "string", "nullable": False}, STRING),
        ({"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}, {"anyOf": [STRING, NULL]}),
        ({"type": ["string", "null"], "enum": ["a", None]}, {"enum": ["a", None]}),
        # Values.
        ({"const": "a"}, {"enum": ["a"]}),
        ({"const": None}, {"enum": [None]}),
        ({"type": "string", "enum": ["a", 1, None, "a"]}, {"enum": ["a"]}),
        ({"enum": [1, True, 1, False, 0]}, {"enum": [1, True, False, 0]}),
        (
            {"enum": ["a", 0.5]},
            {"anyOf": [{"enum": ["a"]}, {"type": "number", "minimum": 0.5, "maximum": 0.5}]},
        ),
        # Integers have 64 bits; bounds are whole, and one to a side.
        ({"type": "integer", "minimum": 0}, {**INTEGER, "minimum": 0}),
        ({"type": "integer", "minimum": 0.5, "maximum": 9.5}, {**INTEGER, "minimum": 1, "maximum": 9}),
        (
            {"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 9.5},
            {**INTEGER, "minimum": 1, "maximum": 9},
        ),
        ({"type": "integer", "minimum": 3, "exclusiveMinimum": True}, {**INTEGER, "minimum": 4}),
        ({"type": "integer", "maximum": 10**30}, INTEGER),
        # Numbers with one bound get the other.
        ({"type": "number", "minimum": 0}, {"type": "number", "minimum": 0, "maximum": 2**63 - 1}),
        (
            {"type": "number", "exclusiveMaximum": 1},
            {"type": "number", "minimum": -(2**63), "exclusiveMaximum": 1},
        ),
        (
            {"type": "number", "minimum": 0, "exclusiveMinimum": 0, "maximum": 1},
            {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        ),
        ({"type": "number", "minimum": 1e300}, {"type": "number", "minimum": 1e300}),
        # Arrays: a tuple ends where its author ended it.
        ({"type": "array"}, {"type": "array", "items": {}}),
        ({"type": "array", "items": False}, {"type": "array", "items": False}),
        (
            {"type": "array", "items": [{"type": "str"}, {}]},
            {"type": "array", "prefixItems": [STRING, {}], "items": {}},
        ),
        ({"prefixItems": [{"type": "str"}]}, {"type": "array", "prefixItems": [STRING], "items": False}),
        ({"prefixItems": [{}, {}], "maxItems": 1}, {"type": "array", "prefixItems": [{}], "items": False}),
        ({"type": "array", "items": {}, "maxItems": 0}, {"type": "array", "items": False}),
        # Strings.
        ({"type": "string", "format": "date"}, {"type": "string", "format": "date"}),
        ({"type": "string", "format": "phone"}, STRING),
        (
            {"type": "string", "pattern": "^[\u4e00-\u9fff]+$"},
            {"type": "string", "pattern": r"^[\u4e00-\u9fff]+$"},
        ),
        (
            {"type": "string", "minLength": 1.0, "maxLength": 9},
            {"type": "string", "minLength": 1, "maxLength": 9},
        ),
        # Schemas beside and inside each other.
        ({"allOf": [{"type": "integer"}, {"minimum": 3}, {"minimum": 1}]}, {**INTEGER, "minimum": 3}),
        (
            {"allOf": [{"properties": {"a": STRING}}, {"properties": {"b": STRING}}]},
            object_of({"a": STRING, "b": STRING}),
        ),
        (
            {"type": "object", "properties": {"a": {}}, "allOf": [{"properties": {"a": STRING}}]},
            object_of({"a": STRING}),
        ),
        (
            {"properties": {"a": STRING, "b": STRING}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
            {
                "anyOf": [
                    object_of({"a": STRING, "b": STRING}, ["a"]),
                    object_of({"a": STRING, "b": STRING}, ["b"]),
                ]
            },
        ),
        ({"type": "string", "anyOf": [{"enum": ["a", 1]}, {"type": "integer"}]}, {"enum": ["a"]}),
        ({"anyOf": [STRING, {"anyOf": [NULL, STRING]}]}, {"anyOf": [STRING, NULL]}),
        ({"anyOf": [{"type": "string"}, {}]}, {}),
        ({"oneOf": [{"const": "a"}, {"type": "null"}]}, {"anyOf": [{"enum": ["a"]}, NULL]}),
    ],
)
def test_normal_form(written: Json, meant: Json) -> None:
    assert of(written) == meant
    assert normalise({"properties": {"x": written}}).unenforced == ()


@pytest.mark.parametrize(
    ("written", "meant", "place"),
    [
        ({"type": "array", "uniqueItems": True}, {"type": "array", "items": {}}, "uniqueItems"),
        ({"type": "string", "not": {"const": ""}}, STRING, "not"),
        ({"type": "integer", "multipleOf": 5}, INTEGER, "multipleOf"),
        ({"type": "object", "patternProperties": {"^x": STRING}}, FREE, "patternProperties"),
        ({"type": "string", "maxLength": 5000}, STRING, "maxLength"),
        ({"type": "string", "enum": ["a"], "minLength": 2}, {"enum": ["a"]}, "minLength"),
        ({"minimum": 1e-9, "maximum": 2e-9}, {"type": "number"}, "maximum"),
        ({"pattern": "^[0-9]+$", "maxLength": 5}, {"type": "string", "pattern": "^[0-9]+$"}, "maxLength"),
        ({"type": "string", "pattern": r"^(?=.*\d).+$"}, STRING, "pattern"),
        ({"type": "string", "pattern": '"'}, STRING, "pattern"),
        ({"type": "string", "pattern": "^(?:[a-z]{1,99}){1,99}$"}, STRING, "pattern"),
        (
            {"oneOf": [{"type": "integer"}, {"type": "number"}]},
            {"anyOf": [INTEGER, {"type": "number"}]},
            "oneOf",
        ),
        ({"type": "array", "enum": ["a", "b"]}, {"type": "array", "items": {}}, "enum"),
        ({"properties": {}, "required": ["a"], "additionalProperties": False}, object_of({}), "required.a"),
        ({"properties": {"a": False}, "additionalProperties": True}, FREE, "properties.a"),
    ],
)
def test_what_is_not_enforced_is_reported(written: Json, meant: Json, place: str) -> None:
    assert of(written) == meant
    assert normalise({"properties": {"x": written}}).unenforced[-1:] == (f"properties.x.{place}",)


def test_a_union_told_apart_by_a_property_is_exact() -> None:
    kinds = [object_of({"kind": {"const": kind}, "size": {"type": "int"}}, ["kind"]) for kind in "ab"]
    assert normalise({"properties": {"x": {"oneOf": kinds}}}).unenforced == ()
    del kinds[0]["required"], kinds[1]["required"]
    assert normalise({"properties": {"x": {"oneOf": kinds}}}).unenforced == ("properties.x.oneOf",)


@pytest.mark.parametrize("home", ["$defs", "definitions"])
def test_references_stay_and_may_be_recursive(home: str) -> None:
    tree = {"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": f"#/{home}/Tree"}}}}
    parameters = {
        "properties": {"root": {"$ref": f"#/{home}/Tree", "description": "d"}},
        home: {"Tree": tree, "Else": 0},
    }
    kids = {"type": "array", "items": {"$ref": "#/$defs/Tree"}}
    assert normalise(parameters).schema == {
        **object_of({"root": {"$ref": "#/$defs/Tree"}}),
        "$defs": {"Tree": object_of({"kids": kids})},
    }


def test_a_reference_beside_other_keywords_is_worked_in() -> None:
    parameters = {"properties": {"x": {"$ref": "#/$defs/N", "minimum": 3}}, "$defs": {"N": {"type": "int"}}}
    assert normalise(parameters).schema == object_of({"x": {**INTEGER, "minimum": 3}})


def test_the_whole_may_be_a_reference() -> None:
    parameters = {"$ref": "#/$defs/A", "$defs": {"A": {"properties": {"next": {"$ref": "#/$defs/A"}}}}}
    next_ = object_of({"next": {"$ref": "#/$defs/A"}})
    assert normalise(parameters).schema == {**next_, "$defs": {"A": next_}}
    assert normalise({"properties": {"next": {"$ref": "#"}}}).schema == object_of({"next": {"$ref": "#"}})


def test_pointers_are_decoded() -> None:
    parameters = {"properties": {"x": {"$ref": "#/$defs/a~1b%20c/0"}}, "$defs": {"a/b c": [{"type": "str"}]}}
    assert normalise(parameters).schema == {**object_of({"x": {"$ref": "#/$defs/0"}}), "$defs": {"0": STRING}}


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (
            {"type": "strng"},
            "properties.x.type: there is no type 'strng'; the types are any, array, boolean,",
        ),
        ({"type": 5}, "properties.x.type: must be a list, not 5"),
        ({"type": ["string", 5]}, "properties.x.type: there is no type 5"),
        ({"properties": "y"}, "properties.x.properties: must be an object, not 'y'"),
        ({"properties": {"y": "string"}}, "properties.x.properties.y: must be an object, not 'string'"),
        ({"required": "y"}, "properties.x.required: must be a list, not 'y'"),
        ({"required": [1]}, "properties.x.required: must be a string, not 1"),
        ({"enum": "a"}, "properties.x.enum: must be a list, not 'a'"),
        ({"anyOf": {}}, "properties.x.anyOf: must be a list, not {}"),
        ({"items": 3}, "properties.x.items: must be an object, not 3"),
        ({"minimum": "3", "type": "int"}, "properties.x.minimum: must be a number, not '3'"),
        ({"minimum": 10**400}, "properties.x.minimum: must be a number, not 1000000000"),
        ({"minLength": -1}, "properties.x.minLength: must be a whole number from 0, not -1"),
        ({"pattern": 3}, "properties.x.pattern: must be a string, not 3"),
        ({"pattern": "(a"}, "properties.x.pattern: '(a' is not a regular expression: missing )"),
        ({"enum": [float("nan")]}, "properties.x: nan is not a JSON value"),
        ({"enum": [["\ud800"]]}, "properties.x: ['\\ud800'] is not a JSON value"),
        ({"properties": {"\ud800": {}}}, "properties.x.properties: '\\ud800' has half a surrogate pair"),
        ({"$ref": 3}, "properties.x.$ref: must be a string, not 3"),
        ({"$ref": "#/$defs/no"}, "properties.x.$ref: there is no '#/$defs/no' in these parameters"),
        (
            {"$ref": "https://example.com/s.json"},
            "properties.x.$ref: 'https://example.com/s.json' is not inside",
        ),
        ({"type": "integer", "minimum": 2, "maximum": 1}, "properties.x: nothing fits"),
        ({"enum": []}, "properties.x: nothing fits"),
        ({"allOf": [{"type": "string"}, {"type": "integer"}]}, "properties.x: nothing fits"),
        (False, "properties.x: nothing fits"),
    ],
)
def test_what_cannot_be_a_schema_is_an_error_with_its_place(schema: Json, message: str) -> None:
    with pytest.raises(SchemaError) as caught:
        normalise({"properties": {"x": schema}, "required": ["x"]})
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "parameters", [False, {"type": "string"}, {"type": ["array", "null"]}, {"enum": [1]}]
)
def test_parameters_are_an_object(parameters: Json) -> None:
    with pytest.raises(SchemaError, match="a tool's parameters are an object"):
        normalise(parameters)


def test_of_several_types_only_the_object_is_left() -> None:
    assert normalise({"type": ["object", "null"]}).schema == FREE
    assert normalise({"anyOf": [{"type": "object"}, {"type": "string"}]}).schema == FREE


def test_a_reference_that_leads_only_to_itself_is_an_error() -> None:
    defs = {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}
    with pytest.raises(SchemaError, match="leads back to itself"):
        normalise({"properties": {"x": {"$ref": "#/$defs/a"}}, "$defs": defs})


def test_a_count_among_many_properties_is_not_enforced() -> None:
    schema, unenforced = normalise({"properties": {f"p{n}": {} for n in range(40)}, "minProperties": 2})
    assert "minProperties" not in schema
    assert unenforced == ("minProperties",)


def test_values_are_copied() -> None:
    value = {"a": [1]}
    copy = of({"enum": [value]})["enum"][0]
    assert copy == value
    assert copy is not value
    assert copy["a"] is not value["a"]


def test_depth_and_work_are_bounded() -> None:
    deep: Json = {}
    for _ in range(1000):
        deep = {"items": deep}
    with pytest.raises(SchemaError, match="nested too deeply"):
        normalise({"properties": {"x": deep}})
    # Each stands for two of the next, so that the last would be worked in 2**14 times.
    bomb: Json = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(14)}
    with pytest.raises(SchemaError, match="too large"):
        normalise({"properties": {"x": {"$ref": "#/$defs/d0"}}, "$defs": {**bomb, "d14": {"type": "string"}}})
