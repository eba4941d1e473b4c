"""The model families, and the engine that reads and constrains what they write.

Standard library only: no vLLM, no torch, no transformers.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from ._adapter import Adapter, Dialect, Signs
from ._errors import (
    AdapterLoadError,
    ChatAdaptersError,
    CheckpointError,
    FormatError,
    ParserClosedError,
    SchemaError,
    TokenizerError,
    ToolNameError,
    UnknownAdapterError,
    UnknownDialectError,
)
from ._events import Arguments, CallBegin, CallEnd, Event, Markup, Text
from ._format import (
    CodeCall,
    Form,
    Format,
    HeadedCall,
    JsonCall,
    PythonCall,
    TaggedCall,
    Tool,
    check_tool_name,
)
from ._registry import AUTO, Registry
from ._repairs import COERCIONS, REPAIRS
from ._tally import EXCERPT, MISSES, Tally
from ._type_names import NameBudget
from .chatglm3 import CHATGLM3
from .internlm2_5 import INTERNLM2_5
from .llama3_1 import LLAMA3_1
from .qwen2 import QWEN2
from .qwen2_5 import QWEN2_5
from .r1_distill import R1_DISTILL

if TYPE_CHECKING:
    from ._choose import choose, look
    from ._continued import ContinuedParser
    from ._grammar import Choice, Report, structural_tag
    from ._json_schema import as_json_schema
    from ._offline import (
        Message,
        Stops,
        ToolCall,
        as_tools,
        read_message,
        read_template,
        stop_token_ids,
        stops,
        template_path,
    )
    from ._parser import Parser
    from ._reply import Call, Reply, read_reply
else:
    # What reads and constrains is loaded when it is first asked for: vLLM loads the plugin in processes that do neither.
    def __getattr__(name: str) -> object:
        if name in __all__:
            for module in (
                "_choose",
                "_continued",
                "_grammar",
                "_json_schema",
                "_offline",
                "_parser",
                "_reply",
            ):
                loaded = import_module(f".{module}", __name__)
                if hasattr(loaded, name):
                    globals()[name] = getattr(loaded, name)  # and is not asked for again
                    return globals()[name]
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "ADAPTERS",
    "AUTO",
    "COERCIONS",
    "EXCERPT",
    "MISSES",
    "REPAIRS",
    "Adapter",
    "AdapterLoadError",
    "Arguments",
    "Call",
    "CallBegin",
    "CallEnd",
    "ChatAdaptersError",
    "CheckpointError",
    "Choice",
    "CodeCall",
    "ContinuedParser",
    "Dialect",
    "Event",
    "Form",
    "Format",
    "FormatError",
    "HeadedCall",
    "JsonCall",
    "Markup",
    "Message",
    "NameBudget",
    "Parser",
    "ParserClosedError",
    "PythonCall",
    "Registry",
    "Reply",
    "Report",
    "SchemaError",
    "Signs",
    "Stops",
    "TaggedCall",
    "Tally",
    "Text",
    "TokenizerError",
    "Tool",
    "ToolCall",
    "ToolNameError",
    "UnknownAdapterError",
    "UnknownDialectError",
    "as_json_schema",
    "as_tools",
    "check_tool_name",
    "choose",
    "get",
    "look",
    "read_message",
    "read_reply",
    "read_template",
    "stop_token_ids",
    "stops",
    "structural_tag",
    "template_path",
]

ADAPTERS = Registry((CHATGLM3, INTERNLM2_5, LLAMA3_1, QWEN2, QWEN2_5, R1_DISTILL))
"""Every adapter by its name, with those that other installed packages bring; a new one of ours is one line here."""


def get(name: str) -> Adapter:
    """The adapter of this name.

    Raises:
        UnknownAdapterError: there is none; the message lists those there are.
        AdapterLoadError: another package brings it, and it cannot be used; the message says why.
    """
    try:
        return ADAPTERS[name]
    except KeyError:
        raise UnknownAdapterError(name, ADAPTERS) from None
