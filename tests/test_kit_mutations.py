"""The kit finds what it is there to find: each test plants one defect, and says which check sees it."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chat_adapters_lantern import LANTERN
from hypothesis import Phase, settings
from hypothesis import strategies as st

from chat_adapters.adapters import (
    Arguments,
    CallBegin,
    CallEnd,
    Choice,
    Event,
    Format,
    HeadedCall,
    Parser,
    Text,
    Tool,
    structural_tag,
)
from chat_adapters.toolkit import checks, kit
from chat_adapters.toolkit.counting import counted_engine
from chat_adapters.toolkit.kit import CHECKS, Failed, Skipped, Subject, examine
from chat_adapters.toolkit.kit_case import every_example, fail

grammars = pytest.importorskip("chat_adapters.toolkit.grammars", reason="xgrammar is not installed")

FIXTURES = Path(__file__).parent.parent / "docs" / "examples" / "lantern" / "fixtures" / "lantern"
UNBROKEN = Subject(LANTERN, FIXTURES)
TEMPLATE = UNBROKEN.template
CALL = LANTERN.format.call


@pytest.fixture(autouse=True)
def same_examples_each_time(request: pytest.FixtureRequest) -> Iterator[None]:
    """A defect that is found is found in every run; that it is shrunk is for the tests that look at what is told."""
    before = settings.get_current_profile_name()
    phases = [Phase.generate, *((Phase.shrink,) if "shrunk" in request.node.name else ())]
    ours = settings(settings.get_profile("ci"), derandomize=True, database=None, phases=phases)
    settings.register_profile("mutations", ours)
    settings.load_profile("mutations")
    yield
    settings.load_profile(before)


# Parsers with a defect: each changes what the engine says


class Edited(Parser):
    """Says what `edit` makes of the events."""

    def feed(self, text: str) -> list[Event]:
        return self.edit(super().feed(text))

    def close(self) -> list[Event]:
        return self.edit(super().close())

    def edit(self, events: list[Event]) -> list[Event]:
        return events


class HoldsNothingBack(Parser):
    """Half a marker leaves as text."""

    def feed(self, text: str) -> list[Event]:
        events = super().feed(text)
        if self._rest and self._state == self._read_text:
            events.append(Text(self._rest, self._offset))
            self._offset += len(self._rest)
            self._rest = ""
        return events


class AnnouncesTwice(Edited):
    def edit(self, events: list[Event]) -> list[Event]:
        return [again for event in events for again in [event] * (1 + isinstance(event, CallBegin))]


class Reserialises(Edited):
    """Loads the arguments, and writes them anew."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.arguments = ""

    def edit(self, events: list[Event]) -> list[Event]:
        said: list[Event] = []
        for event in events:
            match event:
                case Arguments(call, text):
                    self.arguments += text
                    continue
                case CallEnd(call, complete):
                    anew = json.dumps(json.loads(self.arguments)) if complete else self.arguments
                    said.append(Arguments(call, anew))
                    self.arguments = ""
            said.append(event)
        return said


class DropsTextBehindCalls(Edited):
    called = False

    def edit(self, events: list[Event]) -> list[Event]:
        said: list[Event] = []
        for event in events:
            self.called = self.called or isinstance(event, CallEnd)
            if not (self.called and isinstance(event, Text)):
                said.append(event)
        return said


class RaisesOnOddArguments(Edited):
    """Loads the arguments of every call, of those that were cut too."""

    written = ""

    def edit(self, events: list[Event]) -> list[Event]:
        for event in events:
            if isinstance(event, Arguments):
                self.written += event.text
            if isinstance(event, CallEnd):
                json.loads(self.written)
                self.written = ""
        return events


class CompletesHalfCalls(Edited):
    def edit(self, events: list[Event]) -> list[Event]:
        return [event._replace(complete=True) if isinstance(event, CallEnd) else event for event in events]


class SaysAllAtTheEnd(Parser):
    def feed(self, text: str) -> list[Event]:
        self._waiting = [*getattr(self, "_waiting", []), *super().feed(text)]
        return []

    def close(self) -> list[Event]:
        return [*getattr(self, "_waiting", []), *super().close()]


PARSERS: dict[str, tuple[type[Parser], str]] = {
    "marker not held back": (HoldsNothingBack, "cuts"),
    "call announced twice": (AnnouncesTwice, "nothing-lost"),
    "arguments re-serialised": (Reserialises, "read-back"),
    "text dropped": (DropsTextBehindCalls, "nothing-lost"),
    "raises on odd output": (RaisesOnOddArguments, "never-raises"),
    "half call completed": (CompletesHalfCalls, "half-calls"),
    "nothing before the end": (SaysAllAtTheEnd, "hold-back"),
}


