"""What parsers and grammars cost a real server, on a CPU: `make bench-serving`, or `python benchmarks/serving.py`.

For each adapter up to three servers that differ in nothing but `--tool-call-parser`: ours, vLLM's own for the same text
where there is one, and the floor. It writes serving.json and serving.md into this folder. docs/performance.md says what is
measured, and how.
"""

import argparse
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from first_token import CHOICES, grammar_of
from floor import FLOOR
from load import rounds_of, run_of
from servers import servers
from tables import table
from vllm.tool_parsers import ToolParserManager

from chat_adapters.adapters import ADAPTERS

HERE = Path(__file__).resolve().parent
STREAMS = (1, 8, 64)
"""How many are on their way at once."""
TOOLS = (1, 100)
ROUNDS = 5
BOUND = 1.1
"""Our server's CPU a token, times the floor's, with the most streams."""


def bench(name: str, streams: Sequence[int], tools: Sequence[int], rounds: int) -> dict[str, Any]:
    """An adapter's load by the number of streams, and its grammars by parser and number of tools."""
    with servers(name) as started:
        for server in started.values():
            run_of(server, max(streams, default=1))  # what is made once is made
        return {
            "load": {str(most): rounds_of(started, most, rounds) for most in streams},
            "grammar": {
                parser: {str(many): grammar_of(server, many, rounds) for many in tools}
                for parser, server in started.items()
                if parser == name or has_grammar(parser)
            },
        }


def ratio(runs: Mapping[str, Sequence[Mapping[str, Any]]], one: str, other: str) -> float:
    """CPU a token: the median of the paired runs' ratios."""
    pairs = zip(runs[one], runs[other], strict=True)
    return float(median(first["cpu_us"] / second["cpu_us"] for first, second in pairs))


def has_grammar(parser: str) -> bool:
    """Whether vLLM holds `required` to the text that this parser of its own reads; for others it wants plain JSON."""
    return parser != FLOOR and ToolParserManager.get_tool_parser(parser).structural_tag_model is not None


def report(found: Mapping[str, Any]) -> str:
    """All of it, as tables."""
    parts = [
        "# What parsers and grammars cost a server",
        "Made by `make bench-serving` with serving.json; docs/performance.md says what the numbers mean.",
        "\n".join(f"- {line}" for line in judged(found)),
        "## Under load",
        _loads(found),
        "## What a grammar adds",
        _grammars(found),
    ]
    return "\n\n".join(parts) + "\n"


def _loads(found: Mapping[str, Any]) -> str:
    head = [
        "adapter", "streams", "parser", "CPU a token, us", "times the floor", "the pairs",
        "event loop late, p99 ms", "a token, ms",
    ]  # fmt: skip
    rows = [
        [name, streams, parser, *_cells(parser, runs)]
        for name, one in found.items()
        for streams, runs in one["load"].items()
        for parser in runs
    ]
    return table(head, rows)


def _cells(parser: str, runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    own = runs[parser]
    if parser != FLOOR and not all(run["right"] for run in own):
        return ["**wrong**"] * 5
    pairs = [f"{one['cpu_us'] / floor['cpu_us']:.2f}" for one, floor in zip(own, runs[FLOOR], strict=True)]
    lag, token = (median(run[key] for run in own) for key in ("lag_ms", "token_ms"))
    return [
        f"{median(run['cpu_us'] for run in own):.0f}",
        f"{ratio(runs, parser, FLOOR):.2f}",
        " ".join(pairs),
        f"{lag:.1f}",
        f"{token:.1f}",
    ]


def _grammars(found: Mapping[str, Any]) -> str:
    head = [
        "adapter", "parser", "tools", "new tools: first token, ms", "the grammar adds",
        "known tools: first token, ms", "the grammar adds", "a token, ms", "the grammar adds",
    ]  # fmt: skip
    rows = []
    for name, one in found.items():
        for parser, by_tools in one["grammar"].items():
            for many, times in by_tools.items():
                cells = [name, parser, many]
                for state, key in (("cold", "first_ms"), ("warm", "first_ms"), ("warm", "token_ms")):
                    free, held = (times[f"{choice}, {state}"][key] for choice in CHOICES)
                    cells += [f"{free:.1f}", f"{held - free:+.2f}"]
                rows.append(cells)
    return table(head, rows)


def judged(found: Mapping[str, Any]) -> list[str]:
    """What must hold, and whether it does."""
    said = []
    for name, one in found.items():
        levels = one["load"]
        streams = max(levels, key=int)
        times = ratio(levels[streams], name, FLOOR)
        holds = "holds" if times <= BOUND else "**does not hold**"
        said.append(
            f"{name}, {streams} streams: CPU a token {times:.3f} times the floor's, at most {BOUND}: {holds}"
        )
    return said


def main() -> None:
    logging.disable(logging.WARNING)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "adapters", nargs="*", default=list(ADAPTERS), metavar="ADAPTER", help="the results of others stay"
    )
    parser.add_argument("--folder", type=Path, default=HERE, help="where the two files go")
    parser.add_argument("--streams", type=int, nargs="*", default=STREAMS, help="none: the last results stay")
    parser.add_argument("--tools", type=int, nargs="*", default=TOOLS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args()
    results = asked.folder / "serving.json"
    found = json.loads(results.read_text("utf-8")) if results.is_file() else {}
    for name in asked.adapters:
        fresh = bench(name, asked.streams, asked.tools, asked.rounds)
        found[name] = found.get(name, {}) | {
            part: result for part, result in fresh.items() if any(result.values())
        }
        results.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
        asked.folder.joinpath("serving.md").write_text(report(found), "utf-8")
    print("\n".join(judged(found)))


if __name__ == "__main__":
    main()
