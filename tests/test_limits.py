"""Schemas that are too much: each works or is an error that names tool and place, and none takes long."""

import json
from collections.abc import Mapping
from time import process_time
from typing import Any

import pytest

from chat_adapters.adapters import ADAPTERS, SchemaError, Tool, _known, as_json_schema, structural_tag
from chat_adapters.adapters import _grammar as grammar
from chat_adapters.adapters._cost import MAX_COST, cost
from chat_adapters.adapters._kept import Kept
from chat_adapters.adapters._schema import Work, normalise

Json = Any

TEXT = {"type": "string"}
LENGTH = {"type": "string", "maxLength": 60}
INTEGER = {"type": "integer"}
MAX_SECONDS = 2.0  # of this process; a quarter of that on a machine that does nothing else
every_adapter = pytest.mark.parametrize("name", ADAPTERS)


def of(x: Json, **more: Json) -> Json:
    return {"type": "object", "properties": {"x": x}, **more}


def tools_of(count: int, properties: int, schema: Json) -> list[Tool]:
    """Tools of which no two are the same."""
    return [
        Tool(
            f"t{n}",
            {"type": "object", "properties": {f"p{n}_{index}": schema for index in range(properties)}},
        )
        for n in range(count)
    ]


def chain(count: int, link: Json) -> Json:
    """Definitions that lead from one to the next; `link` is the text of one, with `NEXT` for the next."""
    links = {f"d{n}": json.loads(json.dumps(link).replace("NEXT", f"#/$defs/d{n + 1}")) for n in range(count)}
    return of({"$ref": "#/$defs/d0"}, **{"$defs": {**links, f"d{count}": TEXT}})


