"""What holds for every format and every text, however it is cut."""

import json
from collections.abc import Iterable

import pytest
from formats import FORMATS
from hypothesis import given
from hypothesis import strategies as st

from chat_adapters.adapters import (
    ADAPTERS,
    COERCIONS,
    Arguments,
    CallBegin,
    CallEnd,
    ContinuedParser,
    Event,
    Format,
    Parser,
    Text,
    Tool,
    read_reply,
)
from chat_adapters.adapters._parser import MAX_CANDIDATE
from chat_adapters.adapters._repairs import REPAIRS, Repairs
from chat_adapters.adapters._values import HOLD, MORE, ValueReader
from chat_adapters.toolkit.checks import check_cuts, pieces, read, reply_of
from chat_adapters.toolkit.strategies import (
    cuts,
    json_values,
    noise,
    written_calls,
)

NAMES = ("f", "get", "get_weather")
TOOLS = [Tool(name) for name in NAMES]
ASKED = {
    "type": "object",
    "additionalProperties": {"type": ["integer", "null", "array"], "items": {"type": "boolean"}},
}
"""What a tool takes: no text anywhere."""
every_format = pytest.mark.parametrize("format", FORMATS.values(), ids=FORMATS)


@every_format
@given(data=st.data())
def test_any_reply_reads_the_same_for_every_cut_and_loses_nothing(
    format: Format, data: st.DataObject
) -> None:
    text = data.draw(noise(format, NAMES) | written_calls(format, NAMES))
    check_cuts(
        format,
        [Tool(name, ASKED) for name in NAMES],
        text,
        [data.draw(cuts(text))],
        unknown_tools=data.draw(st.sampled_from(["forward", "content"])),
        repairs=data.draw(st.just(REPAIRS) | st.frozensets(st.sampled_from(sorted(REPAIRS)))),
        coercions=data.draw(st.sampled_from([frozenset(), COERCIONS])),
    )


@given(value=json_values(), indent=st.sampled_from([None, 0, 2]), data=st.data())
def test_valid_json_leaves_byte_for_byte_with_no_repair(
    value: object, indent: int | None, data: st.DataObject
) -> None:
    separators = data.draw(st.sampled_from([(",", ":"), (", ", ": "), (" , ", " :\n")]))
    text = json.dumps(value, ensure_ascii=data.draw(st.booleans()), indent=indent, separators=separators)
    # A number ends where something else begins: give it an end.
    reader = ValueReader(Repairs(frozenset()))
    end = reader.read(text + " ", 0)
    assert reader.status != MORE
    assert "".join(reader.out).rstrip(" ") == text[:end].rstrip(" ") == text.rstrip(" ")


@every_format
@given(data=st.data())
def test_what_waits_inside_the_parser_is_bounded(format: Format, data: st.DataObject) -> None:
    """So the work of a delta is: it looks at the delta, and at what waits, and at nothing else."""
    text = data.draw(noise(format, NAMES) | written_calls(format, NAMES))
    parser = Parser(format, TOOLS)
    for char in text:
        parser.feed(char)
        assert len(parser._rest) <= 4 * HOLD + 256


@every_format
@pytest.mark.parametrize(
    "filler", ['"' + "x" * 200_000, " " * 200_000, "[" * 200_000, "{" * 200_000, '{"a":' * 40_000]
)
def test_a_candidate_that_never_decides_becomes_text(format: Format, filler: str) -> None:
    text = format.call.begin("f").replace('"f"', "").rpartition(":")[0] + ' : "id", "id": ' + filler
    parser = Parser(format, TOOLS)
    said = 0
    for start in range(0, len(text), 1000):
        said += sum(
            len(event.text)
            for event in parser.feed(text[start : start + 1000])
            if isinstance(event, Text | Arguments)
        )
        assert said or len(parser._rest) + sum(map(len, parser._held)) <= MAX_CANDIDATE + 1000
    check_cuts(format, TOOLS, text[: MAX_CANDIDATE + 500], [])


@every_format
@given(data=st.data())
def test_a_reply_that_goes_on_with_a_prefix_is_read_as_the_whole(format: Format, data: st.DataObject) -> None:
    text = data.draw(noise(format, NAMES) | written_calls(format, NAMES))
    size = data.draw(st.integers(0, len(text)))
    whole = read(format, TOOLS, [text]).events
    over = sum(isinstance(event, CallEnd) for event in Parser(format, TOOLS).feed(text[:size]))

    deltas = pieces(text[size:], data.draw(cuts(text)))
    parser = ContinuedParser(Parser(format, TOOLS), text[:size])
    events = [event for delta in deltas for event in parser.feed(delta)] + parser.close()
    said = "".join(event.text for event in events if isinstance(event, Text))
    after = [event for event in whole if isinstance(event, Text) and event.start + len(event.text) > size]
    assert said == "".join(event.text[max(0, size - event.start) :] for event in after)
    begun = [event.call for event in events if isinstance(event, CallBegin)]
    assert begun == [*range(len(begun))]
    assert {event.call for event in events if isinstance(event, Arguments | CallEnd)} <= set(begun)
    for kind in (CallBegin, Arguments):
        assert ["".join(map(str, group)) for group in _by_call(events, kind, 0)] == [
            "".join(map(str, group)) for group in _by_call(whole, kind, over)
        ]
    reply = read_reply(ContinuedParser(Parser(format, TOOLS), text[:size]), text[size:])
    if size == 0:
        assert reply == reply_of(format, TOOLS, text)
    assert len(reply.calls) == sum(isinstance(event, CallEnd) and event.complete for event in whole) - sum(
        isinstance(event, CallEnd) and event.complete and event.call < over for event in whole
    )


def _by_call(events: Iterable[Event], kind: type, first: int) -> list[list[str]]:
    """What events of one kind say of each call from `first` on."""
    said: dict[int, list[str]] = {}
    for event in events:
        if isinstance(event, CallBegin | Arguments) and isinstance(event, kind) and event.call >= first:
            said.setdefault(event.call, []).append(event.name if isinstance(event, CallBegin) else event.text)
    return list(said.values())


CALL_KEYS = ("name", "type", "id", "function", "parameters", "arguments")


def near_misses(words: tuple[str, ...]) -> st.SearchStrategy[str]:
    """The beginning of one of the words, and what it might go on with."""
    starts = st.sampled_from([word[:size] for word in words for size in range(len(word) + 1)])
    return st.tuples(starts, st.text("aegnt_{1é", max_size=3)).map("".join)


@given(key=near_misses(CALL_KEYS))
def test_an_unmarked_answer_leaves_at_its_first_impossible_key_character(key: str) -> None:
    assert_leaves_where_impossible('{"', key, CALL_KEYS)


@given(name=near_misses(NAMES))
def test_an_unmarked_answer_leaves_at_its_first_impossible_name_character(name: str) -> None:
    assert_leaves_where_impossible('{"name": "', name, NAMES)


def assert_leaves_where_impossible(before: str, written: str, possible: tuple[str, ...]) -> None:
    """Held while it may become one of these, and not a character longer; Llama's is the format without a marker."""
    parser = Parser(ADAPTERS["llama3_1"].format, TOOLS)
    assert parser.feed(before) == []
    given_out = ""
    for end, char in enumerate(written, 1):
        given_out += "".join(event.text for event in parser.feed(char) if isinstance(event, Text))
        may_become = any(one.startswith(written[:end]) for one in possible)
        assert given_out == ("" if may_become else before + written[:end])
