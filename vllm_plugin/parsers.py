"""Where vLLM looks an adapter's parser up, by the adapter's name.

vLLM says of a parser that cannot be imported only that it "has not been registered". Where the reason is vLLM itself, it
gets a parser that says so: vLLM makes one when the server starts, which then ends with that error.
"""

from vllm.tool_parsers import ToolParser

from . import UnsupportedVllmError

__all__ = ["refusing"]


def __getattr__(name: str) -> type[ToolParser]:
    try:
        from . import tool_parser
    except UnsupportedVllmError as error:
        return refusing(error)
    found: type[ToolParser] = getattr(tool_parser, name)
    return found


def refusing(error: UnsupportedVllmError) -> type[ToolParser]:
    """A parser that cannot be made."""

    class Refusing(ToolParser):
        def __init__(self, *_: object) -> None:
            raise error

    return Refusing
