"""A reply and what a client gets of it, for the tables of hard cases."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from chat_adapters.adapters import Format, Tool
from chat_adapters.toolkit.checks import check_cuts, reply_of


class Case(NamedTuple):
    """One row: the reply, then its text, its calls and the repairs that were made in them."""

    reply: str
    content: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    repairs: tuple[str, ...] = ()


def check_case(format: Format, tools: Sequence[Tool], case: Case) -> None:
    """The reply reads as the case says, whole and in twos, threes and sevens."""
    size = len(case.reply)
    reading = check_cuts(format, tools, case.reply, [range(0, size, step) for step in (2, 3, 7)])
    reply = reply_of(format, tools, case.reply)
    assert (reply.content, reply.calls) == (case.content, case.calls)
    assert reading.repairs == Counter(case.repairs)
