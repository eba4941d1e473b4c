"""The hard cases, rule by rule: what a client gets of them, whole and streamed in every cut.

`MARKED` writes `<call>{...}</call>`, `BARE` the object alone; both offer the tools `get` and `get_time`.
"""

from typing import NamedTuple

import pytest

from chat_adapters.adapters import (
    Arguments,
    CallEnd,
    Format,
    JsonCall,
    Parser,
    ParserClosedError,
    Tool,
    read_reply,
)
from chat_adapters.adapters._values import REPAIRS
from chat_adapters.toolkit.checks import check_cuts, read, reply_of

MARKED = Format(call=JsonCall(open="<call>", close="</call>"), lead="\n", separator="\n")
BARE = Format(call=JsonCall(arguments_key="parameters"), separator="; ")
TOOLS = (Tool("get"), Tool("get_time"))


class Case(NamedTuple):
    reply: str
    content: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    repairs: tuple[str, ...] = ()


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
        '<call>{"name": "get", "arguments": {"a": 1</call>', calls=(GET,), repairs=("missing_brace",)
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
    # 4. An array of calls.
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
    # 12. Names.
    "not offered": Case('<call>{"name": "x", "arguments": {}}</call>', calls=(("x", "{}"),)),
    "256 characters": Case(f'<call>{{"name": "{"x" * 256}", "arguments": {{}}}}</call>', calls=(("x" * 256, "{}"),)),
    "257 characters": Case(f'<call>{{"name": "{"x" * 257}"}}', f'<call>{{"name": "{"x" * 257}"}}'),
    "a name cut by the end": Case('<call>{"name": "get', '<call>{"name": "get'),
    "a name that cannot be sent": Case(r'<call>{"name": "\ud800"}</call>', r'<call>{"name": "\ud800"}</call>'),
    # 13. Markers out of place.
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
    check_case(MARKED, case)


@pytest.mark.parametrize("case", BARE_CASES.values(), ids=BARE_CASES)
def test_bare(case: Case) -> None:
    check_case(BARE, case)


def check_case(format: Format, case: Case) -> None:
    reading = check_cuts(format, TOOLS, case.reply)
    reply = reply_of(format, TOOLS, case.reply)
    assert (reply.content, reply.calls) == (case.content, case.calls)
    assert sorted(reading.repairs.items()) == sorted(
        {kind: case.repairs.count(kind) for kind in case.repairs}.items()
    )


@pytest.mark.parametrize("kind", sorted(REPAIRS))
def test_a_repair_that_is_off_is_not_made(kind: str) -> None:
    cases = [case for case in MARKED_CASES.values() if kind in case.repairs]
    assert cases, f"no case shows {kind}"
    for case in cases:
        reading = check_cuts(MARKED, TOOLS, case.reply, repairs=REPAIRS - {kind})
        assert kind not in reading.repairs
        if kind != "surplus_brace":  # there the call stands, and the brace is text
            reply = read_reply(Parser(MARKED, TOOLS, repairs=REPAIRS - {kind}), case.reply)
            assert reply.calls != case.calls


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
