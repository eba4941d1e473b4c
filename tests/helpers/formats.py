"""Formats that the tests invent: what the engine does must not depend on one family's markers."""

from chat_adapters.adapters import ADAPTERS, Format, JsonCall

UNMARKED = Format(
    call=JsonCall(arguments_key="parameters"),
    also=(JsonCall(open="<|python_tag|>", arguments_key="parameters"),),
    separator="; ",
)
"""Like Llama 3.1: the marker may be missing."""

INVENTED = Format(
    call=JsonCall(open="[[CALL]] ", close=" [[/CALL]]", name_key="tool", arguments_key="input"),
    lead=" ",
    separator=" ",
)
"""Like nobody."""

FORMATS = {
    **{name: adapter.format for name, adapter in ADAPTERS.items()},
    **{
        f"{name} and dialects": adapter.with_dialects(dialect.name for dialect in adapter.dialects)
        for name, adapter in ADAPTERS.items()
        if adapter.dialects
    },
    "unmarked": UNMARKED,
    "invented": INVENTED,
}
