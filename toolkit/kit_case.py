"""What the checks of the kit share: what is checked, the examples it is checked on, and how a failure is told."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ..adapters import Adapter, AdapterLoadError, Format, Tool, read_template
from . import checks
from .strategies import mutated, noise, written_calls

__all__ = ["NAMES", "Failed", "Skipped", "Subject", "every_example", "fail", "read_every_way", "smallest_cut"]

NAMES = ("f", "get", "get_weather")
"""The tools that generated replies call."""


class Failed(AssertionError):
    """What must hold does not; the message shows the smallest case that was found, its cut, and what was read of it."""


class Skipped(Exception):
    """There is nothing to check; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is checked."""

    adapter: Adapter
    fixtures: Path | None = None
    """The folder of its cases, if there is one."""
    own_template: str | None = None
    """A chat template to take in place of the adapter's file."""

    @property
    def template(self) -> str:
        """
        Raises:
            Failed: the adapter's package has no template.
        """
        if self.own_template is not None:
            return self.own_template
        try:
            return read_template(self.adapter)
        except AdapterLoadError as error:
            raise Failed(str(error)) from None

    @property
    def formats(self) -> list[Format]:
        """Its format as it is, and with the dialects that can be on."""
        if not self.adapter.dialects:
            return [self.adapter.format]
        every = [dialect.name for dialect in self.adapter.dialects]
        return [self.adapter.format, self.adapter.with_dialects(), self.adapter.with_dialects(every)]

    def replies(self, format: Format) -> st.SearchStrategy[str]:
        """What a model might write: pieces of calls in any order, calls that are hurt, and recorded ones that are."""
        written = [path.read_bytes().decode() for path in self.cases("output.txt")]
        generated = noise(format, NAMES) | written_calls(format, NAMES)
        return generated | mutated(written, NAMES) if written else generated

    def cases(self, file: str) -> list[Path]:
        """These files of the fixtures."""
        return sorted(self.fixtures.glob(f"*/{file}")) if self.fixtures else []


def every_example(test: Callable[..., None]) -> None:
    """Runs a test of one argument, `data`, on generated examples; raises what it raises on the smallest."""
    chosen = settings(deadline=None, report_multiple_bugs=False, suppress_health_check=list(HealthCheck))
    chosen(given(data=st.data())(test))()


def fail(why: str, format: Format, tools: Sequence[Tool], text: str, deltas: Iterable[str] = ()) -> NoReturn:
    """
    Raises:
        Failed: always; it shows the case, and delta by delta what the parser said.
    """
    pieces = list(deltas) or [text]
    lines = [
        why,
        f"reply: {text!r}",
        f"tools: {', '.join(tool.name for tool in tools) or 'none'}",
        f"cut:   {' | '.join(map(repr, pieces)) if len(pieces) > 1 else 'not at all'}",
        "trace:",
        *(f"  {line}" for line in _trace(format, tools, pieces)),
    ]
    raise Failed("\n".join(lines))


def read_every_way(
    format: Format, tools: Sequence[Tool], text: str, cuts: Iterable[Sequence[int]] = ()
) -> checks.Reading:
    """Reads a reply whole, in single characters, and cut in each of these ways.

    Raises:
        Failed: two of them differ, or something is lost.
    """
    try:
        return checks.check_cuts(format, tools, text, cuts)
    except AssertionError as error:
        fail(str(error), format, tools, text)


def _trace(format: Format, tools: Sequence[Tool], deltas: Sequence[str]) -> Iterable[str]:
    parser: Any = checks.Parser(format, tools)
    for step, delta in [*((parser.feed, delta) for delta in deltas), (parser.close, None)]:
        shown = "the end" if delta is None else repr(delta)
        try:
            events = step() if delta is None else step(delta)
        except Exception as error:  # noqa: BLE001 - it is what is shown
            yield f"{shown}: raises {type(error).__name__}: {error}"
            return
        yield f"{shown}: {', '.join(map(str, events)) or 'nothing'}"


def smallest_cut(text: str, deltas: list[str], differs: Callable[[list[str]], bool]) -> list[str]:
    """One cut at which the reading differs, if one is enough; else those that were found."""
    halves = ([text[:place], text[place:]] for place in range(1, len(text)))
    return next(filter(differs, halves), deltas)
