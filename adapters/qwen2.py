"""Qwen2 Instruct (and Qwen1.5) in their native form.

    Let me check.
    ✿FUNCTION✿: get_weather
    ✿ARGS✿: {"city": "Paris"}
    ✿FUNCTION✿: get_weather
    ✿ARGS✿: {"city": "Rome"}

Calls, results and answer stand in one assistant turn, so that a reply goes on where the template left it: behind a bare
`✿RETURN✿` it begins with a colon, and some models write the marker again. Where the model should wait for a result it
writes `✿RESULT✿`: a stop string. None of the markers is a special token. Many fine-tunes write `<tool_call>` instead.

Source: Qwen-Agent 0.0.34 `qwen_fncall_prompt.py`; Qwen's documentation, `function_call.md` @44bf685.
"""

from ._adapter import Adapter, Signs
from ._format import Format, HeadedCall
from .qwen2_5 import QWEN2_5

_RETURNS = ("✿RETURN✿: ", "✿RETURN✿:")

QWEN2 = Adapter(
    name="qwen2",
    models="Qwen2 and Qwen1.5 chat models, their native ✿ form",
    format=Format(
        call=HeadedCall(
            open="✿FUNCTION✿: ",
            between="\n✿ARGS✿: ",
            at_line_start=True,
            repeats=True,
            fenced_code=True,
        ),
        also=(QWEN2_5.format.call,),
        lead="\n",
        separator="\n",
        preludes=(
            *_RETURNS,
            *(f": {again}" for again in _RETURNS),
            *(f"{again}: " for again in _RETURNS),
            ": ",
        ),
        # With the line feed: it would be left as content, and a reply may begin with the bare marker.
        stop_strings=("\n✿RESULT✿", "\n✿RETURN✿"),
    ),
    turn_tokens=QWEN2_5.turn_tokens,
    stop_tokens=QWEN2_5.stop_tokens,
    dialects=QWEN2_5.dialects,
    # The official template knows no tools; the flower is one token in few vocabularies.
    signs=(Signs(template="You are a helpful assistant", token="✿", without="<tool_call>"),),
)
