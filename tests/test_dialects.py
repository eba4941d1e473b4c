"""The dialects of fine-tunes: what each reads, and that nothing else is read differently for it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cases import Case, check_case
from recorded import reading

from chat_adapters.adapters import (
    ADAPTERS,
    Adapter,
    Dialect,
    FormatError,
    JsonCall,
    Tool,
    UnknownDialectError,
    get,
    structural_tag,
)
from chat_adapters.toolkit.checks import check_cuts, reply_of

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
READINGS = sorted(FIXTURES.glob("*/*/message.*.json"))
DIALECTS = [(name, dialect) for name, adapter in ADAPTERS.items() for dialect in adapter.dialects]
SAFE = {
    name: [dialect.name for dialect in adapter.dialects if dialect.safe] for name, adapter in ADAPTERS.items()
}
every_dialect = pytest.mark.parametrize(
    ("adapter", "dialect"), DIALECTS, ids=[f"{name}-{dialect.name}" for name, dialect in DIALECTS]
)


@pytest.mark.parametrize(
    "path", READINGS, ids=lambda path: f"{path.parent.parent.name}/{path.parent.name}/{path.suffixes[0]}"
)
def test_reply_in_a_dialect(path: Path) -> None:
    """`message.NAME.json` is what the reply reads as with that dialect on."""
    case, dialect = path.parent, path.name.split(".")[1]
    check_reply(case, [dialect], json.loads(path.read_text("utf-8")))


@pytest.mark.parametrize(
    "case",
    sorted({path.parent for path in READINGS if path.name.split(".")[1] in SAFE[path.parent.parent.name]}),
    ids=lambda case: f"{case.parent.name}/{case.name}",
)
def test_reply_where_nothing_is_set(case: Path) -> None:
    check_reply(case, None, reading(case))


def check_reply(case: Path, dialects: list[str] | None, message: dict[str, Any]) -> None:
    format = get(case.parent.name).with_dialects(dialects)
    text, tools = (case / "output.txt").read_bytes().decode(), tools_of(case)
    check_cuts(format, tools, text, [range(0, len(text), step) for step in (2, 3, 7)])
    reply = reply_of(format, tools, text)
    assert reply.content == (message["content"] or "")
    assert [(call.name, json.loads(call.arguments)) for call in reply.calls] == [
        (call["name"], call["arguments"]) for call in message["tool_calls"]
    ]


@pytest.mark.parametrize("name", ["AmapWeather", "getActions", "T", "A", "call_\u5de5\u5177"])
def test_a_name_may_have_the_letters_that_a_marker_begins_with(name: str) -> None:
    format = get("qwen2").with_dialects(["react", "modelscope"])
    for heading in ("", "\u5de5\u5177\u8c03\u7528\n", "Tool Invocation\n"):
        text = f'{heading}Action: {name}\nAction Input: {{"a": 1}}\n'
        check_cuts(format, [Tool(name)], text, [])
        assert [call.name for call in reply_of(format, [Tool(name)], text).calls] == [name]


@pytest.mark.parametrize(
    ("adapter", "dialects"),
    [*((name, [dialect.name]) for name, dialect in DIALECTS), *SAFE.items()],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_every_other_reply_reads_as_without(adapter: str, dialects: list[str]) -> None:
    format = ADAPTERS[adapter].with_dialects(dialects)
    cases = [path.parent for path in FIXTURES.glob(f"{adapter}/*/output.txt")]
    read = {path.parent for path in READINGS if path.name.split(".")[1] in dialects}
    for case in set(cases) - read:
        text, tools = (case / "output.txt").read_bytes().decode(), tools_of(case)
        assert reply_of(format, tools, text) == reply_of(ADAPTERS[adapter].format, tools, text), case


def test_every_dialect_has_a_fixture() -> None:
    assert {path.name.split(".")[1] for path in READINGS} == {dialect.name for _, dialect in DIALECTS}


@every_dialect
def test_the_grammar_stays_the_trained_form(adapter: str, dialect: Dialect) -> None:
    tools = [Tool("get", {"type": "object", "properties": {"a": {"type": "integer"}}})]
    format = ADAPTERS[adapter].with_dialects([dialect.name])
    for choice in ("auto", "required", "forced"):
        assert structural_tag(format, tools, choice) == structural_tag(
            ADAPTERS[adapter].format, tools, choice
        )


@pytest.mark.parametrize("adapter", ADAPTERS.values(), ids=ADAPTERS)
def test_without_names_the_safe_ones_are_on(adapter: Adapter) -> None:
    safe = [dialect.name for dialect in adapter.dialects if dialect.safe]
    assert adapter.with_dialects() == adapter.with_dialects(safe)
    assert adapter.with_dialects([]) == adapter.format


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(
        UnknownDialectError, match="internlm2_5 has no dialect 'ract'; its dialects are: react"
    ):
        ADAPTERS["internlm2_5"].with_dialects(["ract"])
    with pytest.raises(UnknownDialectError, match="its dialects are: none"):
        ADAPTERS["chatglm3"].with_dialects(["react"])


def test_a_dialect_that_contradicts_the_format_is_refused_with_the_adapter() -> None:
    clash = Dialect("clash", (JsonCall(open="<tool_call>x"),), safe=False)
    with pytest.raises(FormatError, match="begins like"):
        replace(ADAPTERS["qwen2_5"], dialects=(clash,))


TOOLS = (Tool("get"), Tool("get_time"))
GET, TIME = ("get", '{"a": 1}'), ("get_time", "{}")
ACTION = 'Action: get\nAction Input: {"a": 1}'
WRITTEN = '{"name": "get", "arguments": {"a": 1}}'


def unchanged(text: str) -> Case:
    return Case(text, text)


REACT_CASES = {
    "in the middle of a line": unchanged(f"So: {ACTION}"),
    "behind blank lines": Case(f"Hm.\n\n{ACTION}", "Hm.\n", (GET,)),
    "white space": Case('Action:get \n\nAction Input:\n{"a": 1}', calls=(GET,)),
    "a line between": unchanged('Action: get\nThought: so\nAction Input: {"a": 1}'),
    "a list": unchanged("Action: get\nAction Input: [1]"),
    "null": unchanged("Action: get\nAction Input: null"),
    "nothing": unchanged("Action: get\nAction Input: "),
    "no input": unchanged("Action: get\n"),
    "no input before another": Case(f"Action: get_time\n{ACTION}", "Action: get_time", (GET,)),
    "a longer name": unchanged('Action: get_times\nAction Input: {"a": 1}'),
    "an object in a string": Case(
        'Action: get\nAction Input: "{\\"a\\": 1}"', calls=(GET,), repairs=("arguments_string",)
    ),
    "single quotes": Case("Action: get\nAction Input: {'a': 1}", calls=(GET,), repairs=("single_quotes",)),
    "several lines": Case('Action: get\nAction Input: {\n"a": 1\n}\n', "\n", (("get", '{\n"a": 1\n}'),)),
    "cut": unchanged('Action: get\nAction Input: {"a": '),
    "bad arguments harm no sibling": Case(
        f'Action: get\nAction Input: {{"a": oops}}\n{ACTION}',
        'Action: get\nAction Input: {"a": oops}',
        (GET,),
    ),
    "an invented result, and a call on it": Case(
        f"{ACTION}\nObservation: 3\nThought: more\nAction: get_time\nAction Input: {{}}",
        "\nObservation: 3\nThought: more",
        (GET, TIME),
    ),
    "in a fence": Case(f"```\n{ACTION}\n```", "```\n```", (GET,)),
}
MODELSCOPE_CASES = {
    "a heading": Case(f"Yes.\n工具调用\n{ACTION}", "Yes.", (GET,)),
    "the heading in English": Case(f"Tool Invocation\n{ACTION}\n", "\n", (GET,)),
    "one heading, two calls": Case(
        f"工具调用\n{ACTION}\nAction: get_time\nAction Input: {{}}", calls=(GET, TIME)
    ),
    "a heading of something else": unchanged("工具调用\nAction: none"),
    "a heading behind a colon": Case(f"下面是工具调用\n{ACTION}", "下面是工具调用", (GET,)),
}
FENCED_CASES = {
    "another language": unchanged(f"```python\n{WRITTEN}\n```"),
    "no end": Case(f"```json\n{WRITTEN}", calls=(GET,)),
    "text behind the object": Case(f"```json\n{WRITTEN} so\n```", " so\n```", (GET,)),
    "two fences": Case(f"```json\n{WRITTEN}\n```\n```json\n{WRITTEN}\n```", calls=(GET, GET)),
    "no arguments": unchanged('```json\n{"name": "get_time"}\n```'),
    "an answer": unchanged('```json\n{"users": [{"name": "get", "arguments": {}}]}\n```'),
    "not offered": unchanged('```json\n{"name": "put", "arguments": {}}\n```'),
}
TOOLS_CASES = {
    "the tools themselves": unchanged(
        '<tools>\n{"type": "function", "function": {"name": "get", "description": "", "parameters": {}}}\n</tools>'
    ),
    "not offered": unchanged('<tools>{"name": "put", "arguments": {"a": 1}}</tools>'),
    "beside the trained form": Case(
        f"<tools>{WRITTEN}</tools>\n<tool_call>{WRITTEN}</tool_call>", calls=(GET, GET)
    ),
}
BARE_CASES = {
    "text around": Case(f"So: {WRITTEN}.", "So: .", (GET,)),
    "an answer": unchanged('{"name": "Ann", "arguments": {}}'),
    "no arguments": unchanged('{"name": "get_time"}'),
    "in a fence": unchanged(f"```json\n{WRITTEN}\n```"),
    "beside the trained form": Case(f"{WRITTEN}\n<tool_call>\n{WRITTEN}\n</tool_call>", calls=(GET, GET)),
}
PYTHON_CASES = {
    "text around": Case("So: [get(a=1), get_time()]. Yes", "So: . Yes", (GET, TIME)),
    "white space": Case("[ get(a=1) ,\n get_time( ) , ]", calls=(GET, TIME)),
    "behind the tag": Case("<|python_tag|>[get(a=1)]", calls=(GET,)),
    "literals": Case(
        "[get(a=[(1, 'x'), None], b={'c': True})]",
        calls=(("get", '{"a": [[1, "x"], null], "b": {"c": true}}'),),
    ),
    "brackets in a text": Case("[get(a='](')]", calls=(("get", '{"a": "]("}'),)),
    "not offered": unchanged("[put(a=1)]"),
    "behind the tag, not offered": unchanged("<|python_tag|>[put(a=1)]"),
    "another one is not offered": Case("[get(a=1), put()]", ", put()]", (GET,)),
    "another one is a number": Case("[get(a=1), 2]", ", 2]", (GET,)),
    "positional": unchanged("[get(1)]"),
    "no call": unchanged("[get]"),
    "a list": unchanged("[1, 2, get(a=1)]"),
    "no list": unchanged("get(a=1)"),
    "cut": unchanged("[get(a='x"),
    "bad": unchanged("[get(a=b)]"),
    "no end": Case("[get(a=1)", calls=(GET,)),
    "a brace behind it": Case("[get(a=1)} so", "} so", (GET,)),
    "an array of objects": Case('[{"name": "get", "parameters": {"a": 1}}]', calls=(GET,)),
    "both": Case(
        '[get_time(), {"name": "get", "parameters": {"a": 1}}, get_time()]', calls=(TIME, GET, TIME)
    ),
    "in a fence": unchanged("```\n[get(a=1)]\n```"),
    "why it is off": Case("See [get_time()](https://example.org).", "See (https://example.org).", (TIME,)),
}
CASES = {
    (adapter, dialect, title): case
    for adapters, dialect, cases in (
        (("internlm2_5", "llama3_1", "qwen2", "qwen2_5"), "react", REACT_CASES),
        (("qwen2",), "react", {"a stop string for the input": unchanged("Action: get\n✿RESULT✿")}),
        (("qwen2", "qwen2_5"), "function_tag", {"no arguments": unchanged("<function=get></function>")}),
        (("llama3_1", "qwen2", "qwen2_5"), "modelscope", MODELSCOPE_CASES),
        (("qwen2_5", "llama3_1"), "fenced_json", FENCED_CASES),
        # For Llama an object is a call there, with any dialect.
        (("qwen2_5",), "fenced_json", {"in a line": unchanged(f"So: ```json\n{WRITTEN}\n```")}),
        (("qwen2_5",), "tools_tag", TOOLS_CASES),
        (("qwen2", "qwen2_5"), "bare_json", BARE_CASES),
        (("llama3_1",), "python_list", PYTHON_CASES),
    )
    for adapter in adapters
    for title, case in cases.items()
}


@pytest.mark.parametrize(("adapter", "dialect", "title"), CASES)
def test_case(adapter: str, dialect: str, title: str) -> None:
    """With the dialect alone; and where it is safe, with all that are."""
    check_case(ADAPTERS[adapter].with_dialects([dialect]), TOOLS, CASES[adapter, dialect, title])
    if dialect in SAFE[adapter]:
        check_case(ADAPTERS[adapter].with_dialects(), TOOLS, CASES[adapter, dialect, title])


def tools_of(case: Path) -> list[Tool]:
    request = json.loads((case / "request.json").read_text("utf-8"))
    functions = [tool.get("function", tool) for tool in request.get("tools") or []]
    return [Tool(function["name"], function.get("parameters")) for function in functions]
