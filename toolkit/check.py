"""`chat-adapters check`: the conformance kit from a shell."""

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..adapters import ADAPTERS, Adapter, AdapterLoadError

if TYPE_CHECKING:
    from .kit import Verdict

__all__ = ["check", "find"]

STYLES = {"passed": "green", "failed": "bold red", "skipped": "yellow"}


def check(
    module: Annotated[
        str,
        typer.Argument(metavar="MODULE", help="`package.module:ADAPTER`, a module, or an adapter's name."),
    ],
    fixtures: Annotated[
        Path | None,
        typer.Option(
            help="The folder of its cases. [default: fixtures/NAME, if it is there]",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    examples: Annotated[int, typer.Option(min=1, help="How many examples each generated check tries.")] = 100,
    write: Annotated[
        bool, typer.Option(help="First write the golden files that the cases have not.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Check an adapter: what parser, template and grammar must keep. Exit code 1 if something does not hold."""
    try:
        from hypothesis import settings

        from .kit import Subject, examine
        from .kit_fixtures import write_missing
    except ModuleNotFoundError as error:
        raise typer.BadParameter(f"this needs {error.name}: pip install 'vllm-chat-adapters[kit]'") from None
    # The same examples each time, and no files beside the caller's.
    settings.register_profile("check", max_examples=examples, derandomize=True, database=None)
    settings.load_profile("check")
    adapter = find(module)
    usual = Path("fixtures") / adapter.name
    subject = Subject(adapter, fixtures or (usual if usual.is_dir() else None))
    if write:
        for path in write_missing(subject):
            typer.echo(f"written: {path}", err=True)
    verdicts = list(examine(subject))
    ok = all(verdict.result != "failed" for verdict in verdicts)
    if as_json:
        report = {
            "adapter": adapter.name,
            "ok": ok,
            "checks": [verdict._asdict() for verdict in verdicts],
        }
        typer.echo(json.dumps(report, ensure_ascii=False, indent=2))
    else:
        _report(Console(), adapter, verdicts)
    if not ok:
        raise typer.Exit(1)


def find(name: str) -> Adapter:
    """The adapter of this name, or of a module.

    Raises:
        typer.BadParameter: there is none, there are several, or it cannot be used; the message says so.
    """
    try:
        if name in ADAPTERS:
            return ADAPTERS[name]
    except AdapterLoadError as error:
        raise typer.BadParameter(str(error)) from None
    path, _, attribute = name.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # as `python -m` does; a command has it not
    try:
        module = import_module(path)
        found = getattr(module, attribute) if attribute else None
    except Exception as error:  # noqa: BLE001 - whatever that module raises
        why = f"{type(error).__name__}: {error}"
        known = ", ".join(ADAPTERS)
        raise typer.BadParameter(f"{name} is no adapter ({known}), nor can it be imported: {why}") from None
    if attribute:
        if isinstance(found, Adapter):
            return found
        raise typer.BadParameter(f"{name} is of type {type(found).__name__}, not an Adapter")
    adapters = {key: value for key, value in vars(module).items() if isinstance(value, Adapter)}
    if len(adapters) == 1:
        return next(iter(adapters.values()))
    several = ", ".join(f"{path}:{key}" for key in adapters)
    raise typer.BadParameter(f"name one: {several}" if several else f"the module {path} has no Adapter")


def _report(console: Console, adapter: Adapter, verdicts: list["Verdict"]) -> None:
    table = Table("check", "what holds", "result", box=None, pad_edge=False)
    for verdict in verdicts:
        table.add_row(verdict.check, Text(verdict.what), Text(verdict.result, STYLES[verdict.result]))
    console.print(Text(f"{adapter.name} ({adapter.models})", style="bold"))
    console.print(table)
    for verdict in verdicts:
        if verdict.message:
            console.print(Text(f"\n{verdict.check} {verdict.result}", STYLES[verdict.result]))
            console.print(Text(verdict.message), soft_wrap=True)
