"""The hard cases, rule by rule: what a client gets of them, whole and streamed in every cut.

`MARKED` writes `<call>{...}</call>`, `BARE` the object alone; both offer the tools `get` and `get_time`.
"""

import gc
from collections.abc import Callable
from time import process_time

import pytest
from cases import Case, check_case

from chat_adapters.adapters import (
    ADAPTERS,
    Arguments,
    CallEnd,
    ChatAdaptersError,
    Format,
    FormatError,
    HeadedCall,
    JsonCall,
    Parser,
    ParserClosedError,
    Tool,
    read_reply,
)
from chat_adapters.adapters._repairs import REPAIRS
from chat_adapters.toolkit.checks import check_cuts, read

MARKED = Format(call=JsonCall(open="<call>", close="</call>"), lead="\n", separator="\n")
BARE = Format(call=JsonCall(arguments_key="parameters"), separator="; ")
WITH_DIALECTS = ADAPTERS["llama3_1"].with_dialects(dialect.name for dialect in ADAPTERS["llama3_1"].dialects)
TOOLS = (Tool("get"), Tool("get_time"))


GET = ("get", '{"a": 1}')
TIME = ("get_time", "{}")
WRITTEN_GET = '{"name": "get", "parameters": {"a": 1}}'
WRITTEN_TIME = '{"name": "get_time", "parameters": {}}'

