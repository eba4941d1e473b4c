"""Qwen2.5 Instruct, QwQ, and other models of the `<tool_call>` form (Hermes).

    Let me check.
    <tool_call>
    {"name": "get_weather", "arguments": {"city": "Paris"}}
    </tool_call>
    <tool_call>
    {"name": "get_weather", "arguments": {"city": "Rome"}}
    </tool_call>

Source: the chat template of Qwen/Qwen2.5-7B-Instruct (2,507 bytes, sha256 cd8e9439...527f); Qwen-Agent 0.0.34
`nous_fncall_prompt.py` writes the same, and so does QwQ behind its reasoning (chat template of Qwen/QwQ-32B, 2,825
characters). The markers are one token each in Qwen2.5 (151657, 151658, not special) and four tokens each in Qwen2:
they are matched as text. Qwen2.5-Coder writes a JSON fence or the bare object, and with
examples in the prompt `<tools>` (vllm-project/vllm#32926, with counts); llama.cpp's parser of this form reads
`<function=...>` besides (`tests/test-chat.cpp`).
"""

from ._adapter import Adapter, Dialect, Signs
from ._dialects import FENCED_JSON, MODELSCOPE, REACT
from ._format import Format, HeadedCall, JsonCall

QWEN2_5 = Adapter(
    name="qwen2_5",
    models="Qwen2.5 Instruct, QwQ; Qwen2 and Hermes fine-tunes that write <tool_call>",
    format=Format(
        call=JsonCall(open="<tool_call>\n", close="\n</tool_call>"),
        lead="\n",
        separator="\n",
    ),
    turn_tokens=("<|im_start|>", "<|im_end|>"),
    stop_tokens=("<|im_end|>", "<|endoftext|>"),
    dialects=(
        REACT,
        MODELSCOPE,
        FENCED_JSON,
        # An answer in JSON may be like it, as with Llama.
        Dialect("bare_json", (JsonCall(),), safe=False),
        # The prompt has the tools between these tags, and an answer may repeat them.
        Dialect("tools_tag", (JsonCall(open="<tools>\n", close="\n</tools>", weak=True),), safe=False),
        Dialect(
            "function_tag",
            (HeadedCall(open="<function=", between=">", close="</function>", weak=True),),
            safe=True,
        ),
    ),
    thinks=True,
    signs=(Signs(template="<args-json-object>"),),
)
