"""The names of types as people write them, read as JSON Schema.

    int    List[str]    tuple[int, int]    Optional[float]    "yes" | "no"    array<string>    string[]    datetime.date

    type  = item ("|" item)*
    item  = (name | name "[" type ("," type)* "]" | "(" type ")" | "text" | number | "...") ("[]" | "?")*

`<` and `>` do for brackets. Names may be in any case, with the module they come from before them.
"""

import re
from collections.abc import Mapping, Sequence

from ._errors import SchemaError
from ._places import Place, error, shown

__all__ = ["JSON_TYPES", "NameBudget", "read_type"]

Schema = dict[str, object]

JSON_TYPES = frozenset({"string", "integer", "number", "boolean", "object", "array", "null"})

TYPES: Mapping[str, str] = {
    **dict.fromkeys(("string", "str", "text", "char", "character", "bytes", "path"), "string"),
    **dict.fromkeys(("integer", "int", "long", "short", "byte", "bigint"), "integer"),
    **dict.fromkeys(("number", "float", "double", "decimal"), "number"),
    **dict.fromkeys(("boolean", "bool"), "boolean"),
    **dict.fromkeys(
        ("object", "dict", "map", "hashmap", "hashtable", "mapping", "record", "struct"), "object"
    ),
    **dict.fromkeys(("array", "list", "arraylist", "vector", "sequence", "iterable"), "array"),
    **dict.fromkeys(("tuple", "set", "frozenset"), "array"),
    **dict.fromkeys(("null", "none", "nonetype"), "null"),
}
FORMATS: Mapping[str, str] = {
    "date": "date",
    **dict.fromkeys(("datetime", "date-time"), "date-time"),
    "time": "time",
    **dict.fromkeys(("timedelta", "duration"), "duration"),
    **dict.fromkeys(("url", "uri"), "uri"),
    "uuid": "uuid",
    "email": "email",
}
ANYTHING = frozenset({"any", "enum", "unknown", "mixed", "union", "optional", "literal"})
SIZED = re.compile(r"(?:(u?)int|float)\d{1,3}")

TOKEN = re.compile(r"""\s*(?:(\.\.\.|[\[\]<>(),|?])|([^\W\d][\w.-]*)|(-?\d+(?:\.\d+)?)|("[^"]*"|'[^']*'))""")
MAX_TEXT = 1000
MAX_DEPTH = 16
OPEN = {"[": "]", "<": ">", "(": ")"}
MORE = "..."


class NameBudget:
    """How many characters of names of types are read for one request: each takes some microseconds."""

    def __init__(self, left: int = 100_000) -> None:
        self.left = left


def read_type(name: str, at: Place, budget: NameBudget) -> Schema:
    """The schema that a type's name stands for.

    Raises:
        SchemaError: there is no such type, or the budget is spent.
    """
    try:
        if name in TYPES:  # nearly always: the rest takes ten times as long
            return _plain(name)
        if len(name) > MAX_TEXT:
            raise _UnreadableError
        budget.left -= len(name)
        if budget.left < 0:
            raise error(at, "too many names of types that are not JSON Schema's")
        return _Type(name).whole()
    except _UnreadableError:
        known = ", ".join(("any", *sorted(JSON_TYPES)))
        raise error(at, f"there is no type {shown(name)}; the types are {known}") from None


class _UnreadableError(SchemaError):
    """This is no type."""


