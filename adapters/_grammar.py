"""The decoding grammar of a format for a set of tools, as plain data.

What comes out is the JSON form of an xgrammar `StructuralTag` (xgrammar 0.2.8, `structural_tag.py`), made of
dicts, lists and strings alone: it can be printed, compared and stored, and is built without xgrammar.
"""

from collections.abc import Sequence
from os.path import commonprefix
from typing import Literal, cast

from ._errors import SchemaError
from ._format import Format, HeadedCall, JsonCall, PythonCall, Tool
from ._normal_form import each
from ._python_grammar import keyword_arguments
from ._schema import normalise

__all__ = ["Choice", "structural_tag"]

Choice = Literal["auto", "required", "forced"]

# White-space characters in a row inside the arguments. One admits every spelling that templates write, `{"a":1}`,
# `{"a": 1}` and `{ "a" : 1 }`, and leaves a model nothing to pad with; xgrammar refuses 0, and 2 or more would admit
# indented JSON, which no format here was trained on.
MAX_WHITESPACE = 1

# Of a string with minLength or maxLength xgrammar 0.2.8 makes one that may hold raw control characters, which is not
# JSON, and no escapes. So lengths go out as patterns. A pattern keeps to characters that need no escape, which would
# leave a model without line feeds and quotes wherever somebody asks for a text that is not empty; unless the pattern
# is not all ASCII: then it is taken as it stands, and may spell the escapes.
PLAIN = r'[^"\\\x00-\x1f]'
MORE = rf'{PLAIN}*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{{4}}){PLAIN}*)*'
# One character: not one half of a pair, for which JSON would count none.
ESCAPED = r'\\(?:["\\/bfnrt]|u(?:[0-9a-cefA-CEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}))'


def structural_tag(format: Format, tools: Sequence[Tool], choice: Choice) -> dict[str, object]:
    """The structural tag that holds a reply to calls of `tools` as `format` writes them.

    `required`: one call or more, with the format's separator between them and nothing else. `forced`: exactly one
    call; `tools` holds the tool that was named. `auto`: free text, in which every opening marker starts a call.
    The arguments are held to the normalised parameters in all three.

    Args:
        format: how the model writes a call; the grammar admits its trained form, `format.call`.
        tools: the tools that may be called.
        choice: what the request asks for, as vLLM's structural tag builders get it.

    Raises:
        ToolNameError: a name cannot be written in this format.
        SchemaError: parameters cannot be turned into a grammar; the message names the tool and the place.
    """
    tags = [_tag(format.call, tool) for tool in tools]
    inner: dict[str, object]
    if choice == "auto":
        inner = {"type": "triggered_tags", "triggers": _triggers(format.call, tools), "tags": tags}
    else:
        if isinstance(format.call, PythonCall):
            tags = [_after_blank(tag) for tag in tags]
        inner = {
            "type": "tags_with_separator",
            "tags": tags,
            "separator": format.separator,
            "at_least_one": True,
            "stop_after_first": choice == "forced",
        }
        elements = [*_optional(format.tag), inner, *_optional(format.stop_token)]
        if len(elements) > 1:
            inner = {"type": "sequence", "elements": elements}
    return {"type": "structural_tag", "format": inner}


def _tag(call: JsonCall | HeadedCall | PythonCall, tool: Tool) -> dict[str, object]:
    content: dict[str, object]
    try:
        schema = normalise(tool.parameters).schema
        if isinstance(call, PythonCall):
            content = {"type": "grammar", "grammar": keyword_arguments(schema)}
        else:
            content = {
                "type": "json_schema",
                "json_schema": _spelled(schema),
                "max_whitespace_cnt": MAX_WHITESPACE,
            }
    except SchemaError as error:
        raise SchemaError(f"tool {tool.name!r}: {error}") from error
    return {"type": "tag", "begin": call.begin(tool.name), "content": content, "end": call.end}


def _triggers(call: JsonCall | HeadedCall | PythonCall, tools: Sequence[Tool]) -> list[str]:
    """What turns free text into a call: the opening marker, or what all unmarked calls begin with."""
    if isinstance(call, PythonCall):  # its marker opens other turns too, and is missing before the first call
        return [call.begin(tool.name) for tool in tools]
    if call.marked:
        return [call.open.rstrip()]
    return [commonprefix([call.begin(name) for name in "ab"])]  # noqa: RUF071 - texts, not paths


def _after_blank(tag: dict[str, object]) -> dict[str, object]:
    """The tag, with or without a blank before it: SentencePiece begins every turn with one."""
    begin = {"type": "const_string", "value": tag["begin"]}
    return {
        **tag,
        "begin": "",
        "content": {"type": "sequence", "elements": [*_optional(" "), begin, tag["content"]]},
    }


def _optional(text: str) -> list[dict[str, object]]:
    return [{"type": "optional", "content": {"type": "const_string", "value": text}}] if text else []


def _spelled(schema: dict[str, object]) -> dict[str, object]:
    """The same schema with the lengths of strings as patterns of what is written between the quotes."""
    if not schema.keys() & {"minLength", "maxLength"}:
        return each(schema, _spelled)
    low, high = schema.get("minLength", 0), schema.get("maxLength")
    if high is not None:
        return {"type": "string", "pattern": f"^{PLAIN}{{{low},{high}}}$"}
    first = "" if low == 1 else f"(?:{PLAIN}|{ESCAPED}){{{cast(int, low) - 1}}}"
    # The last alternative adds nothing but a character beyond ASCII. Two whole ones before it compile to 0.4 ms for
    # a token of a large vocabulary; the shorter `(?:PLAIN|ESCAPED)MORE` takes 75 ms for the first.
    return {"type": "string", "pattern": f"^{first}(?:{PLAIN}{MORE}|{ESCAPED}{MORE}|\u00e9)$"}
