"""Coverage-guided fuzzing of the parsers with libFuzzer, through atheris: `make fuzz`.

    python tests/fuzz.py                    every adapter, in FUZZ_SECONDS together
    python tests/fuzz.py llama3_1           one
    python tests/fuzz.py llama3_1 FILE      an input that libFuzzer wrote down, once more

With FUZZ_RUNS, each adapter ends after so many inputs, if that is earlier. Each core has one adapter at a time. With FUZZ_SEED,
PYTHONHASHSEED, addresses that are not random (`setarch -R`) and nothing kept from before, the inputs are the same each time.

It begins with the recorded replies of `fixtures/`, and keeps what reaches new branches in `.fuzz/`. That is no part of
the repository: some hundred files that nobody can review, and half a minute brings most of them back. A finding becomes
a fixture or a row of a test, by hand.
"""

import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal
from zlib import crc32

import atheris

with atheris.instrument_imports(include=["chat_adapters.adapters"]):
    from chat_adapters.adapters import ADAPTERS, COERCIONS, REPAIRS, Adapter, Tool

    # The engine is loaded by what first uses it: loaded elsewhere, none of its branches would be seen.
    from chat_adapters.toolkit.checks import Reading, check_cuts, check_reading, pieces, read
from chat_adapters.toolkit.strategies import atoms

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / ".fuzz"
SECONDS = 300
MAX_BYTES = 600  # more than any state holds back
NAMES = ("get_weather", "get_time", "save_note", "f")
ASKED = {
    "type": "object",
    "properties": {
        "a": {"type": "integer"},
        "b": {"type": "array", "items": {"$ref": "#"}},
        "c": {"type": "boolean"},
    },
    "additionalProperties": {"type": ["number", "null"]},
}
WORDS = ('"a": "', '{"b": "[', '\\"', '"c": "true"', '"1.5e3"', '"null"')
"""What a coercion begins or ends with."""


class Fuzzed:
    """One adapter's parser under every input of libFuzzer's."""

    def __init__(self, adapter: Adapter) -> None:
        every = [dialect.name for dialect in adapter.dialects]
        self._formats = [adapter.with_dialects(names) for names in ((), None, every)]
        self._seen: set[object] = set()

    def __call__(self, written: bytes) -> None:
        """Reads the input whole and in three pieces; in single characters too where the reading has a new shape.

        Raises:
            AssertionError: what every parser must keep does not hold.
        """
        text = written.decode("utf-8", "replace")
        # The setting and the cuts come from the input: so it alone repeats a finding.
        dice = crc32(written)
        tools = [Tool(name, ASKED) for name in (*NAMES, "python")[: 4 + dice % 2]]
        unknown_tools: Literal["forward", "content"] = "content" if dice & 2 else "forward"
        repairs = REPAIRS if dice & 12 else frozenset()
        # One in four: the schema is read anew each time.
        coercions = frozenset() if dice & 48 else COERCIONS
        format = self._formats[(dice >> 6) % len(self._formats)]
        cuts = [(dice >> shift) % (len(text) + 1) for shift in (4, 18)]

        def way(deltas: list[str]) -> Reading:
            return read(
                format, tools, deltas, unknown_tools=unknown_tools, repairs=repairs, coercions=coercions
            )

        whole = way([text])
        check_reading(text, whole, translated=any(form.python for form in format.forms))
        assert way(pieces(text, cuts)) == whole, f"cut at {cuts}"
        shape = (
            tuple(map(type, whole.events)),
            tuple(whole.repairs),
            tuple(whole.tally.coercions),
            dice & 63,
        )
        if shape not in self._seen:
            self._seen.add(shape)
            check_cuts(format, tools, text, unknown_tools=unknown_tools, repairs=repairs, coercions=coercions)


def fuzz(name: str, files: list[str]) -> None:
    """Never returns: libFuzzer ends the process, with its own status and an account of what it did."""
    adapter = ADAPTERS[name]
    corpus, seeds, words = (KEPT / name / part for part in ("corpus", "seeds", "words"))
    corpus.mkdir(parents=True, exist_ok=True)
    seeds.mkdir(exist_ok=True)
    # It reads no tree of folders.
    for reply in (ROOT / "fixtures" / name).glob("*/output.txt"):
        shutil.copy(reply, seeds / reply.parent.name)
    format = adapter.with_dialects(dialect.name for dialect in adapter.dialects)
    listed = (*atoms(format, NAMES), *WORDS)
    quoted = ["".join(f"\\x{byte:02x}" for byte in word.encode()) for word in listed]
    words.write_text("".join(f'"{word}"\n' for word in quoted))
    options = [f"-dict={words}", f"-max_len={MAX_BYTES}", f"-max_total_time={told('SECONDS', SECONDS)}"]
    options += [f"-runs={told('RUNS', -1)}", f"-seed={told('SEED', 0)}"]  # a seed of 0 is any
    options += ["-timeout=20", f"-artifact_prefix={KEPT / name}/", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *options, *(files or map(str, (corpus, seeds)))], Fuzzed(adapter))
    atheris.Fuzz()


def told(what: str, default: int) -> int:
    """What a variable says."""
    return int(os.environ.get(f"FUZZ_{what}") or default)


def fuzz_beside_others(name: str, seconds: int) -> str:
    """In a process of its own; how many inputs there were, or what was found."""
    variables = {**os.environ, "FUZZ_SECONDS": str(seconds)}
    done = subprocess.run(
        [sys.executable, __file__, name], env=variables, capture_output=True, text=True, check=False
    )
    counted = re.search(r"number_of_executed_units: *(\d+)", done.stderr)
    if done.returncode or counted is None:
        return f"{done.stderr[-5000:]}\n{name}: a finding; `{sys.argv[0]} {name} FILE` repeats it"
    return f"{name}: {int(counted[1]):,} executions, no finding"


def main() -> None:
    name, *files = sys.argv[1:] or [""]
    if name:
        fuzz(name, files)
    cores = os.cpu_count() or 1
    with ThreadPoolExecutor(cores) as pool:
        share = told("SECONDS", SECONDS) * min(cores, len(ADAPTERS)) // len(ADAPTERS)
        said = list(pool.map(lambda name: fuzz_beside_others(name, share), ADAPTERS))
    print("\n".join(said))
    sys.exit(any(not line.endswith("no finding") for line in said))


if __name__ == "__main__":
    main()
