"""Reading what callers wrote: every value has a place, and one that is not what it should be an error that names it."""

import re
from collections.abc import Mapping, Sequence

from ._errors import SchemaError

__all__ = ["Place", "Words", "error", "list_", "mapping", "number", "said", "shown", "text"]

Words = Mapping[str, object]
"""A schema as it came: keywords and what they say."""
Place = tuple[str, ...]
"""The keys that lead to a value."""

MAX_SHOWN = 12  # keys of a place, the first and the last; a place may be as long and as deep as callers like
HALF_A_PAIR = re.compile("[\ud800-\udfff]")


def mapping(value: object, at: Place) -> Words:
    if not isinstance(value, Mapping):
        raise error(at, f"must be an object, not {shown(value)}")
    return value


def list_(value: object, at: Place) -> Sequence[object]:
    if not isinstance(value, list | tuple):
        raise error(at, f"must be a list, not {shown(value)}")
    return value


def text(value: object, at: Place) -> str:
    if not isinstance(value, str):
        raise error(at, f"must be a string, not {shown(value)}")
    if HALF_A_PAIR.search(value):
        raise error(at, f"{shown(value)} has half a surrogate pair, which no text has")
    return value


def number(value: object, at: Place) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not -1e308 <= value <= 1e308:
        raise error(at, f"must be a number, not {shown(value)}")
    return value


def shown(value: object) -> str:
    """The beginning of a value, as a message may hold it."""
    if isinstance(value, str):
        value = value[:40]
    elif isinstance(value, list | tuple | Mapping) and len(value) > 8:
        return f"{len(value)} values"
    try:
        written = ascii(value)
    except (ValueError, RecursionError):  # thousands of digits, or of lists in each other
        return "this"
    return written if len(written) < 40 else written[:36] + " ..."


def said(at: Place) -> str:
    """The place as people read it: `properties.city.type`."""
    if len(at) > MAX_SHOWN:
        at = (*at[: MAX_SHOWN // 2], "...", *at[-MAX_SHOWN // 2 :])
    return ".".join(key if len(key) <= 64 else key[:60] + "..." for key in at) or "parameters"


def error(at: Place, what: str) -> SchemaError:
    return SchemaError(f"{said(at)}: {what}")
