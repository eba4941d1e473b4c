"""Hypothesis strategies: replies, calls and JSON values, as hard as models and users make them."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from ..adapters import CodeCall, Form, Format, JsonCall, PythonCall

__all__ = [
    "arguments",
    "atoms",
    "calls_of",
    "contents",
    "cuts",
    "instances",
    "json_values",
    "mutated",
    "noise",
    "schemas",
    "texts",
    "tool_names",
    "tool_sets",
    "ugly_parameters",
    "ugly_schemas",
    "written_calls",
]

_HARD = (
    '"', "'", "\\", "\\n", "\n", "\t", "{", "}", "[", "]", ",", ":", "</tool_call>", "<tool_call>", "<|im_end|>",
    '{"name": "f", "arguments": {}}', "```", "\\u00e9", "é", "北京", "😀", "\u2028", "\x7f", "\ud7ff", " ", "a",
)  # fmt: skip


def texts() -> st.SearchStrategy[str]:
    """Any text, often one that looks like markup."""
    return st.lists(st.sampled_from(_HARD) | st.text(max_size=5), max_size=6).map("".join)


def contents(format: Format) -> st.SearchStrategy[str]:
    """Text beside calls: anything in which no call can begin, so that it must be read back as it is."""
    openers = [form.open.strip() for form in format.forms]
    signs = [*filter(None, openers), *(("{", "[", "```") if "" in openers else ())]

    def without_openers(text: str) -> str:
        while found := [sign for sign in signs if sign in text]:
            text = text.replace(found[0], "")
        while found := [prelude for prelude in format.preludes if text.startswith(prelude)]:
            text = text.removeprefix(found[0])
        return text

    return texts().map(without_openers)


def json_values() -> st.SearchStrategy[object]:
    """Any JSON value."""
    scalars = (
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts()
    )
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts(), inner, max_size=3),
        max_leaves=8,
    )


def arguments() -> st.SearchStrategy[dict[str, object]]:
    """The arguments of a call: any JSON object."""
    return st.dictionaries(texts(), json_values(), max_size=4)


def tool_names() -> st.SearchStrategy[str]:
    """Names that every format can carry."""
    return st.from_regex(r"[A-Za-z0-9_./-]{1,12}", fullmatch=True)


def cuts(text: str) -> st.SearchStrategy[list[int]]:
    """Places to cut a text at."""
    return st.lists(st.integers(0, len(text)), max_size=8)


def atoms(format: Format, names: Sequence[str]) -> list[str]:
    """The pieces of calls, and what breaks them: a fuzzer's dictionary."""
    form_pieces = [
        piece
        for form in format.forms
        for piece in (form.open, form.close, form.again, *_envelope(form, names))
    ]
    found = [
        *form_pieces, *format.preludes, *format.waits, *_HARD, '"name"', '"arguments"', '"parameters"', '"function": {', '"type": "function"', "null",
        "None", "True", "NaN", "-", "1", "0", ".5", "e3", '"{', '\\"', "\\ud83d", "\\ude00", "\\u12", "{{", "}}",
        "'a': 'b'", "a=", "(", *(f"[{name}(" for name in names), ",)", "**{", "'''", "\\x4", "0x", "1_", '"a": ', '{"a": 1}', ";", "; ", "\x00", "\r\n",
    ]  # fmt: skip
    return [atom for atom in found if atom]


def noise(format: Format, names: Sequence[str]) -> st.SearchStrategy[str]:
    """Replies made of the pieces of calls in any order: what a broken model might write."""
    return st.lists(st.sampled_from(atoms(format, names)), max_size=20).map("".join)


@st.composite
def mutated(draw: st.DrawFn, texts: Sequence[str], words: Sequence[str]) -> str:
    """One of the texts, or two halves, with bytes and words put in, taken out and repeated; any bytes are a text."""
    written = draw(st.sampled_from(texts)).encode()
    if draw(st.booleans()):
        other = draw(st.sampled_from(texts)).encode()
        written = written[: draw(st.integers(0, len(written)))] + other[draw(st.integers(0, len(other))) :]
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(written)))
        end = min(len(written), start + draw(st.integers(0, 8)))
        word = st.sampled_from(words).map(str.encode)
        put = draw(st.just(b"") | word | st.binary(max_size=3) | st.just(2 * written[start:end]))
        written = written[:start] + put + written[end:]
    return written.decode("utf-8", "replace")


