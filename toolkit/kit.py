"""The conformance kit: what every adapter must keep, checked for any adapter, with a few lines of pytest.

    from chat_adapters.toolkit.kit import Conformance

    class TestLantern(Conformance):
        adapter = LANTERN
        fixtures = Path(__file__).parent / "fixtures" / "lantern"

The same from a shell: `chat-adapters check MODULE`. Its libraries are the extra `kit`; it needs no vLLM.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from traceback import extract_tb
from typing import ClassVar, Literal, NamedTuple

import pytest
from jinja2 import TemplateSyntaxError

from ..adapters import Adapter
from .kit_case import Failed, Skipped, Subject
from .kit_cost import linear_work
from .kit_fixtures import golden_grammars, golden_prompts, recorded_replies, replies
from .kit_parsing import calls_read_back, cuts_agree, half_calls, hold_back, never_raises, nothing_lost
from .kit_prompt import everything_told, refusals
from .kit_triangle import (
    free_until_a_call,
    grammar_admits_template,
    parser_reads_grammar,
    parser_reads_template,
    prompts_continue,
    spellings_agree,
    stop_tokens,
)

__all__ = ["CHECKS", "Conformance", "Failed", "Skipped", "Subject", "Verdict", "examine"]

Check = Callable[[Subject], None]

CHECKS: Mapping[str, Check] = {
    "never-raises": never_raises,
    "nothing-lost": nothing_lost,
    "cuts": cuts_agree,
    "read-back": calls_read_back,
    "hold-back": hold_back,
    "half-calls": half_calls,
    "cost": linear_work,
    "template-parser": parser_reads_template,
    "template-grammar": grammar_admits_template,
    "grammar-parser": parser_reads_grammar,
    "free-text": free_until_a_call,
    "stop-tokens": stop_tokens,
    "prompts-continue": prompts_continue,
    "spellings": spellings_agree,
    "everything-told": everything_told,
    "refusals": refusals,
    "golden-prompts": golden_prompts,
    "golden-grammars": golden_grammars,
    "replies": replies,
    "recorded": recorded_replies,
}
"""Every check by its name. It raises `Failed` with the smallest case that it found, or `Skipped`."""


class Conformance:
    """A class of tests, one for each check; a subclass names the adapter."""

    adapter: ClassVar[Adapter]
    fixtures: ClassVar[Path | None] = None
    """The folder of the adapter's cases, and of its `recorded.jsonl`."""

    @pytest.mark.parametrize("check", CHECKS)
    def test_keeps(self, check: str) -> None:
        try:
            CHECKS[check](Subject(self.adapter, self.fixtures))
        except Skipped as reason:
            pytest.skip(str(reason))


class Verdict(NamedTuple):
    """What came of a check."""

    check: str
    what: str
    """What it checks, in words."""
    result: Literal["passed", "failed", "skipped"]
    message: str = ""
    """Why it failed, or what is missing."""


def examine(subject: Subject) -> Iterator[Verdict]:
    """Every check, one after the other; whatever one raises is a failure."""
    for name, check in CHECKS.items():
        what = (check.__doc__ or "").partition("\n")[0]
        try:
            check(subject)
        except Skipped as reason:
            yield Verdict(name, what, "skipped", str(reason))
        except Failed as failure:
            yield Verdict(name, what, "failed", str(failure))
        except Exception as error:  # noqa: BLE001 - an adapter of others' may do anything
            yield Verdict(name, what, "failed", f"{_place(error)}{type(error).__name__}: {error}")
        else:
            yield Verdict(name, what, "passed")


def _place(error: Exception) -> str:
    """Where in the chat template it was raised; empty if it was elsewhere. Jinja says it in the traceback."""
    lines = [frame.lineno for frame in extract_tb(error.__traceback__) if frame.filename == "<template>"]
    if isinstance(error, TemplateSyntaxError):
        lines = [error.lineno]
    return f"line {lines[-1]} of the chat template: " if lines else ""
