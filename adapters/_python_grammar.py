"""The grammar of a Python call's keyword arguments, for formats that write calls as code.

    city='Paris', days=3, range=(0, 100), on=True, **{"odd name": None}

It is EBNF in xgrammar 0.2.8's dialect. A string is one `Regex` in it, of which xgrammar makes one small automaton: as
rules of EBNF it takes 15 ms for every token. But `Regex` reads `(ab*)?c` as `(ab*|b*)c`, and some counts wrongly: what
is used of it here is classes, alternatives, `*`, and one count between the quotes.
"""

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from fractions import Fraction
from math import ceil, floor
from string import ascii_letters, digits
from typing import NamedTuple, cast

from ._digits import DECIMALS, decimals, integers
from ._errors import SchemaError
from ._patterns import plain_but, written

__all__ = ["keyword_arguments"]

Schema = Mapping[str, object]
Name = tuple[str, ...]
"""What is written for a name: its characters, each as it is escaped."""
_But = Callable[[Collection[str]], str]
"""One character that is none of these."""

# Characters of a name that are told apart; what begins with as many of those of a name that is longer does not fit.
MAX_DEPTH = 64
LETTERS = ascii_letters + "_"
# The scripts that names are mostly in, without what Python reads as another character: Latin, Greek, Cyrillic, Japanese,
# Chinese, Korean. A name in another one may stand in `**{"name": value}`.
SCRIPTS = r"\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u0131\u0391-\u03a1\u03a3-\u03c9\u0410-\u044f\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff\uac00-\ud7a3"
# xgrammar takes one of these for \xNN, and hexadecimal digits behind it for a part of that: "\u00e9a" is one character.
LATIN_1 = re.compile("[\x7f-\xff]")
COMMA = '"," " "?'
NOTHING = '""'
COLON = '":" " "?'
NUMBER = '"-"? ("0" | [1-9] [0-9]*) ("." [0-9]+)? ([eE] [+\\-]? [0-9]{1,3})?'
HIGHEST = 10**308  # of a number that has a lower bound alone

# The escapes that mean the same in Python and JSON; not one half of a pair, which is no character.
ESCAPE = (
    r"\\(?:[%s\\bfnrt]|u(?:[0-9a-cefA-CEF][0-9a-fA-F][0-9a-fA-F][0-9a-fA-F]|[dD][0-7][0-9a-fA-F][0-9a-fA-F]))"
)
SHORT = r'\\["\\bfnrt]'
# Those that JSON cannot do without. Keys have no others: then a name is spelled in one way, and can be told apart.
CONTROL = r"\\(?:[%s\\bfnrt]|u00[01][0-9a-f])"

# As xgrammar has them, but no URI has a single quote, and no second a fraction without end.
_DATE = r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
_CLOCK = "([0-9]+H([0-9]+M([0-9]+S)?)?|[0-9]+M([0-9]+S)?|[0-9]+S)"
_DAYS = "([0-9]+Y([0-9]+M([0-9]+D)?)?|[0-9]+M([0-9]+D)?|[0-9]+D)"
_LABEL = "[a-z0-9]([a-z0-9-]*[a-z0-9])?"
_BYTE = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_HEX = "[0-9a-fA-F]{1,4}"
_IPV6 = [f"({_HEX}:){{7}}{_HEX}", f"({_HEX}:){{1,7}}:", f"::({_HEX}(:{_HEX}){{0,5}})?"]
_IPV6 += [f"({_HEX}:){{{heads}}}(:{_HEX}){{1,{7 - heads}}}" for heads in range(1, 7)]
_URI = "([A-Za-z0-9_.~!$&()*+,;=:@/?-]|%[0-9A-Fa-f][0-9A-Fa-f])*"
FORMATS: Mapping[str, str] = {
    "date": _DATE,
    "time": _TIME,
    "date-time": f"{_DATE}T{_TIME}",
    "duration": f"P({_DAYS}(T{_CLOCK})?|T{_CLOCK}|[0-9]+W)",
    "hostname": rf"{_LABEL}(\.{_LABEL})*",
    "ipv4": rf"{_BYTE}(\.{_BYTE}){{3}}",
    "ipv6": "|".join(_IPV6),
    "uri": f"[A-Za-z][A-Za-z0-9+.-]*:{_URI}(#{_URI})?",
    "uuid": "[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
}


