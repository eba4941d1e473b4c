"""What people run: the command line `chat-adapters`."""

import sys

__all__ = ["main"]


def main() -> None:
    """The command `chat-adapters`; its libraries are the extra `cli`."""
    try:
        from .cli import app
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        sys.exit(f"chat-adapters needs {error.name}: pip install 'vllm-chat-adapters[cli]'")
    app()
