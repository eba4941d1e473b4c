"""Writes replies as a model trained on a format writes them: what a parser must read back."""

import json
from collections.abc import Mapping

from ..adapters import Form, Format, PythonCall

__all__ = ["write_arguments", "write_reply"]


def write_reply(format: Format, *calls: tuple[str, str], text: str = "", after_result: bool = False) -> str:
    """A text, then calls, each a name and its arguments in JSON.

    With `after_result` the prompt ends behind a tool's result, where it may have begun what the reply goes on with.

    Raises:
        ToolNameError: the format cannot carry a name.
    """
    form = format.call
    begin, lead = format.preludes[-1] if after_result and format.preludes else "", format.lead
    if isinstance(form, PythonCall):
        begin, lead = form.answer * bool(text), form.open
        calls = tuple((name, write_arguments(form, json.loads(arguments))) for name, arguments in calls)
    wrote = format.separator.join(form.begin(name) + arguments + form.end for name, arguments in calls)
    return begin + text + lead * bool((begin or text) and calls) + wrote


def write_arguments(form: Form, arguments: Mapping[str, object]) -> str:
    """The arguments of a call as this form has them."""
    if not isinstance(form, PythonCall):
        return json.dumps(arguments, ensure_ascii=False)
    return ", ".join(
        f"{key}={_python(value)}" if key.isidentifier() else "**" + _python({key: value})
        for key, value in arguments.items()
    )


def _python(value: object) -> str:
    """A Python literal, with JSON's strings."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)}: {_python(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_python, value)) + "]"
    if value is None or isinstance(value, bool):
        return str(value)
    return json.dumps(value, ensure_ascii=False)