MARKED_CASES = {
    "one call": Case('<call>{"name": "get", "arguments": {"a": 1}}</call>', calls=(GET,)),
    "white space anywhere": Case(
        '<call> \n{ "name" : "get" ,\n"arguments" : {"a": 1} }\n </call>', calls=(GET,)
    ),
    "prose around": Case(f"Hi.\n<call>{WRITTEN_GET}</call> Bye.", "Hi. Bye.", (GET,)),
    "prose between": Case(f"<call>{WRITTEN_GET}</call>, so: <call>{WRITTEN_TIME}</call>", ", so: ", (GET, TIME)),
    # 1. Arguments that go bad or are cut; complete means that the arguments are.
    "bad arguments": Case('<call>{"name": "get", "arguments": {"a": oops}}</call>!', '<call>{"name": "get", "arguments": {"a": oops}}</call>!'),
    "bad arguments harm no sibling": Case(
        f'<call>{{"name": "get", "arguments": {{"a": oops}}}}</call><call>{WRITTEN_TIME}</call>',
        '<call>{"name": "get", "arguments": {"a": oops}}</call>',
        (TIME,),
    ),
    "cut": Case('<call>{"name": "get", "arguments": {"a": [1, 2', '<call>{"name": "get", "arguments": {"a": [1, 2'),
    "what led to a cut call stays": Case(
        f'Hi\n<call>{WRITTEN_GET}</call>;\n<call>{{"name": "get", "arguments": {{"a',
        'Hi;\n<call>{"name": "get", "arguments": {"a',
        (GET,),
    ),
    "no end tag": Case('<call>{"name": "get", "arguments": {"a": 1}}', calls=(GET,)),
    "no outer brace": Case('<call>{"name": "get", "arguments": {"a": 1}', calls=(GET,)),
    "no brace before the end tag": Case(
        '<call>{"name": "get", "arguments": {"a": "x"</call>',
        calls=(("get", '{"a": "x"}'),),
        repairs=("missing_brace",),
    ),
    "a number in doubled braces before the end tag is whole": Case(
        '<call>{"name": "get", "arguments": {"a": {{"b": 1}}</call>',
        calls=(("get", '{"a": {"b": 1}}'),),
        repairs=("doubled_brace", "missing_brace"),
    ),
    "a number before the end tag may be half of one": Case(
        '<call>{"name": "get", "arguments": {"a": 1</call>', '<call>{"name": "get", "arguments": {"a": 1</call>'
    ),
    "an array that is open before the end tag": Case(
        '<call>{"name": "get", "arguments": {"a": ["x"</call>', '<call>{"name": "get", "arguments": {"a": ["x"</call>'
    ),
    "a late closer is not what led to a cut call": Case(
        f'<call>{WRITTEN_GET} x</call><call>{{"name": "get", "arguments": {{"a',
        ' x<call>{"name": "get", "arguments": {"a',
        (GET,),
    ),
    "a comma before the end tag is no end": Case(
        '<call>{"name": "get", "arguments": {"a": 1,</call>', '<call>{"name": "get", "arguments": {"a": 1,</call>'
    ),
    # 2. Key order, keys.
    "arguments first": Case('<call>{"arguments": {"a": 1}, "name": "get"}</call>', calls=(GET,)),
    "other keys": Case(
        '<call>{"id": {"x": [1]}, "name": "get", "arguments": {"a": 1}, "why": "</call>"}</call>', calls=(GET,)
    ),
    "first name, first arguments": Case(
        '<call>{"name": "get", "arguments": {"a": 1}, "name": "x", "arguments": {"b": 2}}</call>', calls=(GET,)
    ),
    "nested function": Case(
        '<call>{"type": "function", "function": {"name": "get", "arguments": {"a": 1}}}</call>', calls=(GET,)
    ),
    "a blank in a key": Case('<call>{"name ": "get", " arguments": {"a": 1}}</call>', calls=(GET,), repairs=("key_blank", "key_blank")),
    # 3. Arguments as a string, absent, null, or no object.
    "arguments as a string": Case(
        r'<call>{"name": "get", "arguments": "{\"a\": \"\\n\\u00e9 \ud83d\ude00\"}"}</call>',
        calls=(("get", '{"a": "\\n\\u00e9 😀"}'),),
        repairs=("arguments_string",),
    ),
    "absent": Case('<call>{"name": "get"}</call>', calls=(("get", "{}"),)),
    "null": Case('<call>{"name": "get", "arguments": null}</call>', calls=(("get", "{}"),)),
    "null, then an object": Case('<call>{"name": "get", "arguments": null, "parameters": {"a": 1}}</call>', calls=(GET,)),
    "a text": Case('<call>{"name": "get", "arguments": "df"}</call>', '<call>{"name": "get", "arguments": "df"}</call>'),
    "a number": Case('<call>{"name": "get", "arguments": 1}</call>', '<call>{"name": "get", "arguments": 1}</call>'),
    "not an object inside": Case('<call>{"name": "get", "arguments": {bad}}</call>', '<call>{"name": "get", "arguments": {bad}}</call>'),
    "None": Case('<call>{"name": "get", "arguments": None}</call>', calls=(("get", "{}"),), repairs=("python_constant",)),
    "white space around the arguments in a string": Case(
        r'<call>{"name": "get", "arguments": "\n {\"a\": 1}\n"}</call>', calls=(GET,), repairs=("arguments_string",)
    ),
    "half a pair in a string": Case(
        r'<call>{"name": "get", "arguments": "{\"a\": \"\ud83dx\"}"}</call>',
        calls=(("get", r'{"a": "\ud83dx"}'),),
        repairs=("arguments_string",),
    ),
    "a string that ends before its object": Case(
        r'<call>{"name": "get", "arguments": "{\"a\": 1"}</call>', r'<call>{"name": "get", "arguments": "{\"a\": 1"}</call>',
        repairs=("arguments_string",),
    ),
    # 4. An array of calls.
    "array with a trailing comma": Case(f"<call>[{WRITTEN_GET}, {WRITTEN_TIME},]</call>.", ".", (GET, TIME)),
    "a bracket behind an array": Case(f"<call>[{WRITTEN_GET}]]</call>", "]", (GET,)),
    "array": Case(f"<call>[{WRITTEN_GET}, {WRITTEN_TIME}]</call>", calls=(GET, TIME)),
    "array whose first element is none": Case(f"<call>[1, {WRITTEN_GET}]</call>", f"<call>[1, {WRITTEN_GET}]</call>"),
    "array whose second element is none": Case(f"<call>[{WRITTEN_GET}, 2]</call>", ", 2]", (GET,)),
    # 5. Fences.
    "offered in a fence": Case(f"```\n<call>{WRITTEN_GET}</call>\n```", "```\n```", (GET,)),
    "not offered in a fence": Case('```\n<call>{"name": "x", "arguments": {}}</call>', '```\n<call>{"name": "x", "arguments": {}}</call>'),
    # 6. Markers inside strings.
    "marker in a string": Case(
        '<call>{"name": "get", "arguments": {"a": "<call></call>"}}</call>', calls=(("get", '{"a": "<call></call>"}'),)
    ),
    # 8, 9. Separators, trailing commas, braces too many.
    "separators": Case(f"<call>{WRITTEN_GET}</call> ;\n<call>{WRITTEN_TIME}</call>\n", "\n", (GET, TIME)),
    "a separator before text": Case(f"<call>{WRITTEN_GET}</call>; so", "; so", (GET,)),
    "trailing commas": Case(
        '<call>{"name": "get", "arguments": {"a": [1, 2, ], },}</call>',
        calls=(("get", '{"a": [1, 2 ] }'),),
        repairs=("trailing_comma",) * 3,
    ),
    "a long separator is text": Case(
        f"<call>{WRITTEN_GET}</call>{' ' * 64}<call>{WRITTEN_TIME}</call>", " " * 64, (GET, TIME)
    ),
    "a brace behind a separator": Case(f"<call>{WRITTEN_GET};}}</call>", ";}", (GET,)),
    "a quoted sentence behind a call": Case(f'<call>{WRITTEN_GET[:-1]}, "he said</call>', ', "he said', (GET,)),
    "a later key in single quotes": Case(f"<call>{WRITTEN_GET[:-1]}, 'id': 1}}</call>", calls=(GET,), repairs=("single_quotes",)),
    "doubled braces": Case(
        '<call>{{"name": "get", "arguments": {{"a": {{"b": 1}}}}}}</call>',
        calls=(("get", '{"a": {"b": 1}}'),),
        repairs=("doubled_brace",) * 3,
    ),
    "one brace too many": Case(
        '<call>{"name": "get", "arguments": {"a": 1}}}</call>', calls=(GET,), repairs=("surplus_brace",)
    ),
    "one brace too many at the end": Case('<call>{"name": "get", "arguments": {"a": 1}}}', calls=(GET,), repairs=("surplus_brace",)),
    "two braces too many": Case('<call>{"name": "get", "arguments": {"a": 1}}}}</call>', "}}", (GET,)),
    # 10. What JSON has not; what must stay.
    "not a number": Case(
        '<call>{"name": "get", "arguments": {"a": [NaN, -Infinity]}}</call>',
        calls=(("get", '{"a": [null, null]}'),),
        repairs=("not_a_number",) * 2,
    ),
    "an integer that no client can read": Case(
        f'<call>{{"name": "get", "arguments": {{"a": {"9" * 4301}}}}}</call>',
        f'<call>{{"name": "get", "arguments": {{"a": {"9" * 4301}}}}}</call>',
    ),
    "nested deeper than clients can read": Case(
        f'<call>{{"name": "get", "arguments": {{"a": {"[" * 200}{"]" * 200}}}}}</call>',
        f'<call>{{"name": "get", "arguments": {{"a": {"[" * 200}{"]" * 200}}}}}</call>',
    ),
    "duplicate keys and half a pair": Case(
        r'<call>{"name": "get", "arguments": {"a": "\ud800", "a": 1e999}}</call>',
        calls=(("get", r'{"a": "\ud800", "a": 1e999}'),),
    ),
    # 11. Python in place of JSON.
    "python": Case(
        """<call>{'name': 'get', 'arguments': {'a': 'it\\'s "so"' " 'ok'", 'b': [True, None]}}</call>""",
        calls=(("get", """{"a": "it's \\"so\\" 'ok'", "b": [true, null]}"""),),
        repairs=("single_quotes",) * 6 + ("invalid_escape",) + ("python_constant",) * 2,
    ),
    "raw control characters": Case(
        '<call>{"name": "get", "arguments": {"a": "x\n\ty"}}</call>',
        calls=(("get", '{"a": "x\\n\\ty"}'),),
        repairs=("control_character",) * 2,
    ),
    "an escape that is none": Case(
        r'<call>{"name": "get", "arguments": {"a": "\d\u12"}}</call>',
        calls=(("get", r'{"a": "\\d\\u12"}'),),
        repairs=("invalid_escape",) * 2,
    ),
    "two strings are no key": Case(
        "<call>{'name': 'get', 'arguments': {'a' 'b': 1}}</call>", "<call>{'name': 'get', 'arguments': {'a' 'b': 1}}</call>",
        repairs=("single_quotes",) * 4,
    ),
    "a line that goes on": Case(
        '<call>{"name": "get", "arguments": {"a": "x\\\ny"}}</call>',
        calls=(("get", '{"a": "x\\ny"}'),),
        repairs=("invalid_escape",),
    ),
    # 12. Names.
    "a blank name": Case('<call>{"name": " ", "arguments": {}}</call>', '<call>{"name": " ", "arguments": {}}</call>'),
    "not offered": Case('<call>{"name": "x", "arguments": {}}</call>', calls=(("x", "{}"),)),
    "256 characters": Case(f'<call>{{"name": "{"x" * 256}", "arguments": {{}}}}</call>', calls=(("x" * 256, "{}"),)),
    "257 characters": Case(f'<call>{{"name": "{"x" * 257}"}}', f'<call>{{"name": "{"x" * 257}"}}'),
    "a name cut by the end": Case('<call>{"name": "get', '<call>{"name": "get'),
    "a name that cannot be sent": Case(r'<call>{"name": "\ud800"}</call>', r'<call>{"name": "\ud800"}</call>'),
    # 13. Markers out of place.
    "in a fence between the markers": Case(f"<call>```json\n{WRITTEN_GET}\n```</call> a", " a", (GET,)),
    "an array in a fence": Case(f"<call>```\n[{WRITTEN_GET}, {WRITTEN_TIME}]```", calls=(GET, TIME)),
    "a fence that stays open": Case(f"<call>```json\n{WRITTEN_GET} ``x", " ``x", (GET,)),
    "a fence around no call": Case("<call>```json\nx", "<call>```json\nx"),
    "opener after opener": Case(f"<call>\n<call>{WRITTEN_GET}</call>", "<call>\n", (GET,)),
    "orphan closer": Case("</call> x", "</call> x"),
    "a late closer": Case(f"<call>{WRITTEN_GET} <!-- c --></call>.", " <!-- c -->.", (GET,)),
    "only the marker": Case("<call>", "<call>"),
    "half a marker": Case("a <cal", "a <cal"),
}  # fmt: skip

