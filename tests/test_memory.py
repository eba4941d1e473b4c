"""What a parser keeps of what has left it, and what the plugin adds to a process of vLLM's."""

import gc
import subprocess
import sys
import tracemalloc

import pytest

from chat_adapters.adapters import ADAPTERS, Parser, Tool
from chat_adapters.toolkit.writing import write_reply

SIZE = 8192
CALL = ("f", '{"x": "' + "a\\n" * 50 + '"}')
REPLIES = {
    "one argument": lambda format, size: write_reply(format, ("f", f'{{"x": "{"word " * (size // 5)}"}}')),
    "many calls": lambda format, size: write_reply(format, *[CALL] * (size // len(CALL[1]))),
    "text": lambda format, size: write_reply(format, text="It is {fine} here.\n" * (size // 19)),
}


def kept(name: str, reply: str) -> int:
    """Bytes that the parser holds behind the reply."""
    tracemalloc.start()
    parser = Parser(ADAPTERS[name].format, [Tool("f")])
    for start in range(0, len(reply), 64):
        parser.feed(reply[start : start + 64])
    gc.collect()  # a step refers to its reader, and so to itself
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size


@pytest.mark.parametrize("name", ADAPTERS)
@pytest.mark.parametrize("what", REPLIES)
def test_what_has_left_a_parser_is_not_kept(name: str, what: str) -> None:
    short, long = (REPLIES[what](ADAPTERS[name].format, size) for size in (SIZE, 8 * SIZE))
    assert len(long) > 7 * len(short)
    kept(name, short)  # what is made once
    assert kept(name, long) < kept(name, short) + 2048


def test_the_engine_is_loaded_when_it_is_needed() -> None:
    """Not in every process that loads the plugin."""
    program = "import sys, chat_adapters.vllm_plugin; print([name for name in sys.modules if '._' in name])"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "chat_adapters.adapters._format" in ran.stdout
    for module in ("_parser", "_grammar", "_schema"):
        assert f"chat_adapters.adapters.{module}'" not in ran.stdout
