"""The plugin that vLLM loads in each of its processes, through the entry point group `vllm.general_plugins`."""

import logging
import os
from importlib.metadata import version

from ..adapters import ADAPTERS

__all__ = ["AUTO", "TESTED", "register"]

AUTO = "auto"
"""The parser name that leaves the choice of the adapter to the checkpoint."""

TESTED = ("0.32",)
"""The vLLM releases that the suite has been run on."""

# Below vLLM's own logger, so that its settings and format hold here too.
_log = logging.getLogger("vllm.chat_adapters")
_PARSERS = f"{__name__}.tool_parser"


def register() -> None:
    """Makes each adapter known as `--tool-call-parser NAME`, and `auto`.

    It imports what vLLM has imported anyway, and can be called any number of times. The parsers and their grammars
    are loaded when one is chosen.
    """
    from vllm.tool_parsers import ToolParserManager

    lazy = ToolParserManager.lazy_parsers
    new = [name for name in (*ADAPTERS, AUTO) if lazy.get(name) != (_PARSERS, name)]
    for name in new:
        if name in ToolParserManager.list_registered():
            _log.warning(
                "chat_adapters: the tool parser %r is registered already; ours takes its place", name
            )
            ToolParserManager.tool_parsers.pop(name, None)
        ToolParserManager.register_lazy_module(name, _PARSERS, name)
    if new:
        _tell_what_is_untested()


def _tell_what_is_untested() -> None:
    import vllm

    release = ".".join(vllm.__version__.split(".")[:2])
    if release not in TESTED:
        _log.warning(
            "chat_adapters %s has been tested with vLLM %s, not with %s",
            version("vllm-chat-adapters"),
            ", ".join(TESTED),
            vllm.__version__,
        )
    if os.environ.get("VLLM_USE_RUST_FRONTEND", "0") not in ("", "0"):
        _log.warning(
            "chat_adapters: vLLM's Rust front end ignores Python tool parsers: unset VLLM_USE_RUST_FRONTEND"
        )
