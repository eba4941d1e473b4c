"""ChatGLM3-6B.

    get_weather
     ```python
    tool_call(city='Paris', days=3)
    ```

Source: `PROMPT.md` of zai-org/ChatGLM3 @732294f4.
"""

from ._format import Adapter, Format, HeadedCall, Signs

CHATGLM3 = Adapter(
    name="chatglm3",
    models="ChatGLM3-6B",
    format=Format(call=HeadedCall(open="<|assistant|>", between="\n ```python\n", close="\n```")),
    turn_tokens=("[gMASK]", "sop", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"),
    stop_tokens=("<|observation|>", "<|user|>", "</s>"),
    signs=(Signs(template="[gMASK]sop"),),
)