TREE = {"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}}}
KIND = [
    {"type": "object", "properties": {"kind": {"const": str(n)}}, "required": ["kind"]} for n in range(200)
]
WORKS: Mapping[str, list[Tool]] = {
    "500 tools": tools_of(500, 10, TEXT),
    "500 tools with integers": tools_of(500, 4, INTEGER),
    "500 tools with lengths": tools_of(500, 3, LENGTH),
    "500 equal tools": [Tool(f"t{n}", of(INTEGER)) for n in range(500)],
    "200 properties": [Tool("f", {"properties": {f"p{n}": LENGTH for n in range(200)}})],
    "200 required properties": [
        Tool("f", {"properties": {f"p{n}": INTEGER for n in range(200)}, "required": [f"p{n}" for n in range(200)]})
    ],
    "recursion": [Tool("f", of({"$ref": "#/$defs/Tree"}, **{"$defs": {"Tree": TREE}}))],
    "recursion to the whole": [Tool("f", of({"$ref": "#"}))],
    "enum of objects": [Tool("f", of({"enum": [{"a": n, "b": [n, None]} for n in range(500)]}))],
    "10,000 values": [Tool("f", of({"enum": [f"value {n}" for n in range(10_000)]}))],
    "huge description": [Tool("f", of({**TEXT, "description": "d" * 10**7}))],
    "huge pattern": [Tool("f", of({**TEXT, "pattern": "a" * 10**7}))],
    "pattern of groups in groups": [Tool("f", of({**TEXT, "pattern": "(" * 3000 + "a" + ")" * 3000}))],
    "huge count": [Tool("f", of({"items": {"items": TEXT, "maxItems": 10**6}, "minItems": 10**6}))],
    "union of kinds": [Tool("f", of({"oneOf": KIND}))],
}  # fmt: skip
TOO_MUCH: Mapping[str, tuple[Json, str]] = {
    "properties": ({"properties": {f"p{n}": TEXT for n in range(200_000)}}, "properties"),
    "many properties": ({"properties": {f"p{n}": TEXT for n in range(2500)}}, "parameters: too large for a grammar"),
    "long property": ({"properties": {"k" * 10**7: TEXT}}, "properties"),
    "enum": (of({"enum": [f"value {n}" for n in range(300_000)]}), r"properties\.x"),
    "enum of texts": (of({"enum": [f"{n}" + "v" * 9000 for n in range(999)]}), r"properties\.x"),
    "constant": (of({"const": "k" * 10**7}), r"properties\.x"),
    "constant list": (of({"const": list(range(10**6))}), r"properties\.x"),
    "required": ({"required": [f"n{n}" for n in range(300_000)]}, "required"),
    "types": (of({"type": ["string"] * 10**6}), r"properties\.x"),
    "branches": (of({"anyOf": [{"const": {"k": n}} for n in range(100_000)]}), r"properties\.x\.anyOf"),
    "heads": (of({"prefixItems": [INTEGER] * 50_000}), r"properties\.x"),
    "definitions": (chain(9999, {"items": {"$ref": "NEXT"}}), r"\$defs"),
    "depth": (json.loads('{"properties": {"x": ' + '{"items": ' * 400 + "{}" + "}" * 402), r"properties\.x\.items"),
    "allOf twice": (chain(40, {"allOf": [{"$ref": "NEXT"}] * 2}), r"\$defs\.d0"),
    "anyOf twice": (chain(20, {"anyOf": [{"$ref": "NEXT", "title": "t"}, {"$ref": "NEXT", "minLength": 1}]}), r"\$defs\.d0"),
    "anyOf in allOf": (of({"allOf": [{"anyOf": [{"minLength": n} for n in range(5)]}] * 8}), r"properties\.x"),
    "enum in allOf": (of({"allOf": [{"enum": [*range(2000)]}] * 500}), r"properties\.x"),
    "number of thousands of digits": (of({"maximum": 10**5000}), r"properties\.x\.maximum"),
}  # fmt: skip


@every_adapter
@pytest.mark.parametrize("case", WORKS)
def test_large_schemas_work(name: str, case: str) -> None:
    began = process_time()
    tag = structural_tag(ADAPTERS[name].format, WORKS[case], "required")
    assert process_time() - began < MAX_SECONDS
    assert len(json.dumps(tag)) < 2_500_000


@every_adapter
@pytest.mark.parametrize("case", TOO_MUCH)
def test_what_is_too_large_is_refused_with_its_place(name: str, case: str) -> None:
    parameters, place = TOO_MUCH[case]
    began = process_time()
    with pytest.raises(SchemaError, match=f"^tool 'f': {place}") as caught:
        structural_tag(ADAPTERS[name].format, [Tool("g"), Tool("f", parameters)], "required")
    assert process_time() - began < MAX_SECONDS
    assert len(str(caught.value)) < 400


def test_the_tools_of_a_request_share_its_work() -> None:
    work = Work()

    def read_many() -> None:
        for _ in range(100):
            normalise(of({"oneOf": KIND}), work)

    with pytest.raises(SchemaError, match="too large to be worked out"):
        read_many()


def test_where_tools_are_too_dear_together_counts_go_first() -> None:
    found: list[tuple[str, tuple[str, ...]]] = []
    tools = [*tools_of(400, 2, LENGTH), Tool("f", of(INTEGER)), Tool("g", of({**INTEGER, "minimum": 1}))]
    format = ADAPTERS["qwen2_5"].format
    tags: Json = structural_tag(format, tools, "auto", lambda *told: found.append(told))
    schemas = [tag["content"]["json_schema"] for tag in tags["format"]["tags"]]
    assert schemas[0]["properties"] == {"p0_0": TEXT, "p0_1": TEXT}
    assert schemas[400]["properties"] == {"x": INTEGER}
    assert schemas[401]["properties"] == {"x": {**INTEGER, "minimum": 1, "maximum": 2**63 - 1}}
    assert len(found) == 400
    assert found[0] == ("t0", ("properties.p0_0.maxLength", "properties.p0_1.maxLength"))
    few: Json = structural_tag(format, tools[399:], "auto", lambda *told: found.append(told))
    assert [*few["format"]["tags"][0]["content"]["json_schema"]["$defs"]] == ["-0"]
    assert len(found) == 400


def test_many_tools_that_are_too_dear_are_refused_and_counted() -> None:
    tools = [Tool("large", of({"enum": [*range(3000)]})), *tools_of(700, 8, TEXT)]
    with pytest.raises(
        SchemaError, match=r"^tool 'large': properties\.x: too large for a grammar; there are 701 tools"
    ):
        structural_tag(ADAPTERS["qwen2_5"].format, tools, "auto")


@pytest.mark.parametrize("python", [False, True])
def test_equal_schemas_cost_once(python: bool) -> None:
    one, other = ({"type": "object", "properties": {name: normalise(of(INTEGER)).schema}, "additionalProperties": False} for name in "ab")  # fmt: skip
    assert cost([one] * 500, python) - cost([one] * 499, python) < 200
    assert cost([one, other], python) > 1.5 * cost([one], python)
    assert cost([one], python) < MAX_COST / 100


def test_what_is_dear_and_there_twice_is_in_one_place() -> None:
    schema = {"properties": {"a": LENGTH, "b": {"items": LENGTH}, "c": TEXT, "d": TEXT, "e": INTEGER}}
    tag: Json = structural_tag(ADAPTERS["qwen2_5"].format, [Tool("f", schema)], "auto")
    found = tag["format"]["tags"][0]["content"]["json_schema"]
    assert found["$defs"].keys() == {"-0"}
    assert found["properties"]["a"] == found["properties"]["b"]["items"] == {"$ref": "#/$defs/-0"}
    assert found["properties"]["c"] == TEXT
    assert found["properties"]["e"]["type"] == "integer"


# ---- what is kept for the next request ----


def test_the_same_tools_are_not_worked_out_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grammar, "_kept", Kept(100_000))
    monkeypatch.setattr(_known, "_kept", Kept(100_000))
    tools = [
        Tool("f", of({"type": "List[int]", "uniqueItems": True})),
        Tool("g", [{"name": "a", "type": "int"}]),
        Tool("h"),
    ]
    told: list[str] = []
    first = {name: structural_tag(ADAPTERS[name].format, tools, "required") for name in ADAPTERS}
    monkeypatch.setattr(_known, "normalise", None)
    monkeypatch.setattr(grammar, "json_arguments", None)
    monkeypatch.setattr(grammar, "keyword_arguments", None)
    for name in ADAPTERS:
        again = structural_tag(ADAPTERS[name].format, tools, "required", lambda tool, _: told.append(tool))
        assert again == first[name]
    assert told == ["f"] * len(ADAPTERS)


