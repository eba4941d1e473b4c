"""The plugin that vLLM loads in each of its processes, through the entry point group `vllm.general_plugins`."""

import logging
import multiprocessing
import os
from importlib.metadata import version
from typing import TYPE_CHECKING

from ..adapters import ADAPTERS, AUTO, ChatAdaptersError
from .settings import changed, current_settings

if TYPE_CHECKING:
    from .openai_compat import OpenAICompat
else:

    def __getattr__(name: str) -> object:
        """The middleware, which vLLM looks up here if it is asked for one."""
        if name != "OpenAICompat":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from .openai_compat import OpenAICompat

        return OpenAICompat


__all__ = ["AUTO", "MODE", "TESTED", "OpenAICompat", "UnsupportedVllmError", "register"]

MODE = "chat_adapters"
"""The tokenizer mode in which contents cannot hold special tokens; and the reasoning parser."""

TESTED = ("0.29", "0.30", "0.31", "0.32")
"""The vLLM releases that the suite has been run on: `make matrix`."""

# Below vLLM's own logger, so that its settings and format hold here too.
_log = logging.getLogger("vllm.chat_adapters")
_PARSERS = f"{__name__}.parsers"


class UnsupportedVllmError(ChatAdaptersError):
    """The vLLM that is installed lacks what the plugin needs of it."""

    def __init__(self, installed: str, why: str) -> None:
        super().__init__(
            f"{_tested_with()}, and cannot work with {installed}, which is installed: {why}. "
            f"Install one of those: pip install 'vllm=={TESTED[-1]}.*'"
        )


def register() -> None:
    """Makes each adapter known as `--tool-call-parser NAME`, and `auto`; `chat_adapters` as `--tokenizer-mode` and as
    `--reasoning-parser`; InternLM2's configuration.

    It imports what vLLM has imported anyway, and can be called any number of times. The parsers, their grammars, the
    tokenizer mode and the adapters of other packages are loaded when one is chosen.

    Raises:
        SettingsError: a variable `CHAT_ADAPTERS_*` is wrong; the server does not start.
    """
    current_settings()
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
        _tell_what_is_set()
    _register_what_is_no_adapter()


def _tell_what_is_set() -> None:
    """Once for a server, whose other processes were started by this one."""
    differs = ", ".join(changed(current_settings()))
    if differs and multiprocessing.parent_process() is None:
        # A warning: vLLM sets its log up later, and until then nothing less is shown.
        _log.warning("chat_adapters: settings that differ from the defaults: %s", differs)


def _register_what_is_no_adapter() -> None:
    from transformers import AutoConfig
    from vllm.reasoning import ReasoningParserManager
    from vllm.renderers.registry import RENDERER_REGISTRY
    from vllm.tokenizers.registry import TokenizerRegistry

    from .internlm2_config import InternLM2Config

    # vLLM looks a mode up twice, by the same name; it warns when one is registered again.
    if MODE not in TokenizerRegistry.tokenizers:
        TokenizerRegistry.register(MODE, f"{__name__}.tokenizer", "CheckpointTokenizer")
    if MODE not in RENDERER_REGISTRY.renderers:
        RENDERER_REGISTRY.register(MODE, f"{__name__}.renderer", "ContentRenderer")
    ReasoningParserManager.register_lazy_module(MODE, f"{__name__}.reasoning", "ThinkParser")
    # What is registered is preferred to the code that a checkpoint names.
    AutoConfig.register(InternLM2Config.model_type, InternLM2Config, exist_ok=True)


def _tested_with() -> str:
    return f"chat_adapters {version('vllm-chat-adapters')} has been tested with vLLM {', '.join(TESTED)}"


def _tell_what_is_untested() -> None:
    """Once for a server, as above."""
    import vllm

    release = ".".join(vllm.__version__.split(".")[:2])
    if release not in TESTED and multiprocessing.parent_process() is None:
        _log.warning("%s, not with %s", _tested_with(), vllm.__version__)
    if os.environ.get("VLLM_USE_RUST_FRONTEND", "0") not in ("", "0"):
        _log.warning(
            "chat_adapters: vLLM's Rust front end ignores Python tool parsers: unset VLLM_USE_RUST_FRONTEND"
        )