@st.composite
def written_calls(draw: st.DrawFn, format: Format, names: Sequence[str]) -> str:
    """A reply with calls as the model was trained to write them, then hurt in a few places."""
    text = draw(st.sampled_from(["", "Let me see.", "```json\n", *format.preludes]))
    for number in range(draw(st.integers(1, 3))):
        form = draw(st.sampled_from(format.forms))
        text += format.separator if number else format.lead if text else ""
        text += _call(form, draw(st.sampled_from(names)), draw(st.sampled_from(_bodies(form))))
    text += draw(st.sampled_from(["", "\n", " Done."]))
    for place in draw(st.lists(st.integers(0, len(text)), max_size=3)):
        if draw(st.booleans()):
            text = text[:place] + text[place + draw(st.integers(1, 4)) :]
        else:
            text = text[:place] + draw(st.sampled_from(_HARD)) + text[place:]
    return text


def _bodies(form: Form) -> list[str]:
    if isinstance(form, CodeCall):
        return ["print(1)", "x = '''\n```'''"]
    python = [
        "a='it\\'s', b=[1, (2, 'x'), ()], c={'d': None, 1: True}",
        "",
        "**{\"x y\": -1.5e3}, z=('a' \"b\"), w='''c\n''', ",
        'a=0x1F, b=1_000, c=(1,), d="\\x41\\u00e9"',
    ]
    if isinstance(form, PythonCall):
        return python
    return [
        '{"a": [1, {"b": "c\\"d"}], "e": -1.5e3}',
        "{}",
        '{"x": "{\\"y\\": 1}"}',
        "{'a': 'b' 'c', 'd': None}",
        *(python if form.python else ()),
    ]


def _call(form: Form, name: str, body: str) -> str:
    if isinstance(form, CodeCall):
        return f"{form.open}```python\n{body}\n```{form.close}"
    if isinstance(form, JsonCall) and form.python and not body.startswith("{"):
        return f"{form.open}[{name}({body}), {name}()]{form.close}"
    return form.begin(name) + body + form.end


def _envelope(form: Form, names: Sequence[str]) -> list[str]:
    """The call, and where it has them, the pieces that stand around the arguments."""
    bodies = _bodies(form)
    calls = [_call(form, name, body) for name in names for body in (bodies[0], bodies[-1])]
    if isinstance(form, CodeCall):
        return calls
    return [*calls, *(f'"{name}"' for name in names), *(form.begin(name) for name in names)]


@st.composite
def tool_sets(draw: st.DrawFn) -> dict[str, dict[str, object]]:
    """The tools of a request: names and JSON Schemas of their parameters."""
    names = draw(st.lists(tool_names(), min_size=1, max_size=4, unique=True))
    return {name: draw(object_schemas(schemas())) for name in names}


def schemas() -> st.SearchStrategy[dict[str, object]]:
    """JSON Schemas of values."""
    plain: list[dict[str, object]] = [
        {"type": "string"},
        {"type": "integer"},
        {"type": "integer", "minimum": -10, "maximum": 10},
        {"type": "number"},
        {"type": "boolean"},
        {"type": "null"},
        {"type": ["string", "null"]},
        {"enum": ["a", 'b"', "", 1, None, True]},
        {"type": "string", "enum": ["celsius", "度"]},
        {"const": "c"},
    ]
    return st.recursive(
        st.sampled_from(plain),
        lambda inner: (
            object_schemas(inner)
            | inner.map(lambda items: {"type": "array", "items": items, "maxItems": 3})
            | st.lists(inner, min_size=1, max_size=2).map(lambda options: {"anyOf": options})
        ),
        max_leaves=4,
    )


