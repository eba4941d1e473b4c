"""Reads one reply as it arrives: text, and the calls in it. Whole text is the same thing in one piece.

A reply is text until an opener; behind it stands a candidate, which is held back until it is certain to be a call
(then it is announced, and its arguments leave as they come) or certain to be none (then it was text). What follows a
call is held until it is clear whether it belongs to it, separates it from the next, or is text.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Literal

from ._answer import Answer
from ._code_call import CodeCallReader
from ._coercion import Coercer
from ._errors import ChatAdaptersError, ParserClosedError
from ._events import Arguments, CallBegin, CallEnd, Event, Markup, Text
from ._format import CodeCall, Form, Format, HeadedCall, JsonCall, PythonCall, TaggedCall, Tool
from ._headed_call import HeadedCallReader
from ._json_call import JsonCallReader
from ._markers import CLOSE, CUT, LINE, PRELUDE, TURN, WORD, Fence, markers_of
from ._names import Names
from ._python_call import PythonCallReader
from ._reader import FENCE, CallReader, Offered, Setting, Start
from ._repairs import COERCIONS, REPAIRS
from ._tagged_call import TaggedCallReader
from ._tally import EXCERPT, Tally
from ._values import BAD, HOLD, MORE, cut, next_significant

__all__ = ["MAX_CANDIDATE", "Parser"]

MAX_CANDIDATE = 65_536
"""Characters that are held back for a call that is not announced yet; with more it is text."""

# Of a long text a candidate sees this much at a time: more than anything in it is held back, so that it goes on.
_WINDOW = 1024
_READERS: dict[type, Callable[..., CallReader]] = {
    CodeCall: CodeCallReader,
    HeadedCall: HeadedCallReader,
    JsonCall: JsonCallReader,
    PythonCall: PythonCallReader,
    TaggedCall: TaggedCallReader,
}
_SEPARATOR = re.compile(rf"[;, \t\n\r]{{0,{HOLD}}}")


class Parser:
    """Reads one reply; make a new one for the next.

    Every way of cutting the reply into pieces gives the same text, the same calls and the same arguments. The spans
    of what it says cover the whole reply: nothing is lost. Whatever the model writes, it does not raise.
    """

    def __init__(
        self,
        format: Format,
        tools: Iterable[Tool] = (),
        *,
        unknown_tools: Literal["forward", "content"] = "forward",
        repairs: frozenset[str] = REPAIRS,
        coercions: frozenset[str] = frozenset(),
    ) -> None:
        """
        Args:
            format: what the model writes.
            tools: the tools that the request offers.
            unknown_tools: what becomes of a marked call whose name was not offered: a call like any other, which
                agents answer with "no such tool", or content.
            repairs: the repairs that may be made, by name.
            coercions: what a text may become where a tool's schema asks for that and takes no text.

        Raises:
            ChatAdaptersError: there is no such policy, repair or coercion.
        """
        if unknown_tools not in ("forward", "content"):
            raise ChatAdaptersError(f"unknown_tools is 'forward' or 'content', not {unknown_tools!r}")
        if not repairs <= REPAIRS:
            raise ChatAdaptersError(
                f"there is no repair {min(repairs - REPAIRS)!r}; there are {sorted(REPAIRS)}"
            )
        if not coercions <= COERCIONS:
            raise ChatAdaptersError(
                f"there is no coercion {min(coercions - COERCIONS)!r}; there are {sorted(COERCIONS)}"
            )
        self.repairs: Counter[str] = Counter()
        """How often each repair was made in a call."""
        self.tally = Tally()
        """What became of the markers."""
        self._offered = Offered(tools)
        self._setting = Setting(self._offered, repairs, format.waits)
        self._markers = markers_of(format)
        self._names = Names(format, self._offered)
        self._forward_unknown = unknown_tools == "forward"
        self._coercions = coercions
        self._fence = Fence()
        self._starts = self._markers.start
        """What may stand where the reply begins."""
        self._events: list[Event] = []
        self._text: list[str] = []
        self._text_start = 0
        self._last = ""
        """The last character, if it was text."""
        self._rest = ""
        self._offset = 0
        self._final = False
        self._state: Callable[[str, int], int | None] = self._read_start
        # The candidate, then the call:
        self._form: Form = format.call
        self._call = self._reader(Start())
        self._coercer: Coercer | None = None
        self._held: list[str] = []
        self._room = 0
        self._lead = 0
        self._start = 0
        self._index = -1
        self._begun = ""
        """How the last candidate begins and goes on; from the first miss on, the one that was missed."""
        self._answer = Answer("")
        # The call that is over, until it is clear what belongs to it:
        self._ending = False
        self._complete = False
        self._end = 0
        self._in_array = False
        self._in_fence = False
        self._awaited = ""
        """The closing marker of the last call, if it has not come yet."""

    def feed(self, text: str) -> list[Event]:
        """Takes the next piece of the reply and returns what is certain now.

        Raises:
            ParserClosedError: the reply was closed already.
        """
        if self._final:
            raise ParserClosedError
        rest = self._rest + text if self._rest else text
        if 0 < len(self._begun) < EXCERPT:
            self._begun += text[:EXCERPT]
        pos = self._run(rest)
        self._rest = rest[pos:]
        self._offset += pos
        return self._take_events()

    def close(self) -> list[Event]:
        """Says that the reply is over and returns what that makes certain.

        Raises:
            ParserClosedError: the reply was closed already.
        """
        if self._final:
            raise ParserClosedError
        self._final = True
        rest = self._rest
        pos = self._run(rest)
        if self._state == self._read_candidate:
            after = self._call.finish(rest, pos)
            if self._call.announced:
                pos = self._announce(rest, pos, after)
        if self._state == self._read_call:
            pos = self._call.finish(rest, pos)
            self._say_read_arguments()
            if self._call.complete:
                self._call_over(pos, complete=True)
                pos = self._run(rest, pos)
        if self._state == self._read_candidate:
            self._no_call("cut", "".join(self._held) + rest[pos:])
        elif self._state == self._read_unknown:
            self._say_text(rest[pos:], self._offset + pos)
            self.tally.miss("unknown_tool")
        elif self._state in (self._read_call, self._read_verbatim):
            self._say_verbatim(rest[pos:])
            self.tally.miss("cut" if self._state == self._read_call else "bad_arguments")
            self._call_over(len(rest), complete=False)
        self._end_call()
        if self.tally.misses:
            self.tally.excerpt = self._begun[:EXCERPT]
        return self._take_events()

    def _run(self, text: str, pos: int = 0) -> int:
        while pos < len(text):
            after = self._state(text, pos)
            if after is None:
                break
            pos = after
        return pos

    # The states: each reads from text[pos], which is there, and returns the position after what it has read, or
    # None if it cannot go on without more text.

    def _read_start(self, text: str, pos: int) -> int | None:
        start, start_cut = self._starts
        if not self._final and start_cut.match(text, pos):
            return None
        self._state = self._read_text
        found = start.match(text, pos)
        if found is None:
            return pos
        if found.lastgroup != PRELUDE:
            if self._is_unknown(found) and self._names.ending(text, pos, found.end() - 1, "") is not None:
                return pos  # text and name are glued
            return self._begin(text, pos, found, prompted=True)
        blank = not found.group().strip(" ")
        self._starts = self._markers.behind_blank if blank else self._markers.behind_prelude
        self._say(Markup("prelude", self._offset + pos, self._offset + found.end()))
        self._state = self._read_start
        return found.end()

    def _read_text(self, text: str, pos: int) -> int | None:
        found = self._markers.text(self._awaited).search(text, pos)
        if found is None or (found.lastgroup in (CUT, WORD) and self._final):
            self._say_text(text[pos:], self._offset + pos)
            return len(text)
        start = found.start()
        if found.lastgroup == LINE:
            name = self._names.ending(text, pos, start, self._last)
            start = found.end() if name is None else name
        elif found.lastgroup == WORD:
            start = self._names.beginning(text, pos)
        if start > pos:
            self._say_text(text[pos:start], self._offset + pos)
            return start
        if found.lastgroup in (CUT, WORD):
            return None
        if found.lastgroup == LINE:
            end = found.end()
            return self._begin_candidate(text, pos, pos, end, self._names.form, Start(text[pos:end]))
        if found.lastgroup in (CLOSE, TURN):
            self._awaited = ""
            self._say(Markup("close", self._offset + pos, self._offset + found.end()))
            return found.end()
        return self._begin(text, pos, found)

    def _begin(self, text: str, lead: int, found: re.Match[str], *, prompted: bool = False) -> int:
        """An opener was found; what stands before it, from `lead` on, leads to it.

        With `prompted`, the prompt has written its first part.
        """
        group = found.lastgroup
        assert group is not None
        form = self._markers.forms[group]
        opener = found.start(group)
        if not form.marked and self._fence.open:
            self._state = self._read_text
            self._say_text(text[lead : opener + 1], self._offset + lead)
            return opener + 1
        self._awaited = ""
        opening = form.open * prompted + found[group]
        return self._begin_candidate(
            text, lead, opener, found.end() if form.marked else opener, form, Start(opening)
        )

    def _begin_candidate(self, text: str, lead: int, opener: int, body: int, form: Form, start: Start) -> int:
        if not self.tally.misses:
            self._begun = text[opener : opener + EXCERPT]
        self._form = form
        self._call = self._reader(start)
        self._held = [text[lead:body]]
        self._room = MAX_CANDIDATE
        self._lead = self._offset + lead
        self._start = self._offset + opener
        self._in_array = False
        self._in_fence = self._in_fence and start.in_array
        self._state = self._read_candidate
        return body

    def _reader(self, start: Start) -> CallReader:
        return _READERS[type(self._form)](self._form, self._setting, start)

    def _read_candidate(self, text: str, pos: int) -> int | None:
        call = self._call
        end = pos + min(self._room, _WINDOW)
        after = call.read(text, pos) if len(text) <= end else pos + call.read(text[pos:end], 0)
        if call.announced:
            return self._announce(text, pos, after)
        if call.status == MORE:
            if self._room > _WINDOW or len(text) < end:
                self._held.append(text[pos:after])
                self._room -= after - pos
                return after if after > pos else None
            after = end
        held = "".join(self._held) + text[pos:after]
        self._no_call("too_long" if call.status == MORE else call.miss, held)
        self._state = self._read_text
        if not self._form.marked and call.other:
            self._answer = Answer(held[self._start - self._lead :])
            if not self._answer.over:
                self._state = self._read_answer
        return after

    def _read_answer(self, text: str, pos: int) -> int:
        end = self._answer.read(text, pos)
        self._say_text(text[pos:end], self._offset + pos)
        if self._answer.over:
            self._state = self._read_text
        return end

    def _announce(self, text: str, pos: int, after: int) -> int:
        name = self._call.name
        assert name is not None
        known = name in self._offered
        self.tally.unknown_tools += not known
        if not known and (self._fence.open or not self._forward_unknown):
            self._say_text("".join(self._held) + text[pos:after], self._lead)
            self._state = self._read_unknown
            return after
        if self._start > self._lead:
            self._say(Markup("lead", self._lead, self._start))
        self._index += 1
        self._say(CallBegin(self._index, name, self._start))
        if self._coercions:
            self._coercer = Coercer(self._offered.asked(name), self._coercions)
        self._in_array = self._call.in_array
        self._in_fence = self._in_fence or self._call.fenced
        self._state = self._read_call
        return self._reached(after)

    def _read_call(self, text: str, pos: int) -> int | None:
        after = self._call.read(text, pos)
        if after == pos and self._call.status == MORE:
            return None
        return self._reached(after)

    def _reached(self, pos: int) -> int:
        self._say_read_arguments()
        if self._call.status == BAD:
            self._state = self._read_unfinished
        elif self._call.status != MORE:
            self._call_over(pos, complete=True)
        return pos

    def _read_unknown(self, text: str, pos: int) -> int | None:
        """A call of a tool that was not offered, as text: read to its end, so that no marker in it counts."""
        after = self._call.read(text, pos)
        self._call.take()
        self._say_text(text[pos:after], self._offset + pos)
        if self._call.status == MORE:
            return after if after > pos else None
        self.tally.miss("unknown_tool")
        self._state = self._read_text
        return after

    def _read_unfinished(self, text: str, pos: int) -> int | None:
        """The arguments cannot go on like this. If the closing marker stands here, they only lack braces."""
        close = self._call.close
        if close and self._call.closable:
            if text.startswith(close, pos) and self._call.repairs.make("missing_brace"):
                self._call.close_arguments()
                self._say_read_arguments()
                self._call_over(pos, complete=True)
                return pos
            if cut(close, text, pos) and not self._final:
                return None
        self._state = self._read_verbatim
        return pos

    def _read_verbatim(self, text: str, pos: int) -> int | None:
        """Bad arguments go out as they are, up to the closing marker: a half call is never closed for the model."""
        found = self._markers.bad_arguments(self._call.close).search(text, pos)
        cut = found is not None and found.lastgroup == CUT
        end = found.start() if found and not (cut and self._final) else len(text)
        self._say_verbatim(text[pos:end])
        if found and not cut:
            self.tally.miss("bad_arguments")
            self._call_over(end, complete=False)
            return end
        return end if end > pos else None

    def _call_over(self, pos: int, *, complete: bool) -> None:
        self._state = self._read_after
        self._ending = True
        self._complete = complete
        self._end = self._offset + pos
        self._awaited = self._call.close
        self.repairs.update(self._call.repairs.counts)
        if self._coercer:
            self.tally.coercions.update(self._coercer.counts)

    def _read_after(self, text: str, pos: int) -> int | None:
        """What follows a call: the rest of its markup, a separator and the next call, or text."""
        here = _SEPARATOR.match(text, pos).end()  # type: ignore[union-attr]  # it matches everywhere
        if here == pos + HOLD:
            return self._leave_call(pos)
        if here == len(text) and not self._final:
            return None
        between = text[pos:here].strip()
        char = text[here : here + 1]
        if char == "}" and not between:
            return self._read_surplus(text, pos, here)
        if self._in_array and char == "]" and between in ("", ","):
            self._in_array = False
            return self._belongs(here + 1)
        if self._in_array and char and char in self._call.elements and between == ",":
            self._end_call()
            return self._begin_candidate(text, pos, here, here, self._form, Start(in_array=True))
        if self._in_fence and not between:
            if text.startswith(FENCE, here):
                self._in_fence = False
                return self._belongs(here + len(FENCE))
            if cut(FENCE, text, here) and not self._final:
                return None
        for stop in self._setting.waits:
            whole = len(text) - here == len(stop) and text.startswith(stop, here)
            if whole and self._final:
                return self._belongs(len(text))
            if (whole or (here < len(text) and cut(stop, text, here))) and not self._final:
                return None
        if again := self._form.again:
            if text.startswith(again, here):
                self._end_call()
                start = Start(name=self._call.name)
                return self._begin_candidate(text, pos, here, here + len(again), self._form, start)
            if cut(again, text, here) and not self._final:
                return None
        found = self._adjacent(text, here)
        if found is None:
            return self._leave_call(pos)
        if found.lastgroup in (CUT, WORD):
            return None
        if found.lastgroup == CLOSE:
            self._awaited = ""
            return self._belongs(found.end())
        self._end_call()
        return self._begin(text, pos, found)

    def _adjacent(self, text: str, here: int) -> re.Match[str] | None:
        """The marker that stands here, or what may become one."""
        found = self._markers.adjacent(self._awaited).match(text, here)
        if found is None or (found.lastgroup in (CUT, WORD) and self._final):
            return None
        if found.lastgroup == WORD:
            return found if self._names.could_begin(found.group()) else None
        return None if self._is_unknown(found) else found

    def _is_unknown(self, found: re.Match[str]) -> bool:
        """Whether what was found is a line with no marker, and a name that was not offered."""
        form = self._markers.forms.get(found.lastgroup or "")
        return (
            isinstance(form, PythonCall)
            and not found.group().startswith(form.open)
            and found.group().strip() not in self._names
        )

    def _read_surplus(self, text: str, pos: int, brace: int) -> int | None:
        """A closing brace too many belongs to the call if an opening one was doubled, or before a marker or the end."""
        if self._call.surplus:
            self._call.surplus -= 1
            return self._belongs(brace + 1)
        here = next_significant(text, brace + 1)
        if here == len(text):
            if not self._final:
                return None
        else:
            found = self._adjacent(text, here)
            if found is None:
                return self._leave_call(pos)
            if found.lastgroup in (CUT, WORD):
                return None
        repairs = self._call.repairs
        if "surplus_brace" in repairs.counts or not repairs.make("surplus_brace"):
            return self._leave_call(pos)
        self.repairs["surplus_brace"] += 1
        return self._belongs(brace + 1)

    def _belongs(self, pos: int) -> int:
        self._end = self._offset + pos
        return pos

    def _leave_call(self, pos: int) -> int:
        self._end_call()
        self._in_array = False
        self._state = self._read_text
        return pos

    # What the states say.

    def _end_call(self) -> None:
        if self._ending:
            self._ending = False
            self.tally.calls += self._complete
            self._say(CallEnd(self._index, self._complete, self._end))

    def _no_call(self, why: str, held: str) -> None:
        """The candidate was text."""
        self._say_text(held, self._lead)
        if self._call.marked:
            self.tally.miss(why)

    def _say(self, event: Event) -> None:
        self._flush_text()
        self._events.append(event)
        self._last = ""

    def _say_read_arguments(self) -> None:
        text = self._call.take()
        self._say_arguments(self._coercer.feed(text) if self._coercer else text)

    def _say_verbatim(self, text: str) -> None:
        """What cannot be read as arguments."""
        self._say_arguments(self._coercer.end() + text if self._coercer else text)

    def _say_arguments(self, text: str) -> None:
        if text:
            self._say(Arguments(self._index, text))

    def _say_text(self, text: str, start: int) -> None:
        if text:
            if not self._text:
                self._text_start = start
            self._text.append(text)
            self._last = text[-1]
            self._fence.feed(text)

    def _flush_text(self) -> None:
        if self._text:
            self._events.append(Text("".join(self._text), self._text_start))
            self._text = []

    def _take_events(self) -> list[Event]:
        self._flush_text()
        events = self._events
        self._events = []
        return events