BARE_CASES = {
    "one call": Case(WRITTEN_GET, calls=(GET,)),
    "prose around": Case(f"Sure: {WRITTEN_GET} Done.", "Sure:  Done.", (GET,)),
    "separators": Case(f"{WRITTEN_GET}; {WRITTEN_TIME}{WRITTEN_GET}\n{WRITTEN_TIME}", calls=(GET, TIME, GET, TIME)),
    "array": Case(f"[\n {WRITTEN_GET},\n {WRITTEN_TIME}\n]", calls=(GET, TIME)),
    "type first": Case('{"type": "function", ' + WRITTEN_GET[1:], calls=(GET,)),
    "wrapped": Case('{"type": "function", "function": ' + WRITTEN_GET + "}", calls=(GET,)),
    "an answer": Case('{"answer": 42}', '{"answer": 42}'),
    "another name": Case('{"name": "Alice", "age": 3}', '{"name": "Alice", "age": 3}'),
    "a call in an answer": Case(f'{{"example": {WRITTEN_GET}}} so', f'{{"example": {WRITTEN_GET}}} so'),
    "a call in a list": Case(f"[1, {WRITTEN_GET}] so {WRITTEN_TIME}", f"[1, {WRITTEN_GET}] so ", (TIME,)),
    "a call behind another tool's": Case(f'[{{"name": "x", "parameters": {{}}}}, {WRITTEN_GET}]', f'[{{"name": "x", "parameters": {{}}}}, {WRITTEN_GET}]'),
    "an escaped name": Case('{"name": "\\u0067et", "parameters": {}}', '{"name": "\\u0067et", "parameters": {}}'),
    "wrapped twice": Case(f'{{"function": {{"function": {WRITTEN_GET}}}}}', f'{{"function": {{"function": {WRITTEN_GET}}}}}'),
    "a function's name for the call's": Case('{"function": "get", "parameters": {}}', '{"function": "get", "parameters": {}}'),
    "a set": Case("The set {1, 2} is [small].", "The set {1, 2} is [small]."),
    "not offered": Case('{"name": "gets", "parameters": {}}', '{"name": "gets", "parameters": {}}'),
    "no arguments": Case('{"name": "get"}', '{"name": "get"}'),
    "null": Case('{"name": "get", "parameters": null}', '{"name": "get", "parameters": null}'),
    "in a fence": Case(f"```json\n{WRITTEN_GET}\n```\n{WRITTEN_TIME}", f"```json\n{WRITTEN_GET}\n```\n", (TIME,)),
    "bad arguments go on to the end": Case(f'{{"name": "get", "parameters": {{"a": oops}}}}; {WRITTEN_TIME}', f'{{"name": "get", "parameters": {{"a": oops}}}}; {WRITTEN_TIME}'),
    "later element of an array": Case(f"[{WRITTEN_GET}, {{}}]", ", {}]", (GET,)),
}  # fmt: skip


