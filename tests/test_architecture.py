"""The shape of the tree: who may import whom, and that a model's four places are there."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from chat_adapters.adapters import ADAPTERS

ROOT = Path(__file__).resolve().parent.parent
# Nothing points back: toolkit -> vllm_plugin -> adapters -> templates.
ORDER = ("toolkit", "vllm_plugin", "adapters", "templates")
STANDARD_LIBRARY_ONLY = ("adapters", "templates")
HOST = {"vllm", "xgrammar", "torch", "transformers", "prometheus_client"}
ALLOWED = {"toolkit": {"xgrammar"}}
"""What of the host a folder may import all the same: the kit compiles grammars where there is no vLLM."""
EXECUTING = {"eval", "exec", "compile", "literal_eval", "__import__"}
UNPICKLING = {"pickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle"}


def imported(path: Path) -> set[str]:
    """The first names of what a module imports; those of our own folders relative, as they stand in the tree."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level == 2:
                names.add("." + module.split(".")[0])
            elif node.level == 0:
                names.add(module.split(".")[0])
    return names


@pytest.mark.parametrize("folder", ORDER)
def test_arrows_point_one_way(folder: str) -> None:
    allowed = {f".{name}" for name in ORDER[ORDER.index(folder) + 1 :]}
    for path in (ROOT / folder).glob("*.py"):
        names = imported(path)
        assert {name for name in names if name.startswith(".")} <= allowed, path
        if folder != "vllm_plugin":
            known = names & HOST - ALLOWED.get(folder, set())
            assert not known, f"{path}: only vllm_plugin knows the host"
        if folder in STANDARD_LIBRARY_ONLY:
            outside = {name for name in names if not name.startswith(".")} - sys.stdlib_module_names
            assert not outside, path


def executing(source: str) -> list[str]:
    """What in a module may run or unpickle a text, wherever it is named: called, imported, or handed on."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(ast.Name("re" | "regex"), "compile"):
                pass
            case ast.Name(name) | ast.Attribute(_, name) if name in EXECUTING:
                found.append(name)
            case ast.Import(names):
                found += [alias.name for alias in names if alias.name.split(".")[0] in UNPICKLING]
            case ast.ImportFrom(module, names):
                found += [alias.name for alias in names if alias.name in EXECUTING]
                found += [module] if module and module.split(".")[0] in UNPICKLING else []
            case ast.Constant(str(text)) if text in EXECUTING | UNPICKLING:
                found.append(text)
    return found


def test_no_model_text_is_ever_executed() -> None:
    modules = [path for folder in ORDER for path in (ROOT / folder).rglob("*.py")]
    assert {path: found for path in modules if (found := executing(path.read_text("utf-8")))} == {}
    assert {path.relative_to(ROOT).parts[0] for path in modules} == set(ORDER)


@pytest.mark.parametrize(
    "source",
    [
        "eval(text)", "exec(text)", "compile(text, name, 'exec')", "run = eval", "map(eval, texts)", "builtins.eval(text)",
        "ast.literal_eval(text)", "from ast import literal_eval as read", "__builtins__.exec(text)", "__import__('json')",
        "import pickle", "import marshal as m", "from pickle import loads", "importlib.import_module('pickle')",
        "getattr(builtins, 'eval')(text)", "from builtins import compile",
    ],
)  # fmt: skip
def test_whatever_executes_is_seen(source: str) -> None:
    assert executing(source)
    assert not executing("re.compile(text); json.loads(text); self.evaluate(text); text = 'no eval, no exec'")


def test_importing_the_adapters_loads_no_host() -> None:
    program = f"import sys, chat_adapters.adapters; print(sorted({HOST!r} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ADAPTERS)
def test_a_model_is_found_by_its_name(name: str) -> None:
    assert (ROOT / "adapters" / f"{name}.py").is_file()
    assert (ROOT / "templates" / f"{name}.jinja").is_file()
    assert any((ROOT / "fixtures" / name).glob("*/request.json"))


def test_nothing_lies_about_that_no_adapter_uses() -> None:
    modules = {path.stem for path in (ROOT / "adapters").glob("[!_]*.py")}
    templates = {path.stem for path in (ROOT / "templates").glob("*.jinja")}
    fixtures = {path.name for path in (ROOT / "fixtures").iterdir()}
    assert modules == templates == fixtures == set(ADAPTERS)
