"""What the template writes, the parser reads; the grammar admits it; and what the grammar admits, the parser reads.

The same for a format that this file invents: a family is data, nothing else.
"""

import jsonschema
import pytest

pytest.importorskip("xgrammar", reason="xgrammar comes with vLLM, which is not installed")
pytest.importorskip("transformers", reason="transformers comes with vLLM, which is not installed")

import json
from typing import Any

from formats import INVENTED
from hypothesis import given, settings
from hypothesis import strategies as st
from triangle import Subject, admits, compile_grammar, turn, walk

from chat_adapters.adapters import ADAPTERS, Adapter, Call, PythonCall, Reply, Tool, read_template
from chat_adapters.toolkit.checks import check_cuts, reply_of
from chat_adapters.toolkit.strategies import calls_of, contents, cuts, tool_sets
from chat_adapters.toolkit.writing import write_arguments

INVENTED_TEMPLATE = """\
{%- for message in messages %}
    {{- '<s>' + message.role + ': ' + message.content }}
    {%- for call in message.tool_calls or [] %}
        {{- ' ' if message.content or not loop.first }}
        {{- '[[CALL]] {"tool": "' + call.function.name + '", "input": ' + call.function.arguments | tojson + '} [[/CALL]]' }}
    {%- endfor %}
    {{- '</s>' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<s>assistant: ' }}{% endif %}"""

SUBJECTS = {name: Subject(adapter, read_template(adapter)) for name, adapter in ADAPTERS.items()} | {
    "invented": Subject(
        Adapter(name="invented", models="none", format=INVENTED, turn_tokens=("<s>",), stop_tokens=("</s>",)),
        INVENTED_TEMPLATE,
    )
}
TRIMS = {"llama3_1"}
"""Templates that trim contents, as the official ones do."""
every_subject = pytest.mark.parametrize("subject", SUBJECTS.values(), ids=SUBJECTS)


@every_subject
@given(data=st.data())
def test_the_parser_reads_what_the_template_writes(subject: Subject, data: st.DataObject) -> None:
    format = subject.adapter.format
    tools = data.draw(tool_sets())
    calls = data.draw(calls_of(tools))
    content = data.draw(contents(format))
    if subject.adapter.name in TRIMS:
        content = content.strip()
    text = turn(subject, tools, content, calls)
    check_cuts(format, [Tool(*tool) for tool in tools.items()], text, [data.draw(cuts(text))])
    reply = reply_of(format, [Tool(*tool) for tool in tools.items()], text)
    assert reply.content == content
    assert [(call.name, json.loads(call.arguments)) for call in reply.calls] == calls


@every_subject
@given(data=st.data())
def test_the_grammar_admits_what_the_template_writes(subject: Subject, data: st.DataObject) -> None:
    tools = data.draw(tool_sets())
    calls = data.draw(calls_of(tools))
    text = turn(subject, tools, "", calls)
    assert admits(compile_grammar(subject.adapter, tools, "auto"), text)
    assert admits(compile_grammar(subject.adapter, tools, "auto"), turn(subject, tools, "Let me see.", calls))
    assert admits(compile_grammar(subject.adapter, tools, "required"), text)
    name = calls[0][0]
    one = compile_grammar(subject.adapter, {name: tools[name]}, "forced")
    assert admits(one, turn(subject, tools, "", calls[:1]))
    assert len(calls) == 1 or not admits(one, text)


@every_subject
@settings(max_examples=max(200, settings().max_examples))
@given(tools=tool_sets(), seed=st.integers(0, 2**32))
def test_the_parser_reads_what_the_grammar_admits(subject: Subject, tools: dict[str, Any], seed: int) -> None:
    text = walk(compile_grammar(subject.adapter, tools, "required"), seed)
    reading = check_cuts(subject.adapter.format, [Tool(*tool) for tool in tools.items()], text)
    assert not reading.repairs
    reply = reply_of(subject.adapter.format, [Tool(*tool) for tool in tools.items()], text)
    assert reply.calls
    assert reply.content == ""
    for call in reply.calls:
        jsonschema.validate(json.loads(call.arguments), tools[call.name])


@every_subject
def test_free_text_is_free_and_a_call_once_begun_is_held(subject: Subject) -> None:
    tools = {"f": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}}
    grammar = compile_grammar(subject.adapter, tools, "auto")
    call = subject.adapter.format.call
    assert admits(grammar, "Just text: {} [1] \"'.")
    right = write_arguments(call, {"a": 1})
    assert admits(grammar, "So " + call.begin("f") + right + call.end + " and so on.")
    for wrong in ({"a": "1"}, {}, {"a": 1, "b": 2}):
        assert not admits(grammar, call.begin("f") + write_arguments(call, wrong) + call.end)
    for garbage in ("null", right.replace("1", "1        ")):
        assert not admits(grammar, call.begin("f") + garbage + call.end)
    # A call in Python begins with its name: another one begins nothing but text.
    other = admits(grammar, call.begin("g") + right + call.end)
    assert other == isinstance(call, PythonCall)


def test_replies_are_what_the_types_say() -> None:
    """The reply of one fixed conversation, spelled out: the strategies above cannot agree on a mistake in it."""
    text = turn(SUBJECTS["qwen2_5"], {"f": {"type": "object"}}, "Hi", [("f", {"a": "é"}), ("f", {})])
    assert text == (
        'Hi\n<tool_call>\n{"name": "f", "arguments": {"a": "é"}}\n</tool_call>\n'
        '<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>'
    )
    assert reply_of(ADAPTERS["qwen2_5"].format, [Tool("f")], text) == Reply(
        "Hi", (Call("f", '{"a": "é"}'), Call("f", "{}"))
    )
