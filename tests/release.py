"""What must hold of a release: what its files hold, and the suite against the wheel as it is installed. For `make release-check`.

    python tests/release.py                                       # the whole suite, from the unpacked sdist
    SUITE='tests/test_packaging.py tests/test_cli.py' python tests/release.py

Nothing is installed twice: the fresh environment sees the packages of this one, but for ours.
"""

import os
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ("adapters", "templates", "toolkit", "vllm_plugin")
LEFT_OUT = (".ci/*", ".gitignore", "tests/typing/*")
"""Of the repository's files those that an sdist does without: what belongs to a checkout."""
NOT_REUSED = ("vllm_chat_adapters-*", "__editable__*", "__pycache__")
"""What stands in this environment for the package that is to be tested."""


def main() -> None:
    shutil.rmtree(ROOT / "dist", ignore_errors=True)
    shutil.rmtree(ROOT / "build", ignore_errors=True)
    run(sys.executable, "-m", "build")
    (wheel,), (sdist,) = (ROOT / "dist").glob("*.whl"), (ROOT / "dist").glob("*.tar.gz")
    run(sys.executable, "-m", "twine", "check", "--strict", str(wheel), str(sdist))
    run(sys.executable, "-m", "check_wheel_contents", str(wheel))
    look_into(wheel, sdist)
    with tempfile.TemporaryDirectory() as folder:
        test(wheel, sdist, Path(folder))


def look_into(wheel: Path, sdist: Path) -> None:
    """Every file of the repository is where it belongs, and nothing else is there."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    ours = {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}
    installed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    compare("wheel", installed, {f"chat_adapters/{name}" for name in ours if name.startswith(SHIPPED)})
    with tarfile.open(sdist) as archive:
        packed = {member.name.partition("/")[2] for member in archive if member.isfile()}
    wanted = {name for name in ours if not any(fnmatch(name, pattern) for pattern in LEFT_OUT)}
    made = {name for name in packed if name.startswith("vllm_chat_adapters.egg-info/")}
    compare("sdist", packed - made - {"PKG-INFO", "setup.cfg"}, wanted)


def compare(what: str, found: set[str], wanted: set[str]) -> None:
    wrong = [f"missing: {name}" for name in sorted(wanted - found)]
    wrong += [f"not of the repository: {name}" for name in sorted(found - wanted)]
    if wrong:
        sys.exit(f"the {what} does not hold what it should:\n" + "\n".join(wrong))


def test(wheel: Path, sdist: Path, folder: Path) -> None:
    """The suite of the sdist in a fresh environment, with the wheel."""
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    source = folder / sdist.name.removesuffix(".tar.gz")
    venv.create(folder / "env", with_pip=True)
    python = folder / "env" / "bin" / "python"
    (site,) = (folder / "env" / "lib").glob("python*/site-packages")
    (site / "reused.pth").write_text(str(reused(folder / "reused")), "utf-8")
    run(str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel))
    # With -P the folders beside the tests are not on the path: `chat_adapters` is the wheel's.
    suite = shlex.split(os.environ.get("SUITE", ""))
    run(str(python), "-P", "-m", "pytest", *suite, cwd=source)


def reused(farm: Path) -> Path:
    """A folder with links to all that is installed here, but for our own package."""
    farm.mkdir()
    for place in sys.path:
        if Path(place).name == "site-packages":
            for found in Path(place).iterdir():
                link = farm / found.name
                if not link.exists() and not any(fnmatch(found.name, pattern) for pattern in NOT_REUSED):
                    link.symlink_to(found)
    return farm


def run(*command: str, cwd: Path = ROOT) -> None:
    print("$", shlex.join(command), flush=True)
    done = subprocess.run(command, cwd=cwd, check=False)
    if done.returncode:
        sys.exit(done.returncode)


if __name__ == "__main__":
    main()
