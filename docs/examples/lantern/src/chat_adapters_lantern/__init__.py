"""Lantern, a model that does not exist: its format was invented to show how an adapter is written.

Let me look.
⟦call get_weather⟧ {"city": "Paris"} ⟦end⟧
⟦call get_time⟧ {} ⟦end⟧
"""

from chat_adapters.adapters import Adapter, Format, HeadedCall, Signs

__all__ = ["LANTERN"]

LANTERN = Adapter(
    name="lantern",
    models="Lantern, an invented model",
    format=Format(
        call=HeadedCall(open="⟦call ", between="⟧ ", close=" ⟦end⟧"),
        lead="\n",
        separator="\n",
    ),
    turn_tokens=("<|turn|>", "<|over|>"),
    stop_tokens=("<|over|>",),
    signs=(Signs(template="⟦call "),),
    package=__name__,
)
