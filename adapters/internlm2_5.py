"""InternLM2 and InternLM2.5 chat.

    Sure, I will look.<|action_start|><|plugin|>
    {"name": "get_weather", "parameters": {"city": "Paris"}}<|action_end|>

Source: InternLM's `chat/chat_format.md` @fe4c2eb2.
"""

from ._format import Adapter, Format, JsonCall, Signs

INTERNLM2_5 = Adapter(
    name="internlm2_5",
    models="InternLM2 and InternLM2.5 chat",
    format=Format(
        call=JsonCall(
            open="<|action_start|><|plugin|>\n", close="<|action_end|>", arguments_key="parameters"
        ),
    ),
    turn_tokens=("<|im_start|>", "<|action_start|>", "<|action_end|>", "<|plugin|>", "<|interpreter|>"),
    stop_tokens=("<|im_end|>", "</s>"),
    signs=(Signs(template="<|im_start|>"),),
)
