"""The decoding grammar of a format for a set of tools, as plain data.

What comes out is the JSON form of an xgrammar `StructuralTag` (xgrammar 0.2.8, `structural_tag.py`), made of
dicts, lists and strings alone: it can be printed, compared and stored, and is built without xgrammar.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from os.path import commonprefix
from typing import Literal, NamedTuple

from ._cost import MAX_COST, cost, dearest, without_counts
from ._errors import SchemaError
from ._format import Format, HeadedCall, JsonCall, PythonCall, Tool
from ._json_arguments import json_arguments
from ._kept import Kept
from ._known import as_text, normal_form
from ._normal_form import children
from ._places import said
from ._python_grammar import keyword_arguments
from ._schema import Work

__all__ = ["Choice", "Report", "structural_tag"]

Choice = Literal["auto", "required", "forced"]
Report = Callable[[str, tuple[str, ...]], None]
"""Takes a tool's name and the places in its parameters that the grammar does not enforce."""

# Of very many properties xgrammar 0.2.8 makes a grammar up to ten times faster where two white-space characters may stand
# together, not one; but each token then takes half as long again.
MANY = 50
WHITESPACE_OF_MANY = 2

_kept = Kept(8_000_000)  # characters


class _Tool(NamedTuple):
    """A tool, its parameters in normal form."""

    name: str
    schema: dict[str, object]
    unenforced: tuple[str, ...]


def structural_tag(
    format: Format, tools: Sequence[Tool], choice: Choice, report: Report | None = None
) -> dict[str, object]:
    """The structural tag that holds a reply to calls of `tools` as `format` writes them.

    `required`: one call or more, with the format's separator between them and nothing else. `forced`: exactly one
    call; `tools` holds the tool that was named. `auto`: free text, in which every opening marker starts a call.
    The arguments are held to the normalised parameters in all three.

    What vLLM may do with it while other requests wait is bounded. Where the tools of a request are too dear together,
    the lengths of texts are not enforced, and integers without bounds are not held to 64 bits (but to 18 digits in
    Python); where that is not enough, they are refused.

    Args:
        format: how the model writes a call; the grammar admits its trained form, `format.call`.
        tools: the tools that may be called.
        choice: what the request asks for, as vLLM's structural tag builders get it.
        report: is told what is not enforced, once for every tool of which there is something to tell.

    Raises:
        ToolNameError: a name cannot be written in this format.
        SchemaError: parameters cannot be turned into a grammar; the message names the tool and the place.
    """
    begins = [format.call.begin(tool.name) for tool in tools]
    contents = _contents(tools, isinstance(format.call, PythonCall), report)
    tags: list[dict[str, object]] = [
        {"type": "tag", "begin": begin, "content": content, "end": format.call.end}
        for begin, content in zip(begins, contents, strict=True)
    ]
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


def _contents(tools: Sequence[Tool], python: bool, report: Report | None) -> list[dict[str, object]]:
    """What holds the arguments of each tool."""
    work = Work()
    read = [_read(tool, work) for tool in tools]
    if cost([tool.schema for tool in read], python) > MAX_COST:
        read = [_cheaper(tool, python) for tool in read]
        if cost([tool.schema for tool in read], python) > MAX_COST:
            name, schema, _ = max(read, key=lambda tool: cost([tool.schema], python))
            together = f"; there are {len(read)} tools" if len(read) > 1 else ""
            place = said(dearest(schema, python))
            raise SchemaError(f"tool {name!r}: {place}: too large for a grammar{together}")
    for tool in read:
        if report is not None and tool.unenforced:
            report(tool.name, tool.unenforced)
    contents = [_content(tool, python) for tool in read]
    if not python and _are_many(tool.schema for tool in read):
        return [{**content, "max_whitespace_cnt": WHITESPACE_OF_MANY} for content in contents]
    return contents


def _read(tool: Tool, work: Work) -> _Tool:
    try:
        return _Tool(tool.name, *normal_form(tool.parameters, work))
    except SchemaError as failure:
        raise SchemaError(f"tool {tool.name!r}: {failure}") from failure


def _content(tool: _Tool, python: bool) -> dict[str, object]:
    key = ("python " if python else "json ") + as_text(tool.schema)
    known = _kept.get(key)
    content: dict[str, object]
    if known is not None:
        content = json.loads(known)
        return content
    try:
        if python:
            content = {"type": "grammar", "grammar": keyword_arguments(tool.schema)}
        else:
            content = json_arguments(tool.schema)
    except RecursionError:
        raise SchemaError(f"tool {tool.name!r}: {said(('$defs',))}: nested too deeply") from None
    except SchemaError as failure:
        raise SchemaError(f"tool {tool.name!r}: {failure}") from failure
    _kept.put(key, json.dumps(content))
    return content


def _are_many(schemas: Iterable[Mapping[str, object]]) -> bool:
    names = chain.from_iterable(map(_properties, schemas))
    return next(islice(names, MANY, None), None) is not None


def _properties(schema: Mapping[str, object]) -> Iterator[str]:
    """The names of all properties in a schema, at any depth."""
    for place, inner in children(schema):
        if place[0] == "properties":
            yield place[1]
        yield from _properties(inner)


def _cheaper(tool: _Tool, python: bool) -> _Tool:
    schema, places = without_counts(tool.schema, python)
    return _Tool(tool.name, schema, (*tool.unenforced, *places))


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
