"""What no parser can be below; `--tool-parser-plugin floor.py` makes a server know it as `floor`."""

from typing import Any

from vllm.entrypoints.generate.base.protocol import DeltaFunctionCall, DeltaMessage, DeltaToolCall
from vllm.tool_parsers import ToolParserManager
from vllm.tool_parsers.abstract_tool_parser import ToolParser

__all__ = ["FLOOR", "FloorParser"]

FLOOR = "floor"


class FloorParser(ToolParser):
    """It wraps each delta in the message that vLLM wants, and looks at nothing."""

    engine_based_streaming = True
    supports_required_and_named = False

    def extract_tool_calls_streaming(self, *arguments: Any) -> DeltaMessage:
        text: str = arguments[2]
        call = DeltaToolCall(index=0, function=DeltaFunctionCall(arguments=text))
        return DeltaMessage(tool_calls=[call])

    def finish_streaming(self) -> None:
        return None


ToolParserManager.register_module(FLOOR, module=FloorParser)
