"""The command line `chat-adapters`."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ..adapters import ADAPTERS, Adapter, CheckpointError, UnknownAdapterError, get

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


Name = Annotated[str, typer.Argument(help="The adapter's name.")]


@app.command()
def template(name: Name) -> None:
    """Print the path of an adapter's chat template, for vllm serve --chat-template."""
    typer.echo(files("chat_adapters.templates") / f"{adapter_of(name).name}.jinja")


@app.command()
def generation_config(name: Name) -> None:
    """Print the folder of a family's stop tokens, for vllm serve --generation-config."""
    folder = files("chat_adapters.vllm_plugin") / "generation" / adapter_of(name).name
    if not folder.is_dir():
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


def adapter_of(name: str) -> Adapter:
    try:
        return get(name)
    except UnknownAdapterError as error:
        raise typer.BadParameter(str(error)) from None