def keyword_arguments(schema: Schema) -> str:
    """The grammar of what stands between the parentheses of a call, for arguments that a schema admits.

    Properties are written `name=value`, those that are no Python identifier `**{"name": value}`, in the order of the
    schema; then what it allows beside them. A string may stand in either kind of quotes, an array be a list or a
    tuple; a blank after a comma or a colon may be left out, and there is no other white space.

    Args:
        schema: parameters in normal form, as `normalise` gives them.

    Returns:
        EBNF for xgrammar, whose first rule is `root`. Its size is linear in the schema's, but for `minProperties`
        and `maxProperties`, which count.

    Raises:
        SchemaError: the schema is not in normal form.
    """
    return _Rules(schema).text()


class _Quote(NamedTuple):
    """One kind of quotes, and what may stand in it, as regular expressions."""

    sign: str
    plain: str
    escape: str
    control: str

    def around(self, inner: str) -> str:
        return self.sign + inner + self.sign

    def spelled(self, char: str) -> str:
        """A character as it is written in these quotes."""
        if char == "'" == self.sign:
            return r"\'"
        return char if char == '"' != self.sign else json.dumps(char, ensure_ascii=False)[1:-1]

    def literal(self, text: str) -> str:
        return self.around("".join(map(self.spelled, text)))


QUOTES = (
    _Quote('"', r'[^"\\\x00-\x1f]', ESCAPE % '"', CONTROL % '"'),
    _Quote("'", r"[^'\\\x00-\x1f]", ESCAPE % "\"'", CONTROL % "'"),
)


