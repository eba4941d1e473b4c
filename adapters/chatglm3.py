"""ChatGLM3-6B.

    get_weather
     ```python
    tool_call(city='Paris', days=3)
    ```

The name is what the model writes behind the role marker in place of an empty line; an answer begins with that line,
`\\n `. A thought and its call are two turns in one reply: `\\n Let me see.<|assistant|>get_weather\\n...`. One call a turn
is what was trained; the marker stands between several. An `interpreter` gets code in the fence. Fine-tunes made with
LLaMA-Factory write a JSON object instead of the fence.

Source: `PROMPT.md` and `openai_api_demo/` of zai-org/ChatGLM3 @732294f4.
"""

from ._adapter import Adapter, Signs
from ._format import Format, PythonCall

_OBSERVATION = "<|observation|>"

CHATGLM3 = Adapter(
    name="chatglm3",
    models="ChatGLM3-6B",
    format=Format(
        call=PythonCall(open="<|assistant|>", function="tool_call", interpreter="interpreter"),
        separator="<|assistant|>",
        # SentencePiece writes a blank before each of the two parts of a turn.
        preludes=(" \n ", " \n", "\n", " ", "\n "),
        stop_token=_OBSERVATION,
    ),
    turn_tokens=("[gMASK]", "sop", "<|system|>", "<|user|>", "<|assistant|>", _OBSERVATION),
    stop_tokens=(_OBSERVATION, "<|user|>", "</s>"),
    signs=(Signs(template="[gMASK]sop<|"),),
)
