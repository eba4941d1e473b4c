"""The command line `chat-adapters`."""

import json
import re
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..adapters import (
    ADAPTERS,
    Adapter,
    AdapterLoadError,
    CheckpointError,
    UnknownAdapterError,
    get,
    template_path,
)
from ..vllm_plugin import AUTO
from .check import check
from .checkpoint import Checkpoint, NoCheckpointError, locate, read
from .doctor import Diagnosis, examine
from .inspect import grammar, parse, render
from .launch import docker, exec_server, generation_folder, merge, server, vllm_version
from .playground import playground
from .terminal import plain

__all__ = ["app"]

app = typer.Typer(
    help="Tool calling for Llama 3.1, Qwen2, ChatGLM3 and InternLM2.5 on stock vLLM, and for every model whose adapter "
    "an installed package brings: `chat-adapters list` names them all.",
    no_args_is_help=True,
    add_completion=False,
)


@app.command("list")
def list_adapters() -> None:
    """List the adapters: the names that --tool-call-parser takes."""
    table = Table("adapter", "models", box=None, pad_edge=False)
    for adapter in ADAPTERS.values():
        table.add_row(adapter.name, adapter.models)
    Console().print(table)


app.command()(playground)
app.command()(check)
app.command()(render)
app.command()(parse)
app.command()(grammar)

Name = Annotated[str, typer.Argument(help="The adapter's name.")]


@app.command()
def template(name: Name) -> None:
    """Print the path of an adapter's chat template, for vllm serve --chat-template."""
    try:
        typer.echo(template_path(adapter_of(name)))
    except AdapterLoadError as error:
        raise typer.BadParameter(str(error)) from None


@app.command()
def generation_config(name: Name) -> None:
    """Print the folder of a family's stop tokens, for vllm serve --generation-config."""
    folder = generation_folder(adapter_of(name))
    if folder is None:
        raise typer.BadParameter(
            f"the checkpoints of {name} name their stop tokens: leave --generation-config out"
        )
    typer.echo(folder)


@app.command()
def convert(
    checkpoint: Annotated[Path, typer.Argument(help="The folder of a ChatGLM3 checkpoint.")],
    output: Annotated[Path, typer.Argument(help="The folder to write, new or empty.")],
) -> None:
    """Make a ChatGLM3 checkpoint one that needs no remote code; its weights are linked, not copied."""
    try:
        from ..vllm_plugin.chatglm3 import convert as convert_chatglm3

        convert_chatglm3(checkpoint, output)
    except ImportError:
        raise typer.BadParameter(
            "this needs transformers, sentencepiece and protobuf: pip install 'vllm-chat-adapters[chatglm3]'"
        ) from None
    except (CheckpointError, OSError) as error:
        raise typer.BadParameter(str(error)) from None
    typer.echo(f"{output} is ready: vllm serve {output}")


CheckpointName = Annotated[
    str, typer.Argument(metavar="CHECKPOINT", help="A checkpoint's folder, or a repository of the hub.")
]
ParserName = Annotated[
    str,
    typer.Option("--tool-call-parser", "--tool_call_parser", help="The adapter, if you know better."),
]
Compat = Annotated[bool, typer.Option(help="Take requests in older styles, too.")]


