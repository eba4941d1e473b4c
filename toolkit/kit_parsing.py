"""What the parser of every format must keep, for every reply and every cut."""

import json
from itertools import accumulate

from hypothesis import strategies as st

from ..adapters import Arguments, CallEnd, Format, PythonCall, Reply, Text, Tool
from . import checks
from .checks import check_reading, pieces, read, reply_of
from .kit_case import NAMES, Subject, every_example, fail, smallest_cut
from .strategies import arguments, contents, cuts, tool_names
from .writing import write_arguments, write_reply

__all__ = ["calls_read_back", "cuts_agree", "half_calls", "hold_back", "never_raises", "nothing_lost"]

TOOLS = [Tool(name) for name in NAMES]
SLACK = 64
"""Characters that may wait before a marker besides: white space and separators."""


def _drawn(subject: Subject, data: st.DataObject) -> tuple[Format, str]:
    format = data.draw(st.sampled_from(subject.formats))
    return format, data.draw(subject.replies(format))


def never_raises(subject: Subject) -> None:
    """Whatever a model writes, and however it is cut, the parser raises nothing."""

    def holds(data: st.DataObject) -> None:
        format, text = _drawn(subject, data)
        for deltas in ([text], pieces(text, data.draw(cuts(text))), list(text)):
            try:
                read(format, TOOLS, deltas)
            except Exception as error:  # noqa: BLE001 - whatever it is
                fail(f"the parser raises {type(error).__name__}: {error}", format, TOOLS, text, deltas)

    every_example(holds)


def nothing_lost(subject: Subject) -> None:
    """Text, calls and markup account for every character; a call is announced once; complete arguments load."""

    def holds(data: st.DataObject) -> None:
        format, text = _drawn(subject, data)
        translated = any(form.python for form in format.forms)
        for deltas in ([text], list(text)):
            try:
                check_reading(text, read(format, TOOLS, deltas), translated=translated)
            except AssertionError as error:
                fail(str(error), format, TOOLS, text, deltas)

    every_example(holds)


def cuts_agree(subject: Subject) -> None:
    """A reply reads the same however it is cut into deltas: no marker is missed, nothing is taken for another."""

    def holds(data: st.DataObject) -> None:
        format, text = _drawn(subject, data)
        whole = read(format, TOOLS, [text])

        def differs(deltas: list[str]) -> bool:
            return read(format, TOOLS, deltas) != whole

        for deltas in (list(text), pieces(text, data.draw(cuts(text)))):
            if differs(deltas):
                smallest = smallest_cut(text, deltas, differs)
                why = f"cut like this it reads otherwise than whole, which gives {whole.events}"
                fail(why, format, TOOLS, text, smallest)

    every_example(holds)


def calls_read_back(subject: Subject) -> None:
    """What a model was trained to write is read back: names, text, and arguments byte for byte."""

    def holds(data: st.DataObject) -> None:
        format = data.draw(st.sampled_from(subject.formats))
        names = data.draw(st.lists(tool_names(), min_size=1, max_size=4, unique=True))
        calls = data.draw(st.lists(st.tuples(st.sampled_from(names), arguments()), min_size=1, max_size=3))
        content = data.draw(contents(format))
        ascii_only = data.draw(st.booleans())
        written = [(name, json.dumps(value, ensure_ascii=ascii_only)) for name, value in calls]
        text, tools = write_reply(format, *written, text=content), [Tool(name) for name in names]
        reply = reply_of(format, tools, text)
        if reply.content != content:
            fail(f"the text is read as {reply.content!r}, not {content!r}", format, tools, text)
        if isinstance(format.call, PythonCall):
            told = [(call.name, json.loads(call.arguments)) for call in reply.calls]
            if told != calls:
                fail(f"the calls are read as {told}", format, tools, text)
        elif list(reply.calls) != written:
            fail(f"the calls are read as {list(reply.calls)}, not {written}", format, tools, text)

    every_example(holds)


def hold_back(subject: Subject) -> None:
    """Text and arguments leave as they are written: no more waits than the longest marker, or one escape."""

    def holds(data: st.DataObject) -> None:
        format = data.draw(st.sampled_from(subject.formats))
        begin = format.call.begin("f")
        longest = max(len(begin), *(len(form.close) for form in format.forms), len("\\u0000"))
        _arguments_leave(format, data.draw(arguments()), longest)
        marks = (mark for form in format.forms for mark in (form.open, form.close))
        most = SLACK + max(map(len, (*marks, *format.preludes, *format.waits, *NAMES)))
        _text_leaves(format, data.draw(st.text("ab \n", min_size=most, max_size=3 * most)), most)

    every_example(holds)


def _arguments_leave(format: Format, value: dict[str, object], longest: int) -> None:
    begin, body = format.call.begin("f"), write_arguments(format.call, value)
    announced = 2  # a brace and a quote
    if isinstance(format.call, PythonCall):
        body += ")"
        announced = 1 + max((body.find(":"), body.find("=")))
    parser = checks.Parser(format, TOOLS)
    out = [len(event.text) for event in parser.feed(begin) if isinstance(event, Arguments)]
    for fed, char in enumerate(body, 1):
        out += [len(event.text) for event in parser.feed(char) if isinstance(event, Arguments)]
        waits = fed - sum(out)
        if waits > longest and fed > announced:
            why = f"of the arguments {waits} characters wait, where {longest} are the most that may"
            fail(why, format, TOOLS, begin + body[:fed], [begin, *body[:fed]])


def _text_leaves(format: Format, text: str, most: int) -> None:
    parser = checks.Parser(format, TOOLS)
    said = accumulate(
        sum(len(event.text) for event in parser.feed(char) if isinstance(event, Text)) for char in text
    )
    for fed, out in enumerate(said, 1):
        if fed - out > most and text[:fed].strip():
            why = f"{fed - out} characters of text wait, where {most} are the most that may"
            fail(why, format, TOOLS, text[:fed], text[:fed])


def half_calls(subject: Subject) -> None:
    """A call that is cut before its arguments end is never completed: it would be executed."""

    def holds(data: st.DataObject) -> None:
        format = data.draw(st.sampled_from(subject.formats))
        whole = format.call.begin("f") + write_arguments(format.call, data.draw(arguments()))
        if isinstance(format.call, PythonCall):
            whole += ")"
        text = whole[: data.draw(st.integers(0, len(whole) - 1))]
        events = read(format, TOOLS, [text]).events
        if any(isinstance(event, CallEnd) and event.complete for event in events):
            fail("a half call is called complete", format, TOOLS, text)
        if reply_of(format, TOOLS, text) != Reply(text, ()):
            fail("a half call is not given back as text", format, TOOLS, text)

    every_example(holds)
