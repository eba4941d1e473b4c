"""What a caller can do wrong. What the model writes never raises: it becomes events."""

from collections.abc import Iterable

__all__ = [
    "AdapterLoadError",
    "ChatAdaptersError",
    "CheckpointError",
    "FormatError",
    "ParserClosedError",
    "SchemaError",
    "TokenizerError",
    "ToolNameError",
    "UnknownAdapterError",
    "UnknownDialectError",
]


class ChatAdaptersError(ValueError):
    """Base of every error of this package; the message names the value seen and what to do."""


class FormatError(ChatAdaptersError):
    """An adapter's description contradicts itself; raised when the adapter is built."""


class UnknownAdapterError(ChatAdaptersError):
    """No adapter has this name."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"there is no adapter {name!r}; the adapters are: {', '.join(sorted(known))}")


class AdapterLoadError(ChatAdaptersError):
    """An adapter of another package is registered, and cannot be used."""

    def __init__(self, adapter: str, why: str) -> None:
        super().__init__(f"{adapter} cannot be used: {why}")


class UnknownDialectError(ChatAdaptersError):
    """An adapter has no dialect of this name."""

    def __init__(self, adapter: str, name: str, known: Iterable[str]) -> None:
        names = ", ".join(sorted(known)) or "none"
        super().__init__(f"{adapter} has no dialect {name!r}; its dialects are: {names}")


class ParserClosedError(ChatAdaptersError):
    """A parser lives for one reply; text was fed, or it was closed again, after close()."""

    def __init__(self) -> None:
        super().__init__("this parser is closed; a parser lives for one reply, make a new one for the next")


class ToolNameError(ChatAdaptersError):
    """A tool's name cannot be written in the model's format."""


class SchemaError(ChatAdaptersError):
    """A tool's parameters are not a JSON Schema that a grammar can be made of."""


class TokenizerError(ChatAdaptersError):
    """The checkpoint's tokenizer lacks a token of the adapter's chat format."""


class CheckpointError(ChatAdaptersError):
    """A checkpoint's files are not there, or not what they should be."""