@st.composite
def object_schemas(draw: st.DrawFn, values: st.SearchStrategy[dict[str, object]]) -> dict[str, object]:
    """JSON Schemas of closed objects."""
    keys = st.text("abcXYZ_ é北", min_size=1, max_size=4)
    properties = draw(st.dictionaries(keys, values, max_size=3))
    required = [key for key in properties if draw(st.booleans())]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def instances(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values of a schema that `schemas` made; the keys of an object in the order of its properties."""
    if "anyOf" in schema:
        return st.one_of([instances(option) for option in schema["anyOf"]])
    if "const" in schema or "enum" in schema:
        return st.sampled_from(schema.get("enum") or [schema["const"]])
    if isinstance(schema["type"], list):
        return st.one_of([instances({"type": kind}) for kind in schema["type"]])
    if schema["type"] == "object":
        optional = {key: instances(value) for key, value in schema["properties"].items()}
        required = {key: optional.pop(key) for key in schema["required"]}
        order = list(schema["properties"])
        return st.fixed_dictionaries(required, optional=optional).map(
            lambda value: {key: value[key] for key in order if key in value}
        )
    if schema["type"] == "array":
        return st.lists(instances(schema["items"]), max_size=schema["maxItems"])
    return {
        "string": texts(),
        "integer": st.integers(schema.get("minimum", -(2**63)), schema.get("maximum", 2**63 - 1)),
        "number": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**6), 10**6),
        "boolean": st.booleans(),
        "null": st.none(),
    }[schema["type"]]


@st.composite
def calls_of(draw: st.DrawFn, tools: dict[str, dict[str, object]]) -> list[tuple[str, Any]]:
    """Calls of these tools with arguments that fit: one to three."""
    names = draw(st.lists(st.sampled_from(sorted(tools)), min_size=1, max_size=3))
    return [(name, draw(instances(tools[name]))) for name in names]


# ---- schemas in all their ugliness ----

_NAMES = ("a", "b", "key", "title", "\u540d", 'q"', "with space")
_PATTERNS = (
    "^[a-z]+$",
    "[0-9]{2,3}",
    "^(?:a|bc)*$",
    r"^\d+-\w?$",
    "^[^x]*$",
    r"\bx",
    "(?=a)",
    "^\u4e2d.?$",
    '"',
    "",
)
_ALIASES = (
    "str", "int", "float", "bool", "dict", "list", "any", "None", "tuple[int, int]", "tuple[str, ...]", "List[str]",
    "list[dict]", "Dict[str, int]", "Optional[int]", "Union[int, str]", "int | None", 'Literal["a", 1]', "string[]",
    "array<integer>", "datetime.date", "uint8", "List[Optional[bool]]", "Set[str]",
)  # fmt: skip
_REFERENCES = ("#", "#/$defs/D", "#/$defs/D", "#/definitions/E", "#/properties/a")
_HOPELESS: tuple[dict[str, Any], ...] = (
    {"type": "odd"},
    {"type": "List[odd]"},
    {"$ref": "#/$defs/no"},
    {"enum": []},
    {"required": "a"},
    {"items": 3},
)
_UNENFORCED: dict[str, Any] = {
    "not": {"const": "a"},
    "if": {"required": ["a"]},
    "then": {"required": ["b"]},
    "dependentRequired": {"a": ["b"]},
    "patternProperties": {"^x": {"type": "integer"}},
    "propertyNames": {"maxLength": 3},
    "uniqueItems": True,
    "contains": {"type": "integer"},
    "multipleOf": 2,
}


def ugly_parameters(leaves: int = 12) -> st.SearchStrategy[Any]:
    """Parameters as people write them: most are sound, some contradict themselves, some only look like a schema.

    Objects of any draft, with definitions that lead to themselves, lists of parameters, and nothing at all.
    """
    values = ugly_schemas(leaves)
    properties = st.dictionaries(st.sampled_from(_NAMES), values, max_size=4)
    required = st.lists(st.sampled_from(_NAMES), max_size=2)

    def with_definitions(top: dict[str, Any], d: Any, e: Any) -> dict[str, Any]:
        written = repr((top, d, e))
        more = {"$defs": {"D": d}} if "#/$defs/D" in written else {}
        return top | more | ({"definitions": {"E": e}} if "#/definitions/E" in written else {})

    objects = st.builds(
        with_definitions,
        st.fixed_dictionaries(
            {"properties": properties},
            optional={"type": st.sampled_from(["object", "dict"]), "required": required, "additionalProperties": st.booleans()},
        ),
        values,
        values,
    )  # fmt: skip
    entries = st.builds(
        lambda name, words, required: {
            "name": name,
            **words,
            **({} if required is None else {"required": required}),
        },
        st.sampled_from(_NAMES),
        values.filter(lambda words: isinstance(words, dict)),
        st.sampled_from([None, True, False, "true", "False"]),
    )
    listed = st.lists(entries, max_size=4, unique_by=lambda entry: str(entry["name"]))
    return st.one_of(
        objects,
        objects,
        objects,
        listed,
        st.sampled_from([None, True, {}, {"type": "object"}, {"type": "string"}]),
    )


def ugly_schemas(leaves: int = 12) -> st.SearchStrategy[Any]:
    """Schemas of values with every keyword, of all drafts and OpenAPI; references lead to what `ugly_parameters` defines."""
    whole = st.integers(0, 4) | st.just(2.0)
    number = st.integers(-5, 5) | st.sampled_from([0.5, -2.25, 1e3])
    scalar: st.SearchStrategy[Any] = (
        st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 2.0, "a", "km/h", "\u4e2d\n"])
    )
    value = (
        scalar | st.lists(scalar, max_size=2) | st.dictionaries(st.sampled_from(_NAMES), scalar, max_size=2)
    )
    enum = st.lists(value, min_size=1, max_size=4)
    notes = {
        "description": st.just("d"),
        "default": value,
        "title": st.just("t"),
        "examples": st.just(["e"]),
        "nullable": st.booleans(),
        "required": st.booleans(),  # draft 3
        "x-order": st.just(1),
    }

    def typed(*names: Any, **keywords: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.builds(
            lambda words, note: {**words, **note},
            st.fixed_dictionaries({"type": st.sampled_from(names)}, optional=keywords),
            st.just({}) | st.fixed_dictionaries({}, optional=notes),
        )

    plain = st.one_of(
        typed("string", "String", "str", enum=enum),
        typed("integer", "int", "number", "float", enum=enum),
        typed("boolean", "null", ["string", "null"], ["int", "string"], enum=enum),
        typed(*_ALIASES),
        typed("string", minLength=whole, maxLength=whole.map(lambda count: count + 3)),
        typed("string", pattern=st.sampled_from(_PATTERNS), minLength=whole),
        typed("string", format=st.sampled_from(["date", "email", "time", "ipv4", "other"])),
        typed("integer", "number", minimum=number, maximum=number, exclusiveMinimum=number, multipleOf=st.just(2)),
        typed("integer", "number", minimum=number, exclusiveMinimum=st.booleans(), maximum=number),  # draft 4
        st.fixed_dictionaries({"enum": enum}, optional=notes),
        st.fixed_dictionaries({"const": value}, optional=notes),
        st.fixed_dictionaries({"$ref": st.sampled_from(_REFERENCES)}, optional={"description": st.just("d"), "minLength": whole}),
        st.sampled_from([True, False, {}, {"description": "anything"}]),
        st.sampled_from([True, {}, *_HOPELESS]),
    )  # fmt: skip

    def inside(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        several = st.lists(children, min_size=1, max_size=3)
        properties = st.dictionaries(st.sampled_from(_NAMES), children, max_size=3)
        some = {"required": st.lists(st.sampled_from(_NAMES), max_size=2), "properties": properties}
        return st.one_of(
            typed("object", "dict", **some),
            typed(
                "object",
                **some,
                additionalProperties=children,
                minProperties=st.integers(0, 2),
                maxProperties=whole,
            ),
            st.fixed_dictionaries({"properties": properties}, optional={"required": some["required"]}),
            typed("array", "list", items=children, minItems=st.integers(0, 2), maxItems=whole),
            typed("array", prefixItems=several, items=children),
            typed("array", items=several, additionalItems=children),  # before draft 2020-12
            st.fixed_dictionaries({"anyOf": several}, optional=some),
            st.fixed_dictionaries({"oneOf": several}, optional=notes),
            st.fixed_dictionaries({"allOf": several}, optional=some),
            st.builds(
                lambda schema, word: (
                    {**schema, word: _UNENFORCED[word]} if isinstance(schema, dict) else schema
                ),
                children,
                st.sampled_from(sorted(_UNENFORCED)),
            ),
        )

    return st.recursive(plain, inside, max_leaves=leaves)
