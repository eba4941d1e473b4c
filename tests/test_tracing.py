"""The trace of a reply: it covers all of it, and says what the parser says."""

import json
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_adapters.adapters import ADAPTERS, COERCIONS, REPAIRS, ChatAdaptersError, Parser, Tool, get
from chat_adapters.toolkit.checks import read, reply_of
from chat_adapters.toolkit.strategies import cuts, noise, written_calls
from chat_adapters.toolkit.tracing import Said, Trace, trace
from chat_adapters.toolkit.watching import HELD, HELD_TEXT, REPAIRED

NAMES = ("f", "get", "get_weather")
ASKED = {"type": "object", "additionalProperties": {"type": ["integer", "null", "array"]}}
TOOLS = [Tool(name, ASKED) for name in NAMES]
every_adapter = pytest.mark.parametrize("name", ADAPTERS)


def joined(pieces: Iterable[Said]) -> list[Said]:
    """Neighbouring pieces of the same as one."""
    out: list[Said] = []
    for piece in pieces:
        last = out[-1] if out else None
        if last and piece.what != "call" and (last.what, last.call) == (piece.what, piece.call):
            out[-1] = Said(last.what, last.text + piece.text, last.call)
        else:
            out.append(piece)
    return out


def of_spans(said: Trace) -> list[Said]:
    """What a client gets, as the spans have it."""
    kinds: dict[str, Any] = {"text": "content", "opening": "call", "arguments": "arguments"}
    return joined(
        Said(kinds[span.what], span.gets, span.call)
        for span in sorted(said.spans, key=lambda span: span.start)
        if span.gets
    )


@every_adapter
@given(data=st.data())
def test_a_trace_covers_the_reply_and_says_what_the_parser_says(name: str, data: st.DataObject) -> None:
    format = get(name).with_dialects()
    text = data.draw(noise(format, NAMES) | written_calls(format, NAMES))
    policy: Any = data.draw(st.sampled_from(["forward", "content"]))
    coercions = data.draw(st.sampled_from([frozenset[str](), COERCIONS]))
    places = [0, *sorted(data.draw(cuts(text))), len(text)]
    deltas = [text[start:end] for start, end in pairwise(places)]
    said = trace(get(name), text, TOOLS, deltas=deltas, unknown_tools=policy, coercions=coercions)
    reading = read(format, TOOLS, [text], unknown_tools=policy, coercions=coercions)

    assert [span.start for span in said.spans] == [0, *(span.end for span in said.spans)][: len(said.spans)]
    assert "".join(span.text for span in said.spans) == text
    assert of_spans(said) == joined(piece for delta in said.deltas for piece in delta.left)
    counted = Counter((note.what, note.name) for note in said.notes)
    assert counted == Counter(
        {("repair", kind): times for kind, times in reading.repairs.items()}
        | {("coercion", kind): times for kind, times in reading.tally.coercions.items()}
        | {("miss", kind): times for kind, times in reading.tally.misses.items()}
    )
    assert all(0 <= note.at <= len(text) for note in said.notes)
    assert all(0 <= delta.held_from <= delta.end for delta in said.deltas)
    assert json.loads(json.dumps(said.as_json()))["text"] == text


@pytest.mark.parametrize(
    ("arguments", "kinds"),
    [
        ("{^'a': Tru^e, \"b\": [1,^]}", ["single_quotes", "python_constant", "trailing_comma"]),
        ('{^{"a": Na^N}}', ["doubled_brace", "not_a_number"]),
        ('"^{\\"a\\": ^\\d}"', ["arguments_string"]),
    ],
)
def test_a_repair_stands_at_the_character_that_decided_it(arguments: str, kinds: list[str]) -> None:
    *marked, _ = arguments.split("^")
    begin = '<tool_call>{"name": "f", "arguments": '
    places = [len(begin + "".join(marked[: count + 1])) for count in range(len(kinds))]
    said = trace(get("qwen2_5"), begin + arguments.replace("^", "") + "}</tool_call>", TOOLS)
    notes = [(note.name, note.at, note.words) for note in said.notes if note.what == "repair"]
    assert notes == [(kind, place, REPAIRED[kind]) for kind, place in zip(kinds, places, strict=True)]