@pytest.mark.parametrize("case", MARKED_CASES.values(), ids=MARKED_CASES)
def test_marked(case: Case) -> None:
    check_case(MARKED, TOOLS, case)


@pytest.mark.parametrize("case", BARE_CASES.values(), ids=BARE_CASES)
def test_bare(case: Case) -> None:
    check_case(BARE, TOOLS, case)


@pytest.mark.parametrize("kind", sorted(REPAIRS))
def test_a_repair_that_is_off_is_not_made(kind: str) -> None:
    cases = [case for case in MARKED_CASES.values() if kind in case.repairs and case.calls]
    assert cases, f"no case shows {kind}"
    for case in cases:
        reading = check_cuts(MARKED, TOOLS, case.reply, repairs=REPAIRS - {kind})
        assert kind not in reading.repairs
        reply = read_reply(Parser(MARKED, TOOLS, repairs=REPAIRS - {kind}), case.reply)
        assert (reply.content, reply.calls) != (case.content, case.calls)


def test_bad_arguments_stream_as_they_are_written() -> None:
    reading = read(MARKED, TOOLS, ['<call>{"name": "get", "arguments": {"a": oops}', "}</call>"])
    assert [event.text for event in reading.events if isinstance(event, Arguments)] == ['{"a": oops}}']
    assert reading.events[-1] == CallEnd(
        0, False, len('<call>{"name": "get", "arguments": {"a": oops}}</call>')
    )


