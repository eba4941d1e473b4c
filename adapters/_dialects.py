"""Dialects that several families have.

    Thought: I should look.                                     react
    Action: get_weather
    Action Input: {"city": "Paris"}

    工具调用                                                     modelscope
    Action: get_weather
    Action Input: {"city": "Paris"}

    ```json                                                     fenced_json
    {"name": "get_weather", "arguments": {"city": "Paris"}}
    ```

A call ends with its object: the `Observation:` that a model invents behind it is text, and so is what comes before.

Sources, in this order: Qwen-Agent 0.0.34 `agents/react_chat.py`, and what LLaMA-Factory trains where a template has no
tools of its own (hiyouga/LLaMA-Factory `tests/data/test_formatter.py`); modelscope/modelscope-agent @4238cf9d
`modelscope_agent/llm/utils/function_call_with_raw_prompt.py` and the guides beside it; vllm-project/vllm#32926.
"""

from ._adapter import Dialect
from ._format import HeadedCall, JsonCall

__all__ = ["FENCED_JSON", "MODELSCOPE", "REACT"]


def _action(heading: str = "") -> HeadedCall:
    return HeadedCall(open=f"{heading}Action: ", between="\nAction Input: ", at_line_start=True, weak=True)


REACT = Dialect("react", (_action(),), safe=True)
# The heading stands once before several calls, or is left out.
MODELSCOPE = Dialect(
    "modelscope", (_action("工具调用\n"), _action("Tool Invocation\n"), _action()), safe=True
)
# An answer may show how a call is written.
FENCED_JSON = Dialect(
    "fenced_json", (JsonCall(open="```json\n", at_line_start=True, weak=True, fenced=True),), safe=False
)
