"""The command `playground`: a local page to try adapters on."""

import socket
from typing import Annotated

import typer

__all__ = ["playground"]

HOST = "127.0.0.1"


def playground(
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 for any that is free.")] = 8765,
) -> None:
    """Serve a local page: what a model is told, and what becomes of its reply, delta by delta."""
    try:
        import uvicorn

        from .server import app
    except ModuleNotFoundError as error:
        if error.name not in ("jinja2", "starlette", "uvicorn"):
            raise
        raise typer.BadParameter(
            f"this needs {error.name}: pip install 'vllm-chat-adapters[playground]'"
        ) from None
    try:
        listening = socket.create_server((HOST, port))
    except OSError as error:
        raise typer.BadParameter(
            f"port {port} cannot be had ({error.strerror}); choose another one, or 0 for any that is free"
        ) from None
    with listening:
        typer.echo(f"http://{HOST}:{listening.getsockname()[1]} (Ctrl+C ends it)")
        config = uvicorn.Config(app, log_level="warning", lifespan="off", proxy_headers=False, ws="none")
        uvicorn.Server(config).run(sockets=[listening])
