"""A vLLM that is not one of those tested: a line where it may work, and one clear error where it cannot."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("vllm", reason="vLLM is not installed: pip install 'vllm-chat-adapters[cpu]'")

from server import DUMMY, Server, ServerFailed
from tiny import FAMILIES, write_tiny_checkpoint

from chat_adapters.vllm_plugin import TESTED

ERROR = "chat_adapters.vllm_plugin.UnsupportedVllmError: chat_adapters "
BREAK = (
    "import vllm.parser; from vllm.tool_parsers import structural_tag_registry as r; "
    "vars(r).pop('register_vllm_structural_tag', None)"
)
ASK = """
from vllm.plugins import load_general_plugins
load_general_plugins()
from vllm.parser.parser_manager import ParserManager
parser = ParserManager.get_tool_parser("qwen2_5", enable_auto_tools=True)
print("it is registered")
parser(None, [])
"""


def ran(code: str) -> subprocess.CompletedProcess[str]:
    """A process of its own: what is broken there is whole here."""
    return subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("installed", ["0.99.0", "0.28.1"])
def test_another_release_is_said_once_and_goes_on(installed: str) -> None:
    code = f"import vllm; vllm.__version__ = {installed!r}"
    done = ran(f"{code}\nfrom chat_adapters.vllm_plugin import register\nregister(); register(); print('on')")
    said = [line for line in (done.stdout + done.stderr).splitlines() if "has been tested with" in line]
    assert len(said) == 1
    assert said[0].endswith(f"has been tested with vLLM {', '.join(TESTED)}, not with {installed}")
    assert done.stdout.endswith("on\n")


def test_other_processes_of_a_server_do_not_say_it_again() -> None:
    code = """
import multiprocessing

def load():
    import vllm
    vllm.__version__ = "0.99.0"
    from chat_adapters.vllm_plugin import register
    register()

if __name__ == "__main__":
    process = multiprocessing.get_context("fork").Process(target=load)
    process.start()
    process.join()
    assert process.exitcode == 0
"""
    done = ran(code)
    assert done.returncode == 0, done.stderr
    assert "has been tested with" not in done.stdout + done.stderr


MOVED = """
import sys
import vllm.parser

class Moved:
    def find_spec(self, name, path=None, target=None):
        if name == "vllm.tool_parsers.structural_tag_registry":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Moved())
del sys.modules["vllm.tool_parsers.structural_tag_registry"]
"""


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (MOVED, "No module named 'vllm.tool_parsers.structural_tag_registry'"),
        (BREAK, "cannot import name 'register_vllm_structural_tag'"),
        (
            "from vllm.tool_parsers.abstract_tool_parser import ToolParser as p; del p.get_structural_tag",
            "vllm.tool_parsers.abstract_tool_parser.ToolParser has no get_structural_tag",
        ),
        (
            "from vllm.renderers.base import BaseRenderer as r; del r._wants_offsets",
            "vllm.renderers.hf.HfRenderer has no _wants_offsets",
        ),
    ],
)
def test_a_release_that_lacks_a_name_is_refused_where_a_parser_is_asked_for(broken: str, why: str) -> None:
    done = ran(broken + ASK)
    assert done.stdout.endswith("it is registered\n"), done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith(ERROR)
    assert why in last
    assert last.endswith(f"Install one of those: pip install 'vllm=={TESTED[-1]}.*'")


def test_a_server_ends_with_that_error(tmp_path: Path) -> None:
    breaking = tmp_path / "breaking.py"
    breaking.write_text(BREAK + "\n", "utf-8")
    model = write_tiny_checkpoint(tmp_path / "tiny", FAMILIES["qwen2_5"])
    arguments = (*DUMMY, "--tool-parser-plugin", str(breaking))
    with pytest.raises(ServerFailed) as failed, Server(model, "qwen2_5", *arguments, workdir=tmp_path):
        pass
    said = [line for line in str(failed.value).splitlines() if "cannot work with" in line]
    assert "chat_adapters 0" in said[-1]
    assert "cannot import name 'register_vllm_structural_tag'" in said[-1]


def test_a_server_that_asks_for_nothing_of_ours_starts_as_it_does() -> None:
    done = ran(BREAK + ASK.replace('"qwen2_5"', '"hermes"').replace("parser(None, [])", ""))
    assert done.returncode == 0, done.stderr
    assert "UnsupportedVllmError" not in done.stderr
