"""The plugin's counters, as the server's `/metrics` gives them and as the parser counts by itself."""

import re
import urllib.request
from collections import Counter
from collections.abc import Iterable

from server import Server

from chat_adapters.adapters import Adapter, Tool
from chat_adapters.toolkit.checks import Reading, read

__all__ = ["Counts", "counted", "counters", "counts_of"]

SAMPLE = re.compile(r"chat_adapters_(\w+)_total\{(.*)\} (\S+)")
Counts = Counter[tuple[str, ...]]
"""By the counter's name and the values of its labels."""


def counters(server: Server) -> Counts:
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=60) as answer:
        samples = SAMPLE.findall(answer.read().decode())
    return Counter(
        {(name, *re.findall(r'="([^"]*)"', labels)): int(float(value)) for name, labels, value in samples}
    )


def counted(adapter: Adapter, replies: Iterable[str], *names: str) -> Counts:
    """What the parser counts in these replies."""
    tools = [Tool(name) for name in names]
    counts: Counts = Counter()
    for text in replies:
        counts += counts_of(adapter, read(adapter.with_dialects(), tools, [text]))
    return counts


def counts_of(adapter: Adapter, reading: Reading) -> Counts:
    """What is counted of one reply."""
    tally, name = reading.tally, adapter.name
    counts: Counts = Counter({("calls", name): tally.calls, ("unknown_tools", name): tally.unknown_tools})
    for counter, kinds in (
        ("repairs", reading.repairs),
        ("coercions", tally.coercions),
        ("unparsed_markers", tally.misses),
    ):
        counts.update({(counter, name, kind): times for kind, times in kinds.items()})
    return +counts
