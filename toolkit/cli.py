"""The command line `chat-adapters`."""

from importlib.resources import files
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ..adapters import ADAPTERS, UnknownAdapterError, get

__all__ = ["app"]

app = typer.Typer(
    help="Tool calling for Llama 3.1, Qwen2, ChatGLM3 and InternLM2.5 on stock vLLM.",
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


@app.command()
def template(name: Annotated[str, typer.Argument(help="The adapter's name.")]) -> None:
    """Print the path of an adapter's chat template, for vllm serve --chat-template."""
    try:
        adapter = get(name)
    except UnknownAdapterError as error:
        raise typer.BadParameter(str(error)) from None
    typer.echo(files("chat_adapters.templates") / f"{adapter.name}.jinja")
