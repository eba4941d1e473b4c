"""The distills of DeepSeek-R1 on Qwen2.5 and on Llama, behind their reasoning.

    <think>
    The user wants the weather in Paris.
    </think>

    <tool_call>
    {"name": "get_weather", "arguments": {"city": "Paris"}}
    </tool_call>

They were trained on no form of calls that a prompt could show them: their template tells of calls in the history, in markers that
their vocabularies lack, and never of tools. So the form is Qwen2.5's, which the system text explains.

Source: the chat template of deepseek-ai/DeepSeek-R1-Distill-Qwen-32B, which those on Llama have, too; the added tokens in the
`tokenizer.json` of the distills on Qwen2.5 (from 151643 on).
"""

from ._adapter import Adapter, Signs
from .qwen2_5 import QWEN2_5

R1_DISTILL = Adapter(
    name="r1_distill",
    models="DeepSeek-R1-Distill-Qwen and -Llama",
    format=QWEN2_5.format,
    turn_tokens=("<｜begin▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>", "<｜end▁of▁sentence｜>"),
    stop_tokens=("<｜end▁of▁sentence｜>",),
    thinks=True,
    # DeepSeek's own models have these turns, and neither token.
    signs=(
        Signs(template="<｜Assistant｜>", token="<tool_call>"),
        Signs(template="<｜Assistant｜>", token="<|python_tag|>"),
    ),
)