def test_many_properties_have_a_little_more_room() -> None:
    def room(*tools: Tool) -> set[Json]:
        tag: Json = structural_tag(ADAPTERS["qwen2_5"].format, tools, "required")
        return {tag["content"]["max_whitespace_cnt"] for tag in tag["format"]["tags"]}

    assert room(*tools_of(5, 10, TEXT)) == {1}
    assert room(*tools_of(5, 10, TEXT), Tool("f", of(TEXT))) == {2}
    assert room(*tools_of(5, 10, TEXT)) == {1}
    assert room(*(Tool("f", of(tool.parameters)) for tool in tools_of(5, 10, TEXT))) == {2}


@pytest.mark.parametrize(
    "parameters",
    [
        {
            "properties": {f"p{n}": {"required": True} for n in range(40_000)},
            "required": [*map(str, range(40_000))],
        },
        [{"name": f"p{n}", "type": "((list[" * 2 + "int" + "]))" * 2 + "[]" * 20} for n in range(40_000)],
    ],
    ids=["required", "types"],
)
def test_spelling_out_is_bounded(parameters: Json) -> None:
    began = process_time()
    as_json_schema(parameters)
    assert process_time() - began < MAX_SECONDS


def test_a_result_is_the_callers_own() -> None:
    format = ADAPTERS["qwen2_5"].format
    tags: list[Json] = [structural_tag(format, [Tool("f", of(TEXT))], "auto") for _ in range(3)]
    tags[1]["format"]["tags"][0]["content"]["json_schema"]["properties"].clear()
    assert tags[0] == tags[2]


def test_what_is_kept_is_bounded() -> None:
    kept = Kept(1000)
    kept.put("large", "x" * 200)
    assert kept.get("large") is None
    for n in range(100):
        kept.put(f"{n:02}", "x" * 48)
        kept.get("00")
    assert kept.get("00")
    assert kept.get("99")
    assert kept.get("01") is None
    assert sum(kept.get(f"{n:02}") is not None for n in range(100)) == 20
    kept.put("99", "y")
    assert kept.get("99") == "x" * 48
