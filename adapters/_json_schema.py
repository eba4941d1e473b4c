"""Parameters as people write them, rewritten as JSON Schema: names of types, lists of parameters, draft 3.

    [{"name": "city", "type": "str", "description": "...", "required": true}]

becomes

    {"type": "object", "properties": {"city": {"type": "string", "description": "..."}}, "required": ["city"]}

Nothing else changes: the template shows the model what this gives, the normal form builds on it.
"""

from collections.abc import Mapping, Sequence

from ._errors import SchemaError
from ._places import Place, Words, error, list_, mapping, shown, text
from ._type_names import JSON_TYPES, NameBudget, read_type

__all__ = ["as_json_schema", "of_list", "spelled_out"]

IN_OBJECTS = frozenset({"properties", "patternProperties", "dependentSchemas", "$defs", "definitions"})
IN_LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems", "items"})
ALONE = frozenset(
    """items additionalItems additionalProperties contains propertyNames unevaluatedItems unevaluatedProperties
    not if then else""".split()  # noqa: SIM905
)
HOLDING = IN_OBJECTS | IN_LISTS | ALONE
MAX_DEPTH = 64
LIST = "parameters"


def as_json_schema(parameters: object, budget: NameBudget | None = None) -> object:
    """The parameters of a tool as JSON Schema, descriptions and all; the same object where they are that already.

    A list of parameters (`parameters` of ModelScope-Agent, `params` of the ChatGLM3 demo) becomes an object; an entry
    is a schema with a `name`, required if `required` is true or "true". Names of types are spelled out at any depth,
    and so is `required: true` beside a property's type (draft 3). What is not understood stays as it is: `normalise`
    says what is wrong with it, when a grammar is asked for. Parts of the result may be the caller's own.

    Args:
        parameters: as the request gave them.
        budget: what is left for all tools of the request; names of types beyond it stay as they are.

    Raises:
        SchemaError: a list is not one of parameters; the message begins with the place, `parameters.0.name: `.
    """
    if isinstance(parameters, list | tuple):
        parameters = of_list(parameters, ())
    return _rewritten(parameters, 0, budget or NameBudget())


def of_list(entries: Sequence[object], at: Place) -> dict[str, object]:
    """The object that a list of parameters describes."""
    properties: dict[str, object] = {}
    required = []
    for index, entry in enumerate(entries):
        place = (*(at or (LIST,)), str(index))
        words = mapping(entry, place)
        name = text(words.get("name"), (*place, "name"))
        if name in properties:
            raise error((*place, "name"), f"another parameter is called {shown(name)} already")
        answer = _says_yes_or_no(words.get("required"))
        said = ("name", "required") if answer else ("name",)
        properties[name] = {word: value for word, value in words.items() if word not in said}
        if answer == "yes":
            required.append(name)
    found: dict[str, object] = {"type": "object", "properties": properties}
    return {**found, "required": required} if required else found


def spelled_out(words: Words, at: Place, budget: NameBudget) -> Words:
    """One schema with its type in JSON Schema's words and its properties as an object; not those inside it.

    Raises:
        SchemaError: there is no such type, or this is no list of parameters.
    """
    if "required" in words and _says_yes_or_no(
        words["required"]
    ):  # of draft 3; the object around it reads it
        words = {word: value for word, value in words.items() if word != "required"}
    if "properties" in words:
        words = _with_properties(words, at)
    type_ = words.get("type")
    if type_ is None or (isinstance(type_, str) and type_ in JSON_TYPES):
        return words
    found = _type(type_, (*at, "type"), budget)
    if found is None:
        return words
    if found.keys() == {"type"}:
        return {**words, **found}
    rest = {word: value for word, value in words.items() if word != "type"}
    if any(word in rest and rest[word] != value for word, value in found.items()):
        return {**rest, "allOf": [*list_(rest.get("allOf", []), (*at, "allOf")), found]}
    return {**found, **rest} if found else rest


def _with_properties(words: Words, at: Place) -> Words:
    """The same with its properties as an object, and what each says of being required in one list."""
    properties = words["properties"]
    if isinstance(properties, list | tuple):
        listed = of_list(properties, (*at, "properties"))
        words = {**words, "properties": listed["properties"]}
        wanted = [str(name) for name in list_(listed.get("required", []), at)]
    elif isinstance(properties, Mapping):
        wanted = [
            name
            for name, inner in properties.items()
            if isinstance(inner, Mapping)
            and "required" in inner
            and _says_yes_or_no(inner["required"]) == "yes"
        ]
    else:
        return words
    if not wanted:
        return words
    before = list_(words.get("required") or [], (*at, "required"))
    known = {name for name in before if isinstance(name, str)}
    missing = [name for name in wanted if name not in known]
    return {**words, "required": [*before, *missing]} if missing else words


def _type(named: object, at: Place, budget: NameBudget) -> dict[str, object] | None:
    """What these names of types stand for; None if they are JSON Schema's own."""
    if isinstance(named, str):
        return read_type(named, at, budget)
    names = list_(named, at)
    if all(isinstance(name, str) and name in JSON_TYPES for name in names):
        return None
    found = []
    for name in names:
        if not isinstance(name, str):
            raise error(at, f"there is no type {shown(name)}; the types are {', '.join(sorted(JSON_TYPES))}")
        found.append(read_type(name, at, budget))
    if {} in found:
        return {}
    if all(option.keys() == {"type"} for option in found):
        return {"type": [option["type"] for option in found]}
    return {"anyOf": found}


def _rewritten(schema: object, depth: int, budget: NameBudget) -> object:
    if not isinstance(schema, Mapping) or depth > MAX_DEPTH:
        return schema
    try:
        words = spelled_out(schema, (), budget)
    except SchemaError:
        words = schema
    if HOLDING.isdisjoint(words):
        return words
    changed: dict[str, object] = {}
    for word in HOLDING.intersection(words):
        new: object = (value := words[word])
        if word in IN_OBJECTS and isinstance(value, Mapping):
            inner = {name: _rewritten(part, depth + 1, budget) for name, part in value.items()}
            new = inner if any(inner[name] is not value[name] for name in value) else value
        elif word in IN_LISTS and isinstance(value, list | tuple):
            parts = [_rewritten(part, depth + 1, budget) for part in value]
            new = parts if any(a is not b for a, b in zip(parts, value, strict=True)) else value
        elif word in ALONE:
            new = _rewritten(value, depth + 1, budget)
        if new is not value:
            changed[word] = new
    return {**words, **changed} if changed else words


def _says_yes_or_no(required: object) -> str:
    """`required` as one property says it of itself; empty where it is a list, or nothing of the kind."""
    if isinstance(required, str):
        required = {"true": True, "false": False}.get(required.casefold())
    if not isinstance(required, bool):
        return ""
    return "yes" if required else "no"
