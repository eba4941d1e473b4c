"""Llama 3.1 and 3.3 Instruct.

    {"name": "get_weather", "parameters": {"city": "Paris"}}
    <|python_tag|>{"name": "get_weather", "parameters": {"city": "Paris"}}; {"name": "get_time", "parameters": {}}
    <|python_tag|>brave_search.call(query="gold price")
    <|python_tag|>print(2 ** 10)
    <function=get_weather>{"city": "Paris"}</function>

No marker is reliable: the tag may be missing, and an answer may be JSON that is no call. So an object without a tag is
a call only if it names an offered tool. One call a turn is what was trained; several come with any separator, or in an
array, as LLaMA-Factory trains them. Llama 3.2 was trained on `[get_weather(city="Paris"), get_time()]` instead.

Source: Meta's llama-models 0.3.0, `llama3_1/prompt_format.md` and `llama3/chat_format.py`; the chat template of
Llama-3.1-8B-Instruct (4,614 bytes, sha256 e10ca381...4b65).
"""

from dataclasses import replace

from ._adapter import Adapter, Dialect, Signs
from ._dialects import FENCED_JSON, MODELSCOPE, REACT
from ._format import Format, HeadedCall, JsonCall, TaggedCall

_TAG = "<|python_tag|>"
_CALL = JsonCall(arguments_key="parameters")
_TAGGED = TaggedCall(
    open=_TAG, arguments_key="parameters", builtins=("brave_search", "wolfram_alpha", "photogen")
)

LLAMA3_1 = Adapter(
    name="llama3_1",
    models="Llama 3.1 and 3.3 Instruct",
    format=Format(
        call=_CALL,
        also=(_TAGGED, HeadedCall(open="<function=", between=">", close="</function>")),
        separator="; ",
        tag=_TAG,
    ),
    turn_tokens=("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", _TAG),
    stop_tokens=("<|eot_id|>", "<|eom_id|>", "<|end_of_text|>"),
    dialects=(
        REACT,
        MODELSCOPE,
        FENCED_JSON,
        # A list of names and parentheses may be a link: `[get_time()](https://...)`.
        Dialect("python_list", (replace(_CALL, python=True), replace(_TAGGED, python=True)), safe=False),
    ),
    trims=True,
    signs=(Signs(template="<|start_header_id|>"),),
)
