"""What a parser counts besides its calls: markers that gave none, and why."""

from collections import Counter

import pytest

from chat_adapters.adapters import EXCERPT, MISSES, ContinuedParser, Parser, Tally, Tool, get
from chat_adapters.adapters._parser import MAX_CANDIDATE
from chat_adapters.toolkit.checks import check_cuts

TOOLS = (Tool("get"), Tool("put"))
CALL = '<tool_call>{"name": "get", "arguments": {"a": 1}}</tool_call>'
LONG = '<tool_call>{"arguments": {"a": "' + "x" * MAX_CANDIDATE

MISSED = {
    "prose": ("qwen2_5", "Write ", "<tool_call> and go on.", "malformed"),
    "no name": ("qwen2_5", "A ", '<tool_call>{"x": 1}</tool_call>', "malformed"),
    "arguments of no kind": ("qwen2_5", "", '<tool_call>{"name": "get", "arguments": 3}', "malformed"),
    "no head": ("qwen2", "Hi.\n", "✿FUNCTION✿: get\nthen", "malformed"),
    "no Python": ("chatglm3", "", "get\n ```python\nget(a=1)\n```", "malformed"),
    "bad arguments": (
        "qwen2_5",
        "A ",
        '<tool_call>{"name": "get", "arguments": {"a": oops}}</tool_call> B',
        "bad_arguments",
    ),
    "bad Python": ("chatglm3", "", "get\n ```python\ntool_call(a=1, b=oops)\n```", "bad_arguments"),
    "cut before it is a call": ("internlm2_5", "", '<|action_start|><|plugin|>{"name": "get', "cut"),
    "cut": ("qwen2_5", "", '<tool_call>{"name": "get", "arguments": {"a": [1, ', "cut"),
    "cut, no marker": ("llama3_1", "", '{"name": "get", "parameters": {"a": ', "cut"),
    "code": ("llama3_1", "Hi ", "<|python_tag|>print(1)", "no_interpreter"),
    "code in a block": ("internlm2_5", "", "<|action_start|><|interpreter|>print(1)", "no_interpreter"),
    "too long": ("qwen2_5", "", LONG, "too_long"),
}


@pytest.mark.parametrize(("name", "before", "text", "why"), MISSED.values(), ids=MISSED)
def test_a_marker_that_gave_no_call(name: str, before: str, text: str, why: str) -> None:
    tally = check_cuts(get(name).format, TOOLS, before + text).tally
    assert tally == Tally(misses=Counter({why: 1}), why=why, excerpt=text[:EXCERPT])


def test_every_reason_has_a_case() -> None:
    assert {why for *_, why in MISSED.values()} | {"unknown_tool"} == set(MISSES)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("qwen2_5", "It is sunny. </tool_call>"),
        ("qwen2_5", '{"name": "get", "arguments": {}}'),
        ("qwen2", "The sign ✿FUNCTION✿: in a line."),
        ("llama3_1", '{"name": "Alice", "parameters": {"age": 3}}'),
        ("chatglm3", "Paris\nIt is sunny there."),
        ("chatglm3", "get\nis a tool."),
    ],
)
def test_what_holds_no_marker_is_not_counted(name: str, text: str) -> None:
    assert check_cuts(get(name).format, TOOLS, text).tally == Tally()


@pytest.mark.parametrize(
    ("begin", "end", "why"),
    [
        ("Action: ", "\nAction Input: Paris", "malformed"),
        ("Action: ", "\nAction Input: {", "cut"),
        ("<function=", '>{"a": oops}</function>', "bad_arguments"),
        ('```json\n{"name": "', '", "arguments": 3}\n```', "malformed"),
        ('<tools>\n{"name": "', '"}\n</tools>', "malformed"),
    ],
)
def test_a_marker_that_an_answer_may_have_counts_with_the_name_of_a_tool(
    begin: str, end: str, why: str
) -> None:
    format = get("qwen2_5").with_dialects(["react", "function_tag", "fenced_json", "tools_tag"])
    misses = [
        check_cuts(format, TOOLS, f"{begin}{name}{end}").tally.misses for name in ("get", "no", "g", "")
    ]
    assert misses == [{why: 1}, {}, {}, {}]


@pytest.mark.parametrize(
    ("policy", "calls", "misses"), [("forward", 2, {}), ("content", 1, {"unknown_tool": 1})]
)
def test_unknown_tools_are_counted_whatever_becomes_of_them(
    policy: str, calls: int, misses: dict[str, int]
) -> None:
    unknown = CALL.replace("get", "no_such_tool")
    tally = check_cuts(get("qwen2_5").format, TOOLS, f"{CALL}\n{unknown}!", unknown_tools=policy).tally  # type: ignore[arg-type]
    assert (tally.calls, tally.unknown_tools, tally.misses) == (calls, 1, misses)
    assert tally.excerpt == (f"{unknown}!" if misses else "")


def test_the_first_miss_is_kept_and_no_more_of_it_than_is_shown() -> None:
    text = (
        '<tool_call>{"name": "get", "arguments": {"a": "'
        + "x" * 1000
        + '", oops}}</tool_call>'
        + "<tool_call> " * 50
        + "."
    )
    tally = check_cuts(get("qwen2_5").format, TOOLS, text, [range(0, len(text), 7)]).tally
    assert tally.misses == {"bad_arguments": 1, "malformed": 50}
    assert (tally.why, tally.excerpt) == ("bad_arguments", text[:EXCERPT])


def test_what_the_prompt_has_begun_is_not_counted_but_for_what_is_open() -> None:
    prefix = f"<tool_call> {CALL}"
    parser = ContinuedParser(Parser(get("qwen2_5").format, TOOLS), prefix + CALL[:20])
    parser.feed(CALL[20:])
    parser.close()
    assert parser.tally == Tally(calls=1)