def test_a_tool_that_was_not_offered_can_be_kept_as_content() -> None:
    text = '<call>{"name": "x", "arguments": {"a": "<call>{}</call>"}}</call> <call>{"name": "get"}</call>'
    reading = check_cuts(MARKED, TOOLS, text, unknown_tools="content")
    kept, *call = reading.events
    assert kept == (text[: text.rindex("<call>")].rstrip(" ") + " ", 0)
    assert [type(event).__name__ for event in call] == ["CallBegin", "Arguments", "CallEnd"]


def test_a_call_is_announced_once_its_arguments_begin_and_streams_then() -> None:
    parser = Parser(MARKED, TOOLS)
    assert parser.feed('<call>{"name": "get", "arguments": {') == []
    begin, arguments = parser.feed('"a')
    assert begin == (0, "get", 0)
    assert arguments == (0, '{"a')
    assert parser.feed("bc") == [Arguments(0, "bc")]


def test_a_parser_lives_for_one_reply() -> None:
    parser = Parser(MARKED)
    parser.close()
    with pytest.raises(ParserClosedError, match="make a new one"):
        parser.feed("x")
    with pytest.raises(ParserClosedError, match="make a new one"):
        parser.close()


def test_keys_of_a_formats_own_stand_beside_the_usual_ones() -> None:
    format = Format(call=JsonCall(open="<call>", close="</call>", name_key="tool", arguments_key="input"))
    for name, arguments in (
        ("tool", "input"),
        ("name", "arguments"),
        ("name", "parameters"),
        ("tool", "arguments"),
    ):
        reply = f'<call>{{"{name}": "get", "{arguments}": {{"a": 1}}}}</call>'
        check_case(format, TOOLS, Case(reply, calls=(GET,)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: JsonCall(open="  "), "not white space"),
        (lambda: JsonCall(close="</c>"), "needs an opening one"),
        (lambda: JsonCall(open=" <c>"), "white space outside"),
        (lambda: JsonCall(open="<c>", close="<c>"), "cannot open and close"),
        (lambda: JsonCall(at_line_start=True), "needs an opening marker"),
        (lambda: JsonCall(open="<c>", fenced=True), "begins the fence"),
        (lambda: JsonCall(name_key="a", arguments_key="a"), "cannot share"),
        (lambda: JsonCall(name_key="a b"), "plain word"),
        (lambda: JsonCall(name_key="type"), "something else"),
        (lambda: HeadedCall(open=" ", between=">"), "each side of the name"),
        (lambda: HeadedCall(open="\n<fn>", between=">"), "white space outside"),
        (lambda: HeadedCall(open="<fn>", between=">", close="</fn>\n"), "white space outside"),
        (lambda: HeadedCall(open="<fn>", between="_x"), "a name may have the '_'"),
        (lambda: HeadedCall(open="<fn>", between="x>"), "a name may have the 'x'"),
        (lambda: Format(call=JsonCall(), lead="x"), "must be white space"),
        (lambda: Format(call=JsonCall(), separator="and"), "separator"),
        (lambda: Format(call=JsonCall(), also=(JsonCall(name_key="tool"),)), "open alike"),
        (lambda: Format(call=JsonCall(open="<c>"), also=(JsonCall(open="<c>x"),)), "begins like"),
        (lambda: Format(call=JsonCall(), also=(JsonCall(open="[C]"),)), "without marker"),
        (lambda: Format(call=JsonCall(open=";;")), "separator"),
        (lambda: Format(call=JsonCall(), preludes=("",)), "cannot be empty"),
    ],
)
def test_a_description_that_contradicts_itself_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        make()