def test_a_coercion_stands_where_its_text_ends() -> None:
    text = '<tool_call>{"name": "f", "arguments": {"a": "10"}}</tool_call>'
    said = trace(get("qwen2_5"), text, TOOLS, deltas=[text[:47], text[47:]], coercions=COERCIONS)
    assert [(note.name, note.at) for note in said.notes] == [("integer", text.index('10"') + 2)]
    first = said.deltas[0]
    assert (text[first.held_from : first.end], first.why) == ('"10', HELD_TEXT)


@pytest.mark.parametrize(
    ("name", "text", "held", "state"),
    [
        ("qwen2", "✿RET", "✿RET", "_read_start"),
        ("qwen2_5", "Hi <tool", "<tool", "_read_text"),
        ("qwen2_5", 'Hi\n<tool_call>{"name": "f"', '\n<tool_call>{"name": "f"', "_read_candidate"),
        ("qwen2_5", '<tool_call>{"name": "f", "arguments": {"a": "\\u00', "\\u00", "_read_call"),
        ("qwen2_5", '<tool_call>{"name": "f", "arguments": {}} \n', " \n", "_read_after"),
        ("qwen2_5", '<tool_call>{"name": "f", "arguments": {"a": "x"</to', "</to", "_read_unfinished"),
        ("qwen2_5", '<tool_call>{"name": "f", "arguments": {"a": oh </to', "</to", "_read_verbatim"),
        ("qwen2_5", "Hello", "", ""),
    ],
)
def test_what_is_held_back_and_why(name: str, text: str, held: str, state: str) -> None:
    said = trace(get(name), text, TOOLS, deltas=1)
    *_, last, end = said.deltas
    assert (text[last.held_from : last.end], last.why) == (held, HELD.get(state, ""))
    assert (end.held_from, end.why) == (len(text), "")


def test_every_state_and_every_repair_has_its_words() -> None:
    assert set(HELD) == {name for name in vars(Parser) if name.startswith("_read_")} - {"_read_surplus"}
    assert set(REPAIRED) == REPAIRS


def parts(name: str, text: str) -> list[tuple[str, str, str]]:
    return [(span.what, span.text, span.gets) for span in trace(get(name), text, TOOLS).spans]


def test_the_parts_of_a_reply() -> None:
    assert parts(
        "qwen2_5", 'Hi\n<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call><|im_end|>'
    ) == [
        ("text", "Hi", "Hi"),
        ("lead", "\n", ""),
        ("opening", '<tool_call>\n{"name": "f", "arguments": ', "f"),
        ("arguments", '{"a": 1}', '{"a": 1}'),
        ("closing", "}\n</tool_call>", ""),
        ("stop", "<|im_end|>", ""),
    ]
    assert parts("qwen2_5", '<tool_call>{"arguments": {"a": 1}, "name": "f"}')[1] == (
        "arguments",
        '{"a": 1}',
        '{"a": 1}',
    )
    assert parts("chatglm3", "f\n ```python\ntool_call(city='Paris')\n```") == [
        ("opening", "f\n ```python\ntool_call(", "f"),
        ("arguments", "city='Paris')", '{"city": "Paris"}'),
        ("closing", "\n```", ""),
    ]


def test_the_message_is_that_of_the_whole_text() -> None:
    text = '<tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call>\n<tool_call>{"name": "f", "arguments": {"b'
    said = trace(get("qwen2_5"), text, TOOLS)
    assert said.message == {
        "role": "assistant",
        "content": reply_of(get("qwen2_5").format, TOOLS, text).content,
        "tool_calls": [
            {"id": "call_0", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
        ],
    }
    assert [span.complete for span in said.spans if span.call == 1] == [False, False]


def test_deltas_are_those_of_the_text() -> None:
    assert [(delta.start, delta.end) for delta in trace(get("qwen2_5"), "abcde", deltas=2).deltas] == [
        (0, 2), (2, 4), (4, 5), (5, 5)
    ]  # fmt: skip
    for deltas in (["a", "c"], -1):
        with pytest.raises(ChatAdaptersError, match=r"delta"):
            trace(get("qwen2_5"), "ab", deltas=deltas)


def test_a_long_reply_costs_what_it_is_long() -> None:
    text = '<tool_call>{"name": "f", "arguments": {"a": "' + "x" * 50_000 + '"}}</tool_call>'
    said = trace(get("qwen2_5"), text, TOOLS, deltas=1)
    assert len(said.deltas) == len(text) + 1