@pytest.mark.parametrize("defect", PARSERS)
def test_a_broken_parser_is_found(defect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, check = PARSERS[defect]
    monkeypatch.setattr(checks, "Parser", broken)
    with pytest.raises(Failed, match=r"(?s)reply: .*tools: .*cut: .*trace:\n"):
        CHECKS[check](UNBROKEN)


# Adapters and templates with a defect


def with_form(**changes: Any) -> Subject:
    assert isinstance(CALL, HeadedCall)
    return Subject(replace(LANTERN, format=replace(LANTERN.format, call=replace(CALL, **changes))), FIXTURES)


def with_template(old: str, new: str) -> Subject:
    assert old in TEMPLATE
    return Subject(LANTERN, FIXTURES, TEMPLATE.replace(old, new))


DESCRIPTIONS: dict[str, tuple[Subject, str]] = {
    "template trims contents": (
        with_template("set content = said(message.content)", "set content = said(message.content).strip()"),
        "template-parser",
    ),
    "template numbers the last turn": (
        with_template("'<|turn|>' ~ role", "'<|turn|>' ~ ('last ' if loop.last else '') ~ role"),
        "prompts-continue",
    ),
    "template knows no parts": (with_template("{%- elif content -%}", "{%- elif 0 -%}"), "spellings"),
    "template shows no tools": (with_template("{%- if tools -%}", "{%- if 0 -%}"), "everything-told"),
    "template without descriptions": (
        with_template(
            "((tool.function or tool) | tojson)", "(dict(tool.function or tool, description='') | tojson)"
        ),
        "everything-told",
    ),
    "template without parameters": (
        with_template(
            "((tool.function or tool) | tojson)", "(dict(tool.function or tool, parameters={}) | tojson)"
        ),
        "everything-told",
    ),
    "template drops results": (
        with_template("~ content -}}", "~ (content if role != 'tool') -}}"),
        "everything-told",
    ),
    "template drops system messages beside tools": (
        with_template("~ content -}}", "~ (content if role != 'system' or not tools) -}}"),
        "everything-told",
    ),
    "template takes any role": (
        with_template("role not in ('system', 'user', 'assistant', 'tool')", "0"),
        "refusals",
    ),
    "template drops images": (
        with_template("part.type != 'text' or part.text is not string", "0"),
        "refusals",
    ),
    "template without the lead": (
        with_template("'\\n' if content or not loop.first", "'\\n' if not loop.first"),
        "template-parser",
    ),
    "template that does not trim": (Subject(replace(LANTERN, trims=True)), "template-parser"),
    "golden template changed": (with_template("To call one", "To call a tool"), "golden-prompts"),
    "wrong stop token": (Subject(replace(LANTERN, stop_tokens=("<|end|>",))), "stop-tokens"),
    "turn token that is not written": (
        Subject(replace(LANTERN, turn_tokens=(*LANTERN.turn_tokens, "<|tool|>"))),
        "stop-tokens",
    ),
    "parser with another marker": (with_form(open="⟦use "), "recorded"),
    "grammar with another blank": (with_form(close="⟦end⟧"), "golden-grammars"),
}


@pytest.mark.parametrize("defect", DESCRIPTIONS)
def test_a_broken_description_is_found(defect: str) -> None:
    broken, check = DESCRIPTIONS[defect]
    with pytest.raises(Failed):
        CHECKS[check](broken)


def test_a_token_may_be_put_together() -> None:
    CHECKS["stop-tokens"](with_template("'<|turn|>", "'<|tu' ~ 'rn|>"))


def test_an_adapter_without_template_is_told_where_one_belongs() -> None:
    with pytest.raises(Failed, match=r"no chat template lamp\.jinja in the package chat_adapters_lantern"):
        CHECKS["spellings"](Subject(replace(LANTERN, name="lamp")))
    with pytest.raises(Failed, match=r"no package nowhere\.at_all: set the adapter's `package`"):
        CHECKS["spellings"](Subject(replace(LANTERN, package="nowhere.at_all")))


def test_the_line_of_a_template_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    check = "everything-told"
    monkeypatch.setattr(kit, "CHECKS", {check: CHECKS[check]})
    line = TEMPLATE[: TEMPLATE.index("<|turn|>assistant")].count("\n") + 1
    broken = with_template("'<|turn|>assistant\\n'", "nothing.at_all")
    (verdict,) = examine(broken)
    assert verdict.message.startswith(f"line {line} of the chat template: UndefinedError: 'nothing'")
    (verdict,) = examine(with_template("'<|turn|>assistant\\n'", "nothing("))
    assert verdict.message.startswith(f"line {line} of the chat template: TemplateSyntaxError: ")


# Grammars that are not the parser's


def other_marker(format: Format, tools: Sequence[Tool], choice: Choice) -> dict[str, object]:
    assert isinstance(format.call, HeadedCall)
    return structural_tag(replace(format, call=replace(format.call, close=" ⟦over⟧")), tools, choice)


def other_key(format: Format, tools: Sequence[Tool], choice: Choice) -> dict[str, object]:
    return structural_tag(format, [Tool(tool.name, {"type": "object"}) for tool in tools], choice)


def never_free(format: Format, tools: Sequence[Tool], choice: Choice) -> dict[str, object]:
    return structural_tag(format, tools, "required" if choice == "auto" else choice)


@pytest.mark.parametrize(
    ("defect", "check"),
    [
        (other_marker, "grammar-parser"),
        (other_marker, "template-grammar"),
        (other_key, "grammar-parser"),
        (never_free, "free-text"),
    ],
)
def test_a_grammar_that_disagrees_is_found(
    defect: Callable[..., object], check: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grammars, "structural_tag", defect)
    with pytest.raises(Failed):
        CHECKS[check](UNBROKEN)


# Work that grows


def test_work_that_grows_with_the_reply_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = counted_engine()
    counted: Any = engine.Parser

    class LooksAtAllOfIt(counted):  # type: ignore[misc]
        """Keeps the whole reply, and searches it again with each delta."""

        everything = ""

        def feed(self, text: str) -> Any:
            self.everything = self.everything + text
            self.everything.find("⟦end⟧")
            return super().feed(text)

    monkeypatch.setattr(engine, "Parser", LooksAtAllOfIt)
    with pytest.raises(Failed, match="the work of a delta grows"):
        CHECKS["cost"](UNBROKEN)


# What is unbroken, and how a failure is told


@pytest.mark.parametrize("check", CHECKS)
def test_nothing_is_found_where_nothing_is_broken(check: str) -> None:
    CHECKS[check](UNBROKEN)


def test_every_check_finds_something() -> None:
    seen = {check for _, check in (*PARSERS.values(), *DESCRIPTIONS.values())}
    seen |= {"grammar-parser", "template-grammar", "free-text", "cost", "replies"}
    assert seen == set(CHECKS)


def test_a_reply_that_reads_otherwise_is_found(tmp_path: Path) -> None:
    case = tmp_path / "call"
    case.mkdir()
    for file in ("request.json", "output.txt", "message.json"):
        (case / file).write_bytes((FIXTURES / "call" / file).read_bytes().replace(b"Paris", b"Rome"))
    CHECKS["replies"](Subject(LANTERN, tmp_path))
    (case / "message.json").write_bytes((FIXTURES / "call" / "message.json").read_bytes())
    with pytest.raises(Failed, match=r"call: it is read as '' and .*Rome.*, not as '' and .*Paris"):
        CHECKS["replies"](Subject(LANTERN, tmp_path))
    with pytest.raises(Skipped, match=r"no recorded\.jsonl"):
        CHECKS["recorded"](Subject(LANTERN, tmp_path))


def test_a_failure_shows_a_shrunk_case_its_cut_and_its_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "Parser", HoldsNothingBack)
    with pytest.raises(Failed) as caught:
        CHECKS["cuts"](UNBROKEN)
    why, reply, tools, cut, trace, *steps = str(caught.value).splitlines()
    assert why.startswith("cut like this it reads otherwise than whole")
    assert reply.startswith("reply: '⟦call ")
    assert len(reply) < 80
    assert tools == "tools: f, get, get_weather"
    first, last = cut.removeprefix("cut:   ").split(" | ")
    assert f"reply: {first[:-1]}{last[1:]}" == reply
    assert trace == "trace:"
    for step, fed in zip(steps, (first, last, "the end"), strict=True):
        assert step.startswith(f"  {fed}: ")
    assert "Text(" in steps[0]  # which should have waited


def test_a_parser_that_raises_is_shown_up_to_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "Parser", RaisesOnOddArguments)
    text = '⟦call f⟧ {"a": 1'
    with pytest.raises(Failed, match="the end: raises JSONDecodeError"):
        fail("why", LANTERN.format, [Tool("f")], text)


def test_examples_are_shrunk() -> None:
    def holds(data: st.DataObject) -> None:
        if data.draw(st.integers(0, 1000)) > 17:
            raise Failed("18 is the smallest")

    with pytest.raises(Failed) as caught:
        every_example(holds)
    assert "18" in "".join(caught.value.__notes__)