class _Rules:
    """The rules for one schema; those that say the same are one."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.bodies: dict[str, str] = {}
        self.names: dict[str, str] = {}

    def text(self) -> str:
        root = self.arguments(self.schema)
        return "\n".join([f"root ::= {root}", *(f"{name} ::= {body}" for name, body in self.bodies.items())])

    def rule(self, body: str) -> str:
        """The name of the rule that says this."""
        if body in self.bodies:
            return body
        name = self.names.setdefault(body, f"r{len(self.names)}")
        self.bodies[name] = body
        return name

    def named(self, name: str, body: Callable[[], str]) -> str:
        """A rule that may lead back to itself, and so has its name before it is written."""
        if name not in self.bodies:
            self.bodies[name] = ""
            self.bodies[name] = body()
        return name

    def arguments(self, schema: Schema) -> str:
        """The top level of a schema that admits only objects."""
        if "$ref" in schema:
            return self.arguments(self.target(schema["$ref"]))
        if "anyOf" in schema or "enum" in schema:
            options = schema.get("anyOf") or [_exactly(value) for value in _list(schema["enum"])]
            return self.rule(_either(map(self.arguments, cast("list[Schema]", options))))
        if schema.get("type") != "object":
            raise SchemaError(
                f"the parameters of a call must be an object in normal form, not {schema!r:.60}"
            )
        rest, names = self.rest(schema), _properties(schema)
        if rest is not None:
            rest = self.rule(
                f'{self.other_keyword(names)} {rest} | "**{{" {self.other_key(names)} {rest} "}}"'
            )
        return self.members(schema, self.argument, rest)

    def argument(self, name: str, value: str) -> str:
        if name.isidentifier():
            return f"{_said(name + '=')} {value}"
        return f'"**{{" {self.entry(name, value)} "}}"'

    def value(self, schema: Schema) -> str:
        """A rule for the values that a schema admits."""
        if not schema:
            return self.named("any", self.anything)
        if "$ref" in schema:
            ref = str(schema["$ref"])
            name = "def_" + ref.rpartition("/")[2] if ref != "#" else "whole"
            return self.named(name, lambda: self.value(self.target(ref)))
        if "anyOf" in schema:
            return self.rule(_either(map(self.value, cast("list[Schema]", schema["anyOf"]))))
        if "enum" in schema:
            return self.rule(_either(map(self.constant, _list(schema["enum"]))))
        match schema["type"]:
            case "string":
                return self.rule(_string(schema))
            case "integer":
                return self.rule(integers(*_whole_bounds(schema)))
            case "number":
                return self.rule(_number(schema))
            case "boolean":
                return self.rule('"True" | "False"')
            case "null":
                return self.rule('"None"')
            case "array":
                return self.rule(self.array(schema))
            case "object":
                return self.rule(self.dictionary(schema))
        raise SchemaError(f"{schema!r:.60} is not in normal form")

    def anything(self) -> str:
        plain: list[Schema] = [{"type": kind} for kind in ("string", "number", "boolean", "null")]
        options = [*plain, {"type": "array", "items": {}}, {"type": "object", "additionalProperties": True}]
        return _either(map(self.value, options))

    def constant(self, value: object) -> str:
        if isinstance(value, str):
            return _either(_said(quote.literal(value)) for quote in QUOTES)
        if isinstance(value, list | dict):
            return self.value(_exactly(value))
        return _said(repr(value) if value is None or isinstance(value, bool) else json.dumps(value))

    def array(self, schema: Schema) -> str:
        """A list or a tuple. A tuple of one has a comma behind it, or it would be a value in parentheses."""
        heads = [self.value(item) for item in cast("list[Schema]", schema.get("prefixItems", []))]
        items = schema["items"]
        rest = None if items is False else self.value(cast(Schema, items))
        low, high = cast(int, schema.get("minItems", 0)), cast("int | None", schema.get("maxItems"))
        first = heads[0] if heads else rest
        if first is None:
            return '"[]" | "()"'
        more = self.further(heads[1:], rest, low, high)
        end, one = ([NOTHING], ['","']) if low < 2 else ([], [])
        several = [more] if more else []
        empty = [] if low else ['"[]"', '"()"']
        lists, tuples = _either([*end, *several]), _either([*one, *several])
        return _either([*empty, f'"[" {first} ({lists}) "]"', f'"(" {first} ({tuples}) ")"'])

    def further(self, heads: Sequence[str], rest: str | None, low: int, high: int | None) -> str:
        """The second item of an array and those behind it; nothing, where there cannot be a second."""
        if not heads:
            return _times(rest, max(low - 1, 1), high and high - 1) if rest and high != 1 else ""
        known = 1 + len(heads)
        tail = _times(rest, max(low - known, 0), high and high - known) if rest else ""
        for index in range(len(heads) - 1, 0, -1):
            item = self.rule(f"{COMMA} {heads[index]} {tail}")
            tail = item if index + 1 < low else f"{item}?"
        return f"{COMMA} {heads[0]} {tail}"

    def dictionary(self, schema: Schema) -> str:
        rest = self.rest(schema)
        if rest is not None:
            rest = self.rule(f"{self.other_key(_properties(schema))} {rest}")
        return f'"{{" {self.members(schema, self.entry, rest)} "}}"'

    def entry(self, name: str, value: str) -> str:
        return f"({_either(_said(quote.literal(name)) for quote in QUOTES)}) {COLON} {value}"

    def rest(self, schema: Schema) -> str | None:
        """What properties that the schema does not name may hold, if there may be any."""
        more = schema["additionalProperties"]
        return None if more is False else self.value({} if more is True else cast(Schema, more))

    def other_key(self, names: Collection[str]) -> str:
        """A key in quotes that is none of these, and the colon."""
        if not names:
            return f"{self.rule(_regex(_any_text()))} {COLON}"
        return f"({_either(self.other_key_in(quote, names) for quote in QUOTES)}) {COLON}"

    def other_key_in(self, quote: _Quote, names: Collection[str]) -> str:
        escape = self.rule(_regex(quote.control))
        rest = self.rule(_regex(f"(?:{quote.plain}|{quote.control})*{quote.sign}"))

        def but(heads: Collection[str]) -> str:
            plain = plain_but([quote.sign, *(head for head in heads if len(head) == 1)])
            # Where a name goes on with an escape, there is no other: no key is worth a list of them all.
            return plain if any(len(head) > 1 for head in heads) else f"({plain} | {escape})"

        spelled = [tuple(map(quote.spelled, name)) for name in names]
        sign = _said(quote.sign)
        return f"{sign} ({_beside(spelled, but, but, rest, sign)})"

    def other_keyword(self, names: Collection[str]) -> str:
        """An identifier that is none of these, and the sign behind it."""

        def but(heads: Collection[str]) -> str:
            left = "".join(char for char in LETTERS + digits if char not in heads)
            left += SCRIPTS if "".join(heads).isascii() else ""
            return f"[{left}]" if left else ""

        def letter_but(heads: Collection[str]) -> str:
            return but([*heads, *digits])

        spelled = [tuple(name) for name in names if name.isidentifier()]
        return f"({_beside([(), *spelled], letter_but, but, self.rule(_regex(f'{but(())}*=')), _said('='))})"

    def members(self, schema: Schema, write: Callable[[str, str], str], rest: str | None) -> str:
        """The properties of an object in their order, and then `rest`.

        Right to left: what may follow when so many are written, as few counts apart as there are to tell. Where
        neither minProperties nor maxProperties is given they are two, none (no comma) and some.
        """
        required = {*cast("list[str]", schema.get("required", []))}
        items = [
            (write(name, self.value(value)), name in required) for name, value in _properties(schema).items()
        ]
        low, high = cast(int, schema.get("minProperties", 0)), cast("int | None", schema.get("maxProperties"))
        if rest is None and high is not None and high >= len(items):
            high = None
        most = max(low, 1) if high is None else high
        follow = {
            count: self.others(rest, low - count, None if high is None else high - count, count == 0)
            for count in range(min(len(items), most) + 1)
            if rest is not None or count >= low
        }
        least = len(required)
        for index in range(len(items) - 1, -1, -1):
            item, must = items[index]
            least -= must
            states: dict[int, str] = {}
            for count in range(min(least, most), min(index, most) + 1):
                options = []
                after = min(count + 1, most)
                if after in follow and (high is None or count < high):
                    options.append(f"{COMMA if count else NOTHING} {item} {follow[after]}")
                if not must and count in follow:
                    options.append(follow[count])
                if options:
                    states[count] = self.rule(_either(options))
            follow = states
        return follow[0]

    def others(self, rest: str | None, least: int, most: int | None, first: bool) -> str:
        """From `least` to `most` further properties."""
        if rest is None or most == 0:
            return NOTHING
        if not first:
            return _times(rest, max(least, 0), most)
        found = f"{rest} {_times(rest, max(least - 1, 0), None if most is None else most - 1)}"
        return found if least > 0 else f"({found})?"

    def target(self, ref: object) -> Schema:
        if ref == "#":
            return {word: value for word, value in self.schema.items() if word != "$defs"}
        defs = cast("Mapping[str, Schema]", self.schema["$defs"])
        return defs[str(ref).removeprefix("#/$defs/")]


def _exactly(value: object) -> Schema:
    """The normal form of the schema of one value."""
    if isinstance(value, Mapping):
        properties = {name: {"enum": [inner]} for name, inner in value.items()}
        return {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }
    if isinstance(value, list):
        heads = [{"enum": [item]} for item in value]
        return {"type": "array", "prefixItems": heads, "items": False, "minItems": len(heads)}
    return {"enum": [value]}


def _string(schema: Schema) -> str:
    pattern = FORMATS.get(str(schema.get("format"))) or schema.get("pattern")
    if pattern is not None:
        return _either(
            f"{_said(quote.sign)} {written(str(pattern), quote.sign)} {_said(quote.sign)}" for quote in QUOTES
        )
    low, high = cast(int, schema.get("minLength", 0)), schema.get("maxLength")
    if low < 2 and high is None:
        return _regex(_any_text(low))
    # A count is spelled out in states, each of which takes xgrammar 15 ms to compile: none for the other quotes, and one
    # for the escapes.
    quote = QUOTES[0]
    char = f"(?:{quote.plain}|{SHORT})"
    return _regex(quote.around(f"{char}{{{low},{high}}}" if high is not None else f"{char}{{{low}}}{char}*"))


def _number(schema: Schema) -> str:
    bounds = {
        word: Fraction(str(schema[word])) * 10**DECIMALS
        for word in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
        if word in schema
    }
    if not bounds:
        return NUMBER
    low, high = -HIGHEST * 10**DECIMALS, HIGHEST * 10**DECIMALS
    low = max(low, ceil(bounds.get("minimum", low)), floor(bounds.get("exclusiveMinimum", low - 1)) + 1)
    high = min(high, floor(bounds.get("maximum", high)), ceil(bounds.get("exclusiveMaximum", high + 1)) - 1)
    return decimals(low, high)


def _whole_bounds(schema: Schema) -> tuple[int, int]:
    return cast(int, schema["minimum"]), cast(int, schema["maximum"])


def _any_text(least: int = 0) -> str:
    """A string of so many characters or more."""
    spelled = [(quote, f"(?:{quote.plain}|{quote.escape})") for quote in QUOTES]
    return _any_of(quote.around(f"{char * least}{char}*") for quote, char in spelled)


def _beside(
    names: Collection[Name], first: _But, other: _But, rest: str, end: str, depth: int = MAX_DEPTH
) -> str:
    """All names but these: the tree of how they begin, left somewhere.

    Args:
        names: those that do not fit.
        first: gives the first character when it is none of some.
        other: one further on. Both may give nothing, where no character is left.
        rest: what may follow once it is another name.
        end: what follows every name.
    """
    heads = dict.fromkeys(name[0] for name in names if name)
    different = first(heads)
    options = [f"{different} {rest}"] if different else []
    for head in heads if depth else ():
        tails = [name[1:] for name in names if name[:1] == (head,)]
        options.append(f"{_said(head)} ({_beside(tails, other, other, rest, end, depth - 1)})")
    return _either([*options, *([] if () in names else [end])])


def _times(rest: str, least: int, most: int | None) -> str:
    """A comma and this, so many times."""
    return f"({COMMA} {rest}){{{least},{'' if most is None else most}}}"


def _either(options: Iterable[str]) -> str:
    return " | ".join(options)


def _any_of(expressions: Iterable[str]) -> str:
    """A regular expression of what one of these matches."""
    return f"(?:{'|'.join(expressions)})"


def _regex(expression: str) -> str:
    expression = LATIN_1.sub(lambda char: f"\\u{ord(char[0]):04x}", expression)
    return f"Regex({json.dumps(expression, ensure_ascii=False)})"


def _said(text: str) -> str:
    """A string of the grammar, in two where xgrammar would read on in it."""
    return re.sub(f"({LATIN_1.pattern})(?=[0-9a-fA-F])", r'\1" "', json.dumps(text, ensure_ascii=False))


def _properties(schema: Schema) -> Mapping[str, Schema]:
    return cast("Mapping[str, Schema]", schema.get("properties", {}))


def _list(values: object) -> list[object]:
    return cast("list[object]", values)
