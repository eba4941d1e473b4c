"""Qwen2.5 Instruct, and other models of the `<tool_call>` form (Hermes).

    Let me check.
    <tool_call>
    {"name": "get_weather", "arguments": {"city": "Paris"}}
    </tool_call>
    <tool_call>
    {"name": "get_weather", "arguments": {"city": "Rome"}}
    </tool_call>

Source: the chat template of Qwen/Qwen2.5-7B-Instruct (2,507 bytes, sha256 cd8e9439...527f); Qwen-Agent 0.0.34
`nous_fncall_prompt.py` writes the same. The markers are one token each in Qwen2.5 (151657, 151658, not special)
and four tokens each in Qwen2: they are matched as text.
"""

from ._format import Adapter, Format, JsonCall, Signs

QWEN2_5 = Adapter(
    name="qwen2_5",
    models="Qwen2.5 Instruct; Qwen2 and Hermes fine-tunes that write <tool_call>",
    format=Format(
        call=JsonCall(open="<tool_call>\n", close="\n</tool_call>"),
        lead="\n",
        separator="\n",
    ),
    turn_tokens=("<|im_start|>", "<|im_end|>"),
    stop_tokens=("<|im_end|>", "<|endoftext|>"),
    signs=(Signs(template="<args-json-object>"),),
)