class _Type:
    def __init__(self, name: str) -> None:
        self.tokens: list[re.Match[str]] = []
        place, end = 0, len(name.rstrip())
        while place < end:
            token = TOKEN.match(name, place)
            if token is None:
                raise _UnreadableError
            self.tokens.append(token)
            place = token.end()
        self.depth = 0
        self.tokens.reverse()

    def whole(self) -> Schema:
        found = self.union()
        if self.tokens:
            raise _UnreadableError
        return found

    def next(self, *signs: str) -> str:
        """The sign that stands next, if it is one of these."""
        if self.tokens and self.tokens[-1][1] in signs:
            return self.tokens.pop()[1]
        return ""

    def union(self) -> Schema:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _UnreadableError
        options = [self.item()]
        while self.next("|"):
            options.append(self.item())
        self.depth -= 1
        return _any_of(options)

    def item(self) -> Schema:
        if not self.tokens:
            raise _UnreadableError
        _, name, digits, quoted = (token := self.tokens.pop()).groups()
        if name:
            name = name.casefold().rpartition(".")[2]
            sign = ""
            if len(self.tokens) > 1 and self.tokens[-2][1] not in ("]", ">"):
                sign = self.next("[", "<")
            found = self.generic(name, OPEN[sign]) if sign else _plain(name)
        elif digits:
            found = {"const": float(digits) if "." in digits else int(digits)}
        elif quoted:
            found = {"const": quoted[1:-1]}
        elif token[1] == "(":
            found = self.union()
            if not self.next(")"):
                raise _UnreadableError
        else:
            raise _UnreadableError
        while sign := self.next("[", "?"):
            if sign == "?":
                found = _any_of([found, {"type": "null"}])
            elif self.next("]"):
                found = {"type": "array", "items": found}
            else:
                raise _UnreadableError
        return found

    def generic(self, name: str, close: str) -> Schema:
        """What stands in brackets, and the type that it makes of the name before them."""
        inner: list[Schema] = []
        goes_on = False
        if name == "tuple" and self.tokens[-1][1] == "(":  # tuple[()]
            self.tokens.pop()
            if not self.next(")"):
                raise _UnreadableError
        else:
            inner.append(self.union())
            while self.next(","):
                if self.next(MORE):
                    goes_on = True
                    break
                inner.append(self.union())
        if not self.next(close):
            raise _UnreadableError
        if name == "tuple":
            return _tuple(inner, goes_on)
        if goes_on:
            raise _UnreadableError
        return _of(name, inner)


def _plain(name: str) -> Schema:
    if name in TYPES:
        return {"type": TYPES[name], **({"uniqueItems": True} if name in ("set", "frozenset") else {})}
    if name in FORMATS:
        return {"type": "string", "format": FORMATS[name]}
    if name in ANYTHING:
        return {}
    if name in ("true", "false"):
        return {"const": name == "true"}
    if sized := SIZED.fullmatch(name):
        if name.startswith("float"):
            return {"type": "number"}
        return {"type": "integer", **({"minimum": 0} if sized[1] else {})}
    raise _UnreadableError


def _of(name: str, inner: Sequence[Schema]) -> Schema:
    """A type with others in brackets behind it."""
    if name == "union":
        return _any_of(inner)
    if name == "literal":
        if any("const" not in option and option != {"type": "null"} for option in inner):
            raise _UnreadableError
        return {"enum": [option.get("const") for option in inner]}
    if name == "optional" and len(inner) == 1:
        return _any_of([*inner, {"type": "null"}])
    outer = _plain(name)
    if outer.get("type") == "array" and len(inner) == 1:
        return {"type": "array", "items": inner[0], **outer}
    if outer == {"type": "object"} and len(inner) == 2:
        return {"type": "object", "additionalProperties": inner[1]}
    raise _UnreadableError


def _tuple(inner: Sequence[Schema], goes_on: bool) -> Schema:
    if goes_on:
        if len(inner) != 1:
            raise _UnreadableError
        return {"type": "array", "items": inner[0]}
    if not inner:
        return {"type": "array", "maxItems": 0}
    return {"type": "array", "prefixItems": [*inner], "items": False, "minItems": len(inner)}


def _any_of(options: Sequence[Schema]) -> Schema:
    if len(options) == 1:
        return options[0]
    if all(option.keys() == {"const"} for option in options):
        return {"enum": [option["const"] for option in options]}
    return {"anyOf": [*options]}
