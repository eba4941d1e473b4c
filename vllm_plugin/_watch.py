"""What whoever runs a server sees of replies: counters on vLLM's `/metrics`, and lines in the log.

vLLM gives `/metrics` what prometheus_client's own registry has, and with several API servers what their processes have
written to files; which of the two, prometheus_client finds out when vLLM imports it.
"""

import logging
from time import monotonic

from prometheus_client import Counter

from ..adapters import COERCIONS, MISSES, REPAIRS, Adapter, ContinuedParser, Parser, Tally
from .settings import current_settings

__all__ = ["COUNTERS", "QUIET", "Watch", "shortened"]

_log = logging.getLogger("vllm.chat_adapters")

QUIET = 60.0
"""Seconds for which the log says no more of an adapter's markers that gave no call for the same reason."""

# vLLM takes counters whose names begin with its own out of the registry when an engine starts.
_CALLS = Counter("chat_adapters_calls", "Calls whose arguments are complete.", ["adapter"])
_REPAIRS = Counter("chat_adapters_repairs", "Repairs made in calls.", ["adapter", "kind"])
_COERCIONS = Counter(
    "chat_adapters_coercions", "Texts that became the value their schema asks for.", ["adapter", "kind"]
)
_UNPARSED = Counter("chat_adapters_unparsed_markers", "Markers that gave no call.", ["adapter", "reason"])
_UNKNOWN = Counter("chat_adapters_unknown_tools", "Calls of tools that were not offered.", ["adapter"])
COUNTERS = (_CALLS, _REPAIRS, _COERCIONS, _UNPARSED, _UNKNOWN)


class Watch:
    """Counts what becomes of an adapter's replies, and logs what nobody would see otherwise."""

    def __init__(self, adapter: Adapter) -> None:
        name = self._adapter = adapter.name
        # All are there from the start, at 0.
        self._calls = _CALLS.labels(name)
        self._repairs = {kind: _REPAIRS.labels(name, kind) for kind in REPAIRS}
        self._coercions = {kind: _COERCIONS.labels(name, kind) for kind in COERCIONS}
        self._unparsed = {why: _UNPARSED.labels(name, why) for why in MISSES}
        self._unknown = _UNKNOWN.labels(name)
        self._logged_repairs: set[str] = set()
        self._logged_misses: dict[str, float] = {}
        self._unlogged: dict[str, int] = dict.fromkeys(MISSES, 0)

    def over(self, parser: Parser | ContinuedParser) -> None:
        """A reply is over, and its parser closed."""
        tally = parser.tally
        if tally.calls:
            self._calls.inc(tally.calls)
        if tally.unknown_tools:
            self._unknown.inc(tally.unknown_tools)
        for kind, times in parser.repairs.items():
            self._repairs[kind].inc(times)
            self._log_repair(kind)
        for kind, times in tally.coercions.items():
            self._coercions[kind].inc(times)
        for why, times in tally.misses.items():
            self._unparsed[why].inc(times)
        if tally.misses and not tally.calls:
            self._log_miss(tally)

    def _log_repair(self, kind: str) -> None:
        if kind not in self._logged_repairs:
            self._logged_repairs.add(kind)
            _log.info(
                "%s: a call was repaired (%s); further repairs of this kind are not logged",
                self._adapter,
                kind,
            )

    def _log_miss(self, tally: Tally) -> None:
        now, why = monotonic(), tally.why
        if now - self._logged_misses.get(why, -QUIET) < QUIET:
            self._unlogged[why] += 1
            return
        more = f"; {self._unlogged[why]} more since this was last logged" if self._unlogged[why] else ""
        self._logged_misses[why], self._unlogged[why] = now, 0
        _log.warning(
            "%s: a marker gave no call: %s (%s)%s%s",
            self._adapter,
            MISSES[why],
            why,
            shortened(tally.excerpt),
            more,
        )


def shortened(text: str) -> str:
    """What a line of the log may show of a reply, with a colon before it: as many characters as are set, escaped."""
    shown = text[: current_settings().logged_text]
    if not shown:
        return ""
    return f": {shown!r}{'...' if len(shown) < len(text) else ''}"