@app.command()
def doctor(
    checkpoint: CheckpointName,
    parser: ParserName = AUTO,
    compat: Compat = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Say which adapter serves a checkpoint and why, what is wrong with it, and how to serve it."""
    found, diagnosis = look_at(checkpoint, parser, compat)
    flags = [part for flag in diagnosis.flags for part in flag]
    command = [*server(checkpoint), *flags] if diagnosis.ok else []
    in_docker = docker(found, options(parser, compat), diagnosis.adapter) if diagnosis.ok else []
    if as_json:
        report = {
            "checkpoint": checkpoint,
            "ok": diagnosis.ok,
            "adapter": diagnosis.adapter.name if diagnosis.adapter else None,
            "why": diagnosis.why,
            "findings": [asdict(finding) for finding in diagnosis.findings],
            "flags": flags,
            "command": command,
            "docker": in_docker,
        }
        typer.echo(json.dumps(report, indent=2))
    else:
        report_to(Console(), checkpoint, diagnosis)
        for title, line in (("Serve it:", command), ("Or in vLLM's image:", in_docker)):
            if line:
                typer.echo(f"\n{title}\n{shlex.join(line)}")
    if not diagnosis.ok:
        raise typer.Exit(1)


@app.command("flags")
def print_flags(checkpoint: CheckpointName, parser: ParserName = AUTO, compat: Compat = False) -> None:
    """Print the flags alone: vllm serve CHECKPOINT $(chat-adapters flags CHECKPOINT)."""
    _, diagnosis = look_at(checkpoint, parser, compat)
    report_to(Console(stderr=True), checkpoint, diagnosis, quiet=True)
    flags = [part for flag in diagnosis.flags for part in flag]
    torn = [part for part in flags if re.search(r"[\s*?\[]", part)]
    if torn:
        typer.echo(
            f"a shell would tear apart or replace {torn[0]!r}: chat-adapters serve {checkpoint}", err=True
        )
    if torn or not diagnosis.ok:
        raise typer.Exit(1)
    typer.echo(" ".join(flags))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def serve(
    context: typer.Context, checkpoint: CheckpointName, parser: ParserName = AUTO, compat: Compat = False
) -> None:
    """Run vLLM with a checkpoint's flags; further arguments are vLLM's, and win over ours."""
    _, diagnosis = look_at(checkpoint, parser, compat)
    report_to(Console(stderr=True), checkpoint, diagnosis, quiet=True)
    if not diagnosis.ok or vllm_version() is None:
        raise typer.Exit(1)
    command = [*server(checkpoint), *merge(diagnosis.flags, context.args)]
    typer.echo(shlex.join(command), err=True)
    try:
        exec_server(command)
    except OSError as error:
        typer.echo(f"{command[0]} cannot be run: {error}", err=True)
        raise typer.Exit(1) from None


def look_at(name: str, parser: str, compat: bool) -> tuple[Checkpoint, Diagnosis]:
    named = None if parser == AUTO else adapter_of(parser)
    try:
        checkpoint = read(name, locate(name))
        return checkpoint, examine(checkpoint, named, compat=compat)
    except (NoCheckpointError, AdapterLoadError) as error:
        raise typer.BadParameter(str(error)) from None


def options(parser: str, compat: bool) -> list[str]:
    """What the caller has said, for another run."""
    return [*(() if parser == AUTO else ("--tool-call-parser", parser)), *(("--compat",) if compat else ())]


STYLES = {"error": "bold red", "warning": "yellow", "note": "dim"}


def report_to(console: Console, name: str, diagnosis: Diagnosis, *, quiet: bool = False) -> None:
    """Print what was found; `quiet` leaves out what needs nothing done."""
    adapter = diagnosis.adapter
    if not quiet:
        verdict = f"{adapter.name} ({adapter.models})" if adapter else "no adapter"
        console.print(Text(plain(f"{name}: {verdict}"), style="bold"))
        for reason in diagnosis.why:
            console.print(Text(plain(f"  {reason}")))
    lines = Table.grid(padding=(0, 2))
    lines.add_column()
    lines.add_column(overflow="fold")
    for finding in diagnosis.findings:
        if not (quiet and finding.level == "note"):
            said = Text(plain(finding.text))
            lines.add_row(
                Text(finding.level, STYLES[finding.level]),
                said.append(plain(f"\n-> {finding.fix}"), "italic") if finding.fix else said,
            )
    if lines.row_count:
        console.print(lines)


def adapter_of(name: str) -> Adapter:
    try:
        return get(name)
    except (UnknownAdapterError, AdapterLoadError) as error:
        raise typer.BadParameter(str(error)) from None
