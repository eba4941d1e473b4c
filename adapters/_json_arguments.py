"""A tool's parameters as xgrammar 0.2.8 reads them: the schema of a call's JSON arguments."""

import hashlib
import json
import re
from collections import Counter
from typing import cast

from ._normal_form import children, each
from ._scalars import is_short

__all__ = ["json_arguments"]

Schema = dict[str, object]

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

# xgrammar reads `(ab*)?c` as `(ab*|b*)c`, and `(ab*){0,1}c` as what it says. An escape and a class are passed over.
OPTIONAL_GROUP = re.compile(r"(\\.|\[(?:\\.|[^\]])*\])|\)\?", re.DOTALL)

# xgrammar 0.2.8 makes one rule for all objects that are the same to it: it sorts their properties, and passes over those
# that are called like a keyword without meaning. A keyword that it does not know tells them apart.
PASSED_OVER = frozenset(
    {
        "title",
        "default",
        "description",
        "examples",
        "deprecated",
        "readOnly",
        "writeOnly",
        "$comment",
        "$schema",
    }
)


def json_arguments(schema: Schema) -> Schema:
    """The content of a call's tag, for parameters in normal form."""
    return {
        "type": "json_schema",
        "json_schema": _told_apart(_shared(_spelled(schema))),
        "max_whitespace_cnt": MAX_WHITESPACE,
    }


def _spelled(schema: Schema) -> Schema:
    """The same schema with the lengths of strings as patterns of what is written between the quotes, and no value in
    an enum that xgrammar would write without blanks."""
    if any(isinstance(value, list | dict) for value in cast("list[object]", schema.get("enum", []))):
        values = cast("list[object]", schema["enum"])
        plain = [value for value in values if not isinstance(value, list | dict)]
        options = [_exactly(value) for value in values if isinstance(value, list | dict)]
        options += [{"enum": plain}] if plain else []
        return {"anyOf": options} if len(options) > 1 else options[0]
    if "pattern" in schema:
        rewritten = OPTIONAL_GROUP.sub(lambda found: found[1] or "){0,1}", str(schema["pattern"]))
        return {**schema, "pattern": rewritten}
    if not schema.keys() & {"minLength", "maxLength"}:
        return each(schema, _spelled)
    low, high = schema.get("minLength", 0), schema.get("maxLength")
    if high is not None:
        return {"type": "string", "pattern": f"^{PLAIN}{{{low},{high}}}$"}
    first = "" if low == 1 else f"(?:{PLAIN}|{ESCAPED}){{{cast(int, low) - 1}}}"
    # The last alternative adds nothing but a character beyond ASCII. Two whole ones before it compile to 0.4 ms for
    # a token of a large vocabulary; the shorter `(?:PLAIN|ESCAPED)MORE` takes 75 ms for the first.
    return {"type": "string", "pattern": f"^{first}(?:{PLAIN}{MORE}|{ESCAPED}{MORE}|\u00e9)$"}


def _exactly(value: object) -> Schema:
    """The schema of one value."""
    match value:
        case dict():
            properties = {name: _exactly(inner) for name, inner in value.items()}
            closed: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
            return {**closed, "required": [*properties]} if properties else closed
        case list():
            items = [_exactly(item) for item in value]
            return {
                "type": "array",
                "items": False,
                **({"prefixItems": items, "minItems": len(items)} if items else {}),
            }
        case float() if is_short(value):
            return {"type": "number", "minimum": value, "maximum": value}
    return {"enum": [value]}


def _shared(schema: Schema) -> Schema:
    """The same schema with what is dear, and there more than once, in one place: xgrammar works out every copy."""
    found: Counter[str] = Counter()

    def look(node: Schema) -> None:
        if _is_dear(node):
            found[json.dumps(node)] += 1
        for _, inner in children(node):
            look(inner)

    look(schema)
    often = [text for text, times in found.items() if times > 1]
    if not often:
        return schema
    names = {text: f"-{index}" for index, text in enumerate(often)}  # no name in normal form has a hyphen

    def refer(node: Schema) -> Schema:
        name = names.get(json.dumps(node)) if _is_dear(node) else None
        return {"$ref": f"#/$defs/{name}"} if name else each(node, refer)

    whole = refer(schema)
    defs = cast("dict[str, Schema]", whole.get("$defs", {}))
    return {**whole, "$defs": {**defs, **{name: json.loads(text) for text, name in names.items()}}}


def _told_apart(schema: Schema) -> Schema:
    """The same schema with a mark in every object that xgrammar might take for another."""
    schema = each(schema, _told_apart)
    names = [*cast("Schema", schema.get("properties", {}))]
    if names == sorted(names) and not PASSED_OVER.intersection(names):
        return schema
    written = json.dumps(schema["properties"]).encode()
    return {**schema, "x-properties": hashlib.blake2s(written, digest_size=8).hexdigest()}


def _is_dear(node: Schema) -> bool:
    """2 ms for an integer of 64 bits, 10 for a text of a hundred characters."""
    return len(node) > 1 and node.get("type") in ("integer", "number", "string")
