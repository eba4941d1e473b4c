"""The normal form of a tool's parameters, worked out once: agents send the same tools with every turn."""

import json

from ._kept import Kept
from ._schema import Normalised, Parameters, Work, normalise

__all__ = ["as_text", "normal_form"]

_kept = Kept(4_000_000)  # characters


def normal_form(parameters: Parameters, work: Work | None = None) -> Normalised:
    """What `normalise` gives.

    Raises:
        SchemaError: as there.
    """
    key = as_text(parameters)
    if key and (known := _kept.get(key)) is not None:
        schema, unenforced = json.loads(known)
        return Normalised(schema, tuple(unenforced))
    found = normalise(parameters, work)
    if key:
        _kept.put(key, json.dumps(found))
    return found


def as_text(parameters: object) -> str:
    """These parameters as JSON; empty if they are none."""
    try:
        return json.dumps(parameters)
    except (TypeError, ValueError, RecursionError):
        return ""
