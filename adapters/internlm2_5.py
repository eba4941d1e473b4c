"""InternLM2 and InternLM2.5 chat.

    Sure, I will look.<|action_start|><|plugin|>
    {"name": "get_weather", "parameters": {"city": "Paris"}}<|action_end|>

    <|action_start|><|interpreter|>
    ```python
    print(2 ** 10)
    ```<|action_end|>

One action a turn is what was trained; several stand side by side. Early checkpoints and conversions spell the markers
as the tokenizer's pieces are called, `[UNUSED_TOKEN_141]` to `[UNUSED_TOKEN_144]`. LMDeploy took `<|action_end|>` for a
stop token, so that it may be missing. Fine-tunes made with LLaMA-Factory write `Action:` lines: the dialect `react`.

Source: InternLM/InternLM @fe4c2eb2 `chat/chat_format.md`; lmdeploy 0.9.2 `lmdeploy/model.py`; for the pieces' names
InternLM/InternEvo @c628a8c8 `tools/tokenizer_internlm2.model`.
"""

from ._adapter import Adapter, Signs
from ._dialects import REACT
from ._format import CodeCall, Format, JsonCall

_START, _END = "<|action_start|>", "<|action_end|>"
_PIECE_START, _PIECE_END = "[UNUSED_TOKEN_144]", "[UNUSED_TOKEN_143]"

INTERNLM2_5 = Adapter(
    name="internlm2_5",
    models="InternLM2 and InternLM2.5 chat",
    format=Format(
        call=JsonCall(open=f"{_START}<|plugin|>\n", close=_END, arguments_key="parameters"),
        also=(
            CodeCall(open=f"{_START}<|interpreter|>\n", close=_END),
            JsonCall(
                open=f"{_PIECE_START}[UNUSED_TOKEN_141]\n", close=_PIECE_END, arguments_key="parameters"
            ),
            CodeCall(open=f"{_PIECE_START}[UNUSED_TOKEN_142]\n", close=_PIECE_END),
        ),
    ),
    turn_tokens=("<|im_start|>", _START, _END, "<|plugin|>", "<|interpreter|>"),
    stop_tokens=("<|im_end|>", "</s>"),
    dialects=(REACT,),
    signs=(Signs(template="<|im_start|>"),),
)
