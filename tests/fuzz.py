"""Coverage-guided fuzzing of the parsers with libFuzzer, through atheris: `make fuzz`.

    python tests/fuzz.py                    every adapter, in FUZZ_SECONDS together
    python tests/fuzz.py llama3_1           one
    python tests/fuzz.py llama3_1 FILE      an input that libFuzzer wrote down, once more

It begins with the recorded replies of `fixtures/`, and keeps what reaches new branches in `.fuzz/`. That is no part of
the repository: some hundred files that nobody can review, and half a minute brings most of them back. A finding becomes
a fixture or a row of a test, by hand.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Literal
from zlib import crc32

import atheris

with atheris.instrument_imports(include=["chat_adapters.adapters"]):
    from chat_adapters.adapters import ADAPTERS, REPAIRS, Format, PythonCall, Tool

from chat_adapters.toolkit.checks import Reading, check_cuts, check_reading, pieces, read
from chat_adapters.toolkit.strategies import atoms

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / ".fuzz"
MAX_BYTES = 600  # more than any state holds back
NAMES = ("get_weather", "get_time", "save_note", "f")


class Fuzzed:
    """One adapter's parser under every input of libFuzzer's."""

    def __init__(self, format: Format) -> None:
        self._format = format
        self._translated = any(isinstance(form, PythonCall) for form in format.forms)
        self._seen: set[object] = set()

    def __call__(self, written: bytes) -> None:
        """Reads the input whole and in three pieces; in single characters too where the reading has a new shape.

        Raises:
            AssertionError: what every parser must keep does not hold.
        """
        text = written.decode("utf-8", "replace")
        # The setting and the cuts come from the input: so it alone repeats a finding.
        dice = crc32(written)
        tools = [Tool(name) for name in (*NAMES, "python")[: 4 + dice % 2]]
        unknown_tools: Literal["forward", "content"] = "content" if dice & 2 else "forward"
        repairs = REPAIRS if dice & 12 else frozenset()
        cuts = [(dice >> shift) % (len(text) + 1) for shift in (4, 18)]

        def way(deltas: list[str]) -> Reading:
            return read(self._format, tools, deltas, unknown_tools=unknown_tools, repairs=repairs)

        whole = way([text])
        check_reading(text, whole, translated=self._translated)
        assert way(pieces(text, cuts)) == whole, f"cut at {cuts}"
        shape = (tuple(map(type, whole.events)), tuple(whole.repairs), dice & 15)
        if shape not in self._seen:
            self._seen.add(shape)
            check_cuts(self._format, tools, text, unknown_tools=unknown_tools, repairs=repairs)


def fuzz(name: str, files: list[str], seconds: int) -> None:
    """Never returns: libFuzzer ends the process, with its own status and an account of what it did."""
    format = ADAPTERS[name].format
    corpus, seeds, words = (KEPT / name / part for part in ("corpus", "seeds", "words"))
    corpus.mkdir(parents=True, exist_ok=True)
    seeds.mkdir(exist_ok=True)
    # It reads no tree of folders.
    for reply in (ROOT / "fixtures" / name).glob("*/output.txt"):
        shutil.copy(reply, seeds / reply.parent.name)
    quoted = ["".join(f"\\x{byte:02x}" for byte in word.encode()) for word in atoms(format, NAMES)]
    words.write_text("".join(f'"{word}"\n' for word in quoted))
    options = [f"-dict={words}", f"-max_len={MAX_BYTES}", f"-max_total_time={seconds}", "-timeout=20"]
    options += [f"-artifact_prefix={KEPT / name}/", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *options, *(files or map(str, (corpus, seeds)))], Fuzzed(format))
    atheris.Fuzz()


def main() -> None:
    seconds = int(os.environ.get("FUZZ_SECONDS") or 300)
    name, *files = sys.argv[1:] or [""]
    if name:
        fuzz(name, files, seconds)
    share = {**os.environ, "FUZZ_SECONDS": str(seconds // len(ADAPTERS))}
    for name in ADAPTERS:
        if subprocess.call([sys.executable, __file__, name], env=share):
            sys.exit(f"{name}: a finding, see above; `{sys.argv[0]} {name} FILE` repeats it")


if __name__ == "__main__":
    main()