def test_what_a_caller_may_choose_is_checked() -> None:
    with pytest.raises(ChatAdaptersError, match="'contents'"):
        Parser(MARKED, TOOLS, unknown_tools="contents")  # type: ignore[arg-type]
    with pytest.raises(ChatAdaptersError, match="'python_constants'"):
        Parser(MARKED, TOOLS, repairs=frozenset({"python_constants"}))


@pytest.mark.parametrize(
    ("format", "text"),
    [
        (MARKED, '<call>{"name": "get", "arguments": {"a": "x" 1</call>'),
        (MARKED, '<call>{"name": "get", "arguments": {"a": 1}}</call>'),
        (MARKED, "<call>"),
        (BARE, '{"name": "get", "parameters": {}}; '),
        (BARE, '{"a": ['),
        (BARE, '{"a": 1} '),
        (ADAPTERS["qwen2"].format, "✿FUNCTION✿: python\n✿ARGS✿: ```py\n" + "\n``` x" * 20),
        (ADAPTERS["qwen2"].format, "✿FUNCTION✿: get\n✿ARGS✿: {}\n"),
        (ADAPTERS["llama3_1"].format, '<|python_tag|>brave_search.call(query="") ' + 'a") ' * 20),
        (WITH_DIALECTS, "工具调用\nAction: get\nAction Input: {}\n"),
        (WITH_DIALECTS, "Action: get\nAction Input: "),
        (WITH_DIALECTS, "```json\n{"),
        (WITH_DIALECTS, "[get(a=(1, ["),
        (WITH_DIALECTS, "[get(), get_time(), "),
        (WITH_DIALECTS, "[get_time(" + "get(" * 20),
    ],
)
def test_a_long_reply_costs_what_its_parts_cost(format: Format, text: str) -> None:
    """In one piece, where a copy of the rest would be quadratic: ten times the text, at most twenty times the time."""

    def cost(size: int) -> float:
        parser = Parser(format, (*TOOLS, Tool("python")))
        reply = (text * (size // len(text) + 1))[:size]
        gc.disable()  # the collector's walks over what was read are no cost of the parser's
        start = process_time()
        parser.feed(reply)
        parser.close()
        spent = process_time() - start
        gc.enable()
        return spent

    short = min(cost(60_000) for _ in range(3))
    assert min(cost(600_000) for _ in range(2)) < 20 * max(short, 0.002)
