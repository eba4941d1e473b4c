"""The hard cases of calls in Python and of code between markers: ChatGLM3 and InternLM2.5.

`call` writes a call as ChatGLM3 was trained to; `GET`, `WEB`... are what a client gets of one.
"""

import ast
import json
from time import process_time

import pytest
from cases import Case, check_case
from hypothesis import given
from hypothesis import strategies as st

from chat_adapters.adapters import ADAPTERS, Arguments, CallBegin, Parser, Text, Tool
from chat_adapters.adapters._repairs import REPAIRS
from chat_adapters.adapters._values import HOLD
from chat_adapters.toolkit.checks import check_cuts, read, reply_of
from chat_adapters.toolkit.strategies import cuts

CHATGLM3 = ADAPTERS["chatglm3"].format
INTERNLM = ADAPTERS["internlm2_5"].format
NAMES = ("get", "search", "web_search", "text-to-speech", "/image_resizer", "a.b")
CODE = Tool(
    "code_interpreter", {"type": "object", "properties": {"src": {"type": "string"}}, "required": ["src"]}
)
TOOLS = [*map(Tool, NAMES), CODE]


def call(name: str, arguments: str = "a=1") -> str:
    return f"{name}\n ```python\ntool_call({arguments})\n```"


def code(source: str) -> tuple[str, str]:
    return ("code_interpreter", json.dumps({"src": source}))


ARGS = '{"a": 1}'
GET = ("get", ARGS)
WEB = ("web_search", ARGS)
NO_CALL = {
    "a positional argument": "tool_call('x')",
    "no keyword": "tool_call(1=2)",
    "two commas": "tool_call(,)",
    "a name in quotes": "tool_call('a'=1)",
    "unpacking a list": "tool_call(*[1])",
    "unpacking a name": "tool_call(**kwargs)",
    "another function": "get(a=1)",
    "prose": "Hello",
    "code": "__import__('os').system('x')",
    "nothing": "",
}
BAD_VALUES = {
    "a bytes literal": "b'x'",
    "an f-string": "f'{x}'",
    "a raw string": r"r'\d'",
    "a u-string": "u'x'",
    "a set": "{1, 2}",
    "a set of texts": "{'a'}",
    "a name": "city",
    "a call": "__import__('os').system('x')",
    "a sum": "1 + 2",
    "a product": "[0] * 3",
    "a comprehension": "[x for x in y]",
    "a generator": "(x for x in y)",
    "a lambda": "lambda: 1",
    "an attribute": "'a'.upper()",
    "an index": "[1][0]",
    "a complex number": "1j",
    "not": "not True",
    "two signs": "--1",
    "a sign of a parenthesis": "-(1)",
    "an ellipsis": "...",
    "a leading zero": "01",
    "two underscores": "1__0",
    "an underscore at the end": "1_",
    "a hexadecimal underscore at the end": "0x1_",
    "no digit behind the base": "0x",
    "no digit behind the exponent": "1e",
    "a tuple as a key": "{(1, 2): 3}",
    "a spread dict": "{**{'a': 1}}",
    "a spread list": "[*[1]]",
    "two commas in a list": "[1,,]",
    "a comma alone": "(,)",
    "brackets that cross": "([)]",
    "two values": "1 2",
    "two values in a tuple": "('a', 1 2)",
    "no value": "",
    "an integer that no client can read": "9" * 4301,
    "a key that long": "{" + "9" * 65 + ": 1}",
    "a hexadecimal integer that long": "0x" + "f" * 80,
    "nested deeper than clients can read": "[" * 200 + "]" * 200,
    "parentheses nested deeper": "(" * 200 + ")" * 200,
    "a comment": "1 # one\n",
}
LITERALS = {
    "single quotes": ("'x'", '"x"'),
    "double quotes": ('"x"', '"x"'),
    "the other quote": ("""'"' """, r'"\""'),
    "the same quote": (r"'it\'s'", '"it\'s"'),
    "three quotes": ('"""a "b"\n\tc"""', r'"a \"b\"\n\tc"'),
    "three single quotes": ("'''it''s'''", '"it\'\'s"'),
    "empty": ("['', \"\", '''''', \"\"\"\"\"\"]", '["", "", "", ""]'),
    "texts in a row": ("'a' \"b\"\n'''c'''", '"abc"'),
    "texts in a row in a parenthesis": ("('a'\n 'b')", '"ab"'),
    "texts in a row in a tuple": ("('a' 'b', 'c')", '["ab", "c"]'),
    "escapes of JSON": (r"""'\n\t\r\b\f\\\"\u00e9'""", r'"\n\t\r\b\f\\\"\u00e9"'),
    "escapes of Python": (r"'\a\v\0\x41\101\x22\x5c\U0001F600'", r'"\u0007\u000b\u0000AA\"\\😀"'),
    "octal of one, two and three digits": (r"'\1\12\1011\778'", r'"\u0001\nA1?8"'),
    "octal above a byte": (r"'\777'", '"ǿ"'),
    "half a pair": (r"'\ud83d\U0000d83d'", r'"\ud83d\ud83d"'),
    "a line that goes on": ("'a\\\nb\\\r\nc'", '"abc"'),
    "a fence in a text": (r"'\n```\n'", r'"\n```\n"'),
    "a control character": ("'a\x00'", r'"a\u0000"'),
    "an escape that is none": (r"'\d\x4\u12'", r'"\\d\\x4\\u12"'),
    "a name of a character": (r"'\N{DASH}'", r'"\\N{DASH}"'),
    "words": ("[True, False, None]", "[true, false, null]"),
    "words of JSON": ("[true, false, null]", "[true, false, null]"),
    "integers": ("[0, -0, +0, 42, -7, +3]", "[0, -0, 0, 42, -7, 3]"),
    "underscores": ("[1_000, 0x_1F, 1_0.0_1]", "[1000, 31, 10.01]"),
    "bases": ("[0x1F, 0XfF, 0o17, 0O7, 0b101, -0x10, +0B1]", "[31, 255, 15, 7, 5, -16, 1]"),
    "points": ("[.5, -.5, 1., +1.e3, 1.E-3, 0.5]", "[0.5, -0.5, 1.0, 1.0e3, 1.0E-3, 0.5]"),
    "exponents": ("[1e5, 1E+5, 0e0, .5e-1]", "[1e5, 1E+5, 0e0, 0.5e-1]"),
    "a big integer": ("9" * 4300, "9" * 4300),
    "tuples": ("(1, 2)", "[1, 2]"),
    "a tuple of one": ("(5,)", "[5]"),
    "a parenthesis": ("(5)", "5"),
    "parentheses": ("(((5)))", "5"),
    "a tuple of none": ("( )", "[ ]"),
    "tuples in everything": (
        "[(1, (2, (3,)), ()), {'t': (1, [(2,)])}, ((1, 2), 3), ((1), 2)]",
        '[[1, [2, [3]], []], {"t": [1, [[2]]]}, [[1, 2], 3], [1, 2]]',
    ),
    "a list in a parenthesis": ("([1, 2])", "[1, 2]"),
    "trailing commas": ("[(1, 2, ), [1 , ], {'a': 1, }]", '[[1, 2 ], [1  ], {"a": 1 }]'),
    "keys of all types": (
        "{'a': 1, 2: 2, -3: 3, 1.50: 4, True: 5, False: 6, None: 7, -0: 8, 'b' 'c': 9, '''d''': 10}",
        '{"a": 1, "2": 2, "-3": 3, "1.5": 4, "true": 5, "false": 6, "null": 7, "0": 8, "bc": 9, "d": 10}',
    ),
    "deep": ("[" * 150 + "(1,)" + "]" * 150, "[" * 150 + "[1]" + "]" * 150),
}  # fmt: skip
REPAIRED = {
    "a control character": ("control_character",),
    "an escape that is none": ("invalid_escape",) * 3,
    "a name of a character": ("invalid_escape",),
}

CHATGLM3_CASES = {
    # What PROMPT.md shows.
    "a call": Case(call("get"), calls=(GET,)),
    "a blank before the name": Case(" " + call("get"), calls=(GET,)),
    "a thought and a call": Case("\n Let me see.<|assistant|>" + call("get"), "Let me see.", (GET,)),
    "a thought, the marker and a blank": Case("\n Let me see.<|assistant|> " + call("get"), "Let me see.", (GET,)),
    "the marker first": Case("<|assistant|>" + call("get"), calls=(GET,)),
    "no blank before the fence": Case(call("get").replace(" ```", "```"), calls=(GET,)),
    "white space before the fence": Case(call("get").replace(" ```", " \n  ```"), calls=(GET,)),
    "a tuple": Case(call("get", "seed=42, range=(0, 100)"), calls=(("get", '{"seed": 42, "range": [0, 100]}'),)),
    "no arguments": Case(call("get", ""), calls=(("get", "{}"),)),
    "white space for arguments": Case(call("get", " \n "), calls=(("get", "{}"),)),
    # An answer begins with an empty line, in all its spellings.
    "an answer": Case("\n Hi,\n there", "Hi,\n there"),
    "an answer with a blank": Case(" \n Hi", "Hi"),
    "an answer without a blank": Case("\nHi", "Hi"),
    "an answer without its line": Case("Hi\nthere", "Hi\nthere"),
    "an answer that was stripped": Case(" Hi", "Hi"),
    "an answer of one line": Case("\n 你好", "你好"),
    "an answer of one word": Case("get", "get"),
    "an empty answer": Case("\n ", ""),
    "one empty line, not two": Case("\n\n Hi", "\n Hi"),
    "a name in an answer": Case("\n Use get\nor search", "Use get\nor search"),
    "a block of code in an answer": Case("\n So:\n```python\nget()\n```", "So:\n```python\nget()\n```"),
    "a word and a block": Case("Example\n ```python\nx\n```", "Example\n ```python\nx\n```"),
    # Thought and name are glued where special tokens were stripped.
    "glued": Case("\n I use get." + call("get"), "I use get.", (GET,)),
    "glued without a full stop": Case("I use" + call("web_search"), "I use", (WEB,)),
    "glued to Chinese": Case("\n 我来查。" + call("get"), "我来查。", (GET,)),
    "one word glued": Case("Sure." + call("get"), "Sure.", (GET,)),
    "glued, and not offered": Case("\n I use get." + call("other"), "I use get." + call("other")),
    # Names.
    "a name that ends like another": Case(call("web_search"), calls=(WEB,)),
    "the other": Case(call("search"), calls=(("search", ARGS),)),
    "not offered": Case(call("x"), calls=(("x", ARGS),)),
    "not offered behind the marker": Case("\n Hi<|assistant|>" + call("x"), "Hi", (("x", ARGS),)),
    "not offered behind an empty line": Case("\n " + call("x"), call("x")),
    "not offered, it ends like an offered name": Case(call("my_get"), calls=(("my_get", ARGS),)),
    "so behind the marker": Case("<|assistant|>" + call("budget"), calls=(("budget", ARGS),)),
    "so in text": Case("\n Hi\n" + call("my_get") + call("x-get"), "Hi\n" + call("my_get") + call("x-get")),
    "dashes": Case(call("text-to-speech"), calls=(("text-to-speech", ARGS),)),
    "a slash": Case("Hi" + call("/image_resizer"), "Hi", (("/image_resizer", ARGS),)),
    "a dot": Case("Hi." + call("a.b"), "Hi.", (("a.b", ARGS),)),
    "64 characters": Case(call("x" * 64), calls=(("x" * 64, ARGS),)),
    "65 characters": Case(call("x" * 65), call("x" * 65)),
    "no line feed behind the name": Case("get ```python\ntool_call(a=1)\n```", "get ```python\ntool_call(a=1)\n```"),
    "no name": Case("\n ```python\ntool_call(a=1)\n \n```", "```python\ntool_call(a=1)\n \n```"),
    "no name, and no empty line": Case("```python\ntool_call(a=1)\n```", "```python\ntool_call(a=1)\n```"),
    # The end of a call.
    "no line feed before the fence": Case(call("get").replace("\n```", "```"), calls=(GET,)),
    "a line with one blank": Case(call("get").replace("\n```", "\n \n```"), calls=(GET,)),
    "no fence": Case(call("get")[:-4], calls=(GET,)),
    "half a fence": Case(call("get")[:-1], "\n``", (GET,)),
    "the stop token": Case(call("get") + "<|observation|>", calls=(GET,)),
    "the stop token behind white space": Case(call("get") + "\n <|observation|>", calls=(GET,)),
    "half the stop token": Case(call("get") + "<|observ", "<|observ", (GET,)),
    "an invented result": Case(call("get") + "<|observation|>\n 1", "<|observation|>\n 1", (GET,)),
    "text behind": Case(call("get") + "\nDone.", "\nDone.", (GET,)),
    "text before the fence": Case("get\n ```python\ntool_call(a=1) # x\n```", " # x\n", (GET,)),
    # Several.
    "two turns": Case(call("get") + "<|assistant|>" + call("web_search"), calls=(GET, WEB)),
    "two turns, with a blank": Case(call("get") + "<|assistant|> " + call("web_search"), calls=(GET, WEB)),
    "two behind an underscore": Case("\n x_<|assistant|>" + call("get") + call("get"), "x_", (GET, GET)),
    "two without a marker": Case(call("get") + call("get") + "\n" + call("web_search"), calls=(GET, GET, WEB)),
    "two under one name": Case(
        call("get", "a=1)\ntool_call(b=2); tool_call("),
        calls=(GET, ("get", '{"b": 2}'), ("get", "{}")),
    ),
    "text between": Case(call("get") + " then " + call("web_search"), " then ", (GET, WEB)),
    "the second one bad": Case(call("get") + call("get", "a=x"), call("get", "a=x"), (GET,)),
    "a marker and an answer": Case("\n A<|assistant|>\n B", "A\n B"),
    "a marker and an answer behind a call": Case(call("get") + "<|assistant|>\n B", "\n B", (GET,)),
    "markers alone": Case("<|assistant|><|assistant|>" + call("get") + "<|assistant|>", "<|assistant|><|assistant|>", (GET,)),
    # Keywords, and what is unpacked into them.
    "white space anywhere": Case(call("get", "\n  a = 1 ,\n\tb\n=[ 1 ,2 ] ,\n"), calls=(("get", '{"a":  1, "b": [ 1 ,2 ]}'),)),
    "a keyword that is a word to Python": Case(call("get", "हिन्दी·=1"), calls=(("get", '{"हिन्दी·": 1}'),)),
    "a tool that was not offered, behind the blank of a reply": Case(
        " " + call("other"), calls=(("other", '{"a": 1}'),)
    ),
    "a keyword in Chinese": Case(call("get", "城市='北京'"), calls=(("get", '{"城市": "北京"}'),)),
    "unpacked": Case(call("get", "**{'x y': 1, 2: 'b'}, a=1"), calls=(("get", '{"x y": 1, "2": "b", "a": 1}'),)),
    "unpacked later": Case(call("get", "a=1, ** {\"b\": (1,), }, **{}"), calls=(("get", '{"a": 1, "b": [1]}'),)),
    "nothing unpacked": Case(call("get", "**{}"), calls=(("get", "{}"),)),
    "a fence in a text": Case(call("get", "a='\\n```\\n<|assistant|>'"), calls=(("get", '{"a": "\\n```\\n<|assistant|>"}'),)),
    # The JSON of fine-tunes.
    "JSON": Case('get\n{"a": 1}', calls=(GET,)),
    "JSON behind the marker": Case('\n Hi<|assistant|> get\n {"a": 1}<|observation|>', "Hi", (GET,)),
    "JSON, twice": Case('get\n{"a": 1}<|assistant|>web_search\n{"a": 1}', calls=(GET, WEB)),
    "JSON for no offered tool": Case('Result\n{"a": 1}', 'Result\n{"a": 1}'),
    "JSON behind a word in text": Case('\n I use get\n{"a": 1}', 'I use get\n{"a": 1}'),
    "JSON for the interpreter": Case('interpreter\n{"src": "x"}', calls=(code("x"),)),
    # Code.
    "code": Case("interpreter\n ```python\nx = 1\n```", calls=(code("x = 1"),)),
    "code by the tool's own name": Case("code_interpreter\n ```python\nx\n```", calls=(code("x"),)),
    "code with fences": Case(
        "\n Hi<|assistant|> interpreter\n ```python\ns = '''\n```\n'''\n\n  y\n```<|observation|>", "Hi",
        (code("s = '''\n```\n'''\n\n  y"),),
    ),
    "indented code": Case("interpreter\n ```py\n  x\n```", calls=(code("  x"),)),
    "code and a call": Case("interpreter\n ```python\nx\n```<|assistant|>" + call("get"), calls=(code("x"), GET)),
    "a call of the interpreter": Case(call("interpreter", "src='x'"), calls=(code("x"),)),
    "code that is cut": Case("interpreter\n ```python\nx", "interpreter\n ```python\nx"),
    "code, then text": Case("interpreter\n ```python\nx\n```\nso", "interpreter\n ```python\nx\n```\nso"),
    "code, glued": Case("Let me see.interpreter\n ```python\nx\n```", "Let me see.", (code("x"),)),
    "a sentence that names the interpreter": Case(
        "\n This is for the interpreter\n```python\nx\n```", "This is for the interpreter\n```python\nx\n```"
    ),
    "code for another tool": Case("get\n ```python\nx = 1\n```", "get\n ```python\nx = 1\n```"),
}  # fmt: skip

PLUGIN, INTERPRETER, END = (
    "<|action_start|><|plugin|>\n",
    "<|action_start|><|interpreter|>\n",
    "<|action_end|>",
)
PIECES = (
    "[UNUSED_TOKEN_144][UNUSED_TOKEN_141]\n",
    "[UNUSED_TOKEN_144][UNUSED_TOKEN_142]\n",
    "[UNUSED_TOKEN_143]",
)
WRITTEN = '{"name": "get", "parameters": {"a": 1}}'
BLOCK = PLUGIN + WRITTEN + END
INTERNLM_CASES = {
    "a block": Case("Sure." + BLOCK, "Sure.", (GET,)),
    "blanks between the markers": Case(BLOCK.replace("><", "> <") + " ", " ", (GET,)),
    "no line feed": Case(BLOCK.replace("\n", ""), calls=(GET,)),
    "compact JSON": Case(BLOCK.replace(": ", ":").replace(", ", ","), calls=(("get", '{"a":1}'),)),
    "several blocks": Case(f"{BLOCK}{BLOCK}\n{BLOCK}", calls=(GET,) * 3),
    "text between blocks": Case(f"{BLOCK} and {BLOCK}", " and ", (GET, GET)),
    "no end marker": Case(PLUGIN + WRITTEN, calls=(GET,)),
    "no end marker between blocks": Case(f"{PLUGIN}{WRITTEN}{BLOCK}", calls=(GET, GET)),
    "a line feed behind the end marker": Case(BLOCK + "\n", "\n", (GET,)),
    "the stop token's text": Case(BLOCK + "\n<|im_end|>", "\n<|im_end|>", (GET,)),
    "an array": Case(f"{PLUGIN}[{WRITTEN}]{END}", calls=(GET,)),
    "a fence": Case(f"{PLUGIN}```json\n{WRITTEN}\n```{END}", calls=(GET,)),
    "a fence and no end marker": Case(f"{PLUGIN}```json\n{WRITTEN}\n```", calls=(GET,)),
    "an array in a fence": Case(f"{PLUGIN}```\n[{WRITTEN},\n{WRITTEN}]\n```\n{END}", calls=(GET, GET)),
    "arguments for parameters": Case(BLOCK.replace("parameters", "arguments"), calls=(GET,)),
    "the end marker in a text": Case(BLOCK.replace("1", f'"{END}"'), calls=(("get", f'{{"a": "{END}"}}'),)),
    "not offered": Case(BLOCK.replace("get", "Tool.api"), calls=(("Tool.api", ARGS),)),
    "no parameters": Case(f'{PLUGIN}{{"name": "get"}}{END}', calls=(("get", "{}"),)),
    "bad JSON": Case(BLOCK.replace("1", "x"), BLOCK.replace("1", "x")),
    "single quotes": Case(BLOCK.replace('"', "'"), calls=(GET,), repairs=("single_quotes",) * 4),
    "cut": Case(BLOCK[:-17], BLOCK[:-17]),
    "half a marker": Case("Hi<|action", "Hi<|action"),
    "half of the markers": Case("Hi<|action_start|>", "Hi<|action_start|>"),
    "only the second marker": Case(BLOCK.removeprefix("<|action_start|>"), BLOCK.removeprefix("<|action_start|>")),
    "pieces": Case(f"Hi {PIECES[0]}{WRITTEN}{PIECES[2]}", "Hi ", (GET,)),
    "pieces with blanks": Case(f"{PIECES[0]}{WRITTEN}{PIECES[2]}".replace("][", "] [") + "\n", "\n", (GET,)),
    "code in pieces": Case(f"{PIECES[1]}```python\nx\n```{PIECES[2]}", calls=(code("x"),)),
    "code": Case(f"Hi{INTERPRETER}```python\nx = 1\n```{END}\n", "Hi\n", (code("x = 1"),)),
    "code with blanks between the markers": Case(
        f"{INTERPRETER}```python\nx\n```{END}".replace("><", "> <"), calls=(code("x"),)
    ),
    "code without a fence": Case(f"{INTERPRETER}x = 1\n{END}", calls=(code("x = 1\n"),)),
    "indented code without a fence": Case(f"{INTERPRETER}  x{END}", calls=(code("  x"),)),
    "code without the end marker": Case(f"{INTERPRETER}```python\nx\n```", calls=(code("x"),)),
    "code with a line feed before the end marker": Case(f"{INTERPRETER}```python\nx\n```\n{END}", calls=(code("x"),)),
    "code without its fence's end": Case(f"{INTERPRETER}```python\nx{END}", calls=(code("x"),)),
    "code that is cut": Case(f"{INTERPRETER}```python\nx", f"{INTERPRETER}```python\nx"),
    "code with fences": Case(f"{INTERPRETER}```python\n'''\n```\n'''\n```{END}", calls=(code("'''\n```\n'''"),)),
    "code and a call": Case(f"{INTERPRETER}```python\nx\n```{END}\n{BLOCK}", calls=(code("x"), GET)),
}  # fmt: skip


@pytest.mark.parametrize("case", CHATGLM3_CASES.values(), ids=CHATGLM3_CASES)
def test_chatglm3(case: Case) -> None:
    check_case(CHATGLM3, TOOLS, case)


@pytest.mark.parametrize("case", INTERNLM_CASES.values(), ids=INTERNLM_CASES)
def test_internlm(case: Case) -> None:
    check_case(INTERNLM, TOOLS, case)


@pytest.mark.parametrize("body", NO_CALL.values(), ids=NO_CALL)
def test_what_is_no_call_is_text(body: str) -> None:
    reply = f"get\n ```python\n{body}\n```"
    check_case(CHATGLM3, TOOLS, Case(reply, reply))
    assert not any(isinstance(event, CallBegin) for event in read(CHATGLM3, TOOLS, reply).events)


@pytest.mark.parametrize("value", BAD_VALUES.values(), ids=BAD_VALUES)
def test_a_value_that_is_no_literal(value: str) -> None:
    """Whole, the call is text; streamed, it goes out as it is written. No sibling is harmed."""
    reply = call("get", f"a={value}, b=2") + "<|assistant|>" + call("web_search")
    check_case(CHATGLM3, TOOLS, Case(reply, call("get", f"a={value}, b=2"), (WEB,)))


@pytest.mark.parametrize("kind", LITERALS)
def test_literals(kind: str) -> None:
    literal, written = LITERALS[kind]
    calls = (("get", f'{{"a": {written}}}'),)
    check_case(CHATGLM3, TOOLS, Case(call("get", f"a={literal}"), "", calls, REPAIRED.get(kind, ())))


def test_no_interpreter_is_offered() -> None:
    """Then code is text, and a call by the interpreter's name is one of a tool that was not offered."""
    tools = TOOLS[:-1]
    for reply in ("interpreter\n ```python\nx\n```", "python\n ```python\nx\n```"):
        check_case(CHATGLM3, tools, Case(reply, reply))
    check_case(CHATGLM3, tools, Case(call("interpreter"), calls=(("interpreter", ARGS),)))
    for begin, end in ((INTERPRETER, END), PIECES[1:]):
        block = f"{begin}```python\nx\n```{end}"
        check_case(INTERNLM, tools, Case(block + BLOCK, block, (GET,)))


def test_a_tool_that_was_not_offered_can_be_kept_as_content() -> None:
    text = call("x", "a='<|assistant|>get\\n'") + "<|assistant|>" + call("get")
    reading = check_cuts(CHATGLM3, TOOLS, text, unknown_tools="content")
    assert [type(event).__name__ for event in reading.events] == ["Text", "CallBegin", "Arguments", "CallEnd"]


def test_names_that_the_format_cannot_carry_open_nothing() -> None:
    tools = [Tool(""), Tool("a b"), Tool("x" * 65)]
    for name in ("", "a b"):
        check_case(CHATGLM3, tools, Case("\n Hi, " + call(name), "Hi, " + call(name)))


# Python literals, as `repr` and as people write them.

_KEYS = st.text(max_size=4) | st.integers() | st.sampled_from([1.5, -0.25, 1024.0, True, False, None])
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["'", '"', "\\", "'''", "\n```", "é\x7f\u2028😀", "<|assistant|>get\n"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(_KEYS, inner, max_size=3)
    ),
    max_leaves=8,
)
_BLANKS = st.sampled_from(["", "", " ", "\n    ", " \t"])


@st.composite
def spelled(draw: st.DrawFn, value: object) -> str:
    """A literal of the value, in any of its spellings."""
    if draw(st.integers(0, 9)) == 0:
        return repr(value)
    if draw(st.integers(0, 9)) == 0:
        return f"({draw(_BLANKS)}{draw(spelled(value))}{draw(_BLANKS)})"
    match value:
        case bool() | None | float():
            return repr(value)
        case int():
            sign = "-" if value < 0 else draw(st.sampled_from(["", "+"]))
            # With another base, an integer of at most 64 characters.
            bases = ["#x", "#_X", "#o", "#b"] if abs(value) < 2**48 else []
            return sign + format(abs(value), draw(st.sampled_from(["", "_", *bases])))
        case str():
            return draw(quoted(value))
        case dict():
            keys = [draw(quoted(key)) if isinstance(key, str) else repr(key) for key in value]
            colon = draw(_BLANKS) + ":" + draw(_BLANKS)
            items = [
                key + colon + draw(spelled(item)) for key, item in zip(keys, value.values(), strict=True)
            ]
            return "{" + draw(joined(items)) + "}"
        case list():
            return "[" + draw(joined([draw(spelled(item)) for item in value])) + "]"
        case tuple():
            inner = draw(joined([draw(spelled(item)) for item in value]))
            return f"({inner}{',' * (len(value) == 1 and not inner.rstrip().endswith(','))})"
    raise AssertionError(value)


@st.composite
def joined(draw: st.DrawFn, items: list[str]) -> str:
    """The items of a container, with white space and perhaps a trailing comma."""
    text = (draw(_BLANKS) + "," + draw(_BLANKS)).join(items)
    return draw(_BLANKS) + text + draw(st.sampled_from(["", ",", " , "] if items else [""])) + draw(_BLANKS)


@st.composite
def quoted(draw: st.DrawFn, text: str) -> str:
    """A literal of the text, or two in a row."""
    half = draw(st.integers(0, len(text)))
    literals = []
    for part in [text] if draw(st.booleans()) else [text[:half], text[half:]]:
        quote = draw(st.sampled_from(["'", '"', "'''", '"""']))
        literals.append(
            quote + "".join(draw(st.sampled_from(spellings(char, quote))) for char in part) + quote
        )
    return draw(st.sampled_from([" ", "\n  "])).join(literals)


def spellings(char: str, quote: str) -> list[str]:
    """How a character may stand between these quotes."""
    code = ord(char)
    bare = char.isprintable() and char not in "\\" + quote
    found = [char] * 4 * bare + [f"\\U{code:08x}"]
    if char in _LETTERS:
        found.append("\\" + _LETTERS[char])
    if code < 0x10000:
        found.append(f"\\u{code:04X}")
    if code < 0x100:
        found += [f"\\x{code:02x}", f"\\{code:03o}", f"\\\n\\x{code:02x}"]
    if char in "\n\t" and len(quote) == 3:
        found.append(char)
    return found


_LETTERS = dict(zip("'\"\\\a\b\f\n\r\t\v", "'\"\\abfnrtv", strict=True))


@st.composite
def written_arguments(draw: st.DrawFn) -> str:
    """What stands between the parentheses of a call."""
    members = []
    for key in draw(st.lists(st.sampled_from("abc"), max_size=3, unique=True)):
        value, blanks = draw(spelled(draw(_VALUES))), draw(_BLANKS)
        members.append(
            draw(
                st.sampled_from([f"{key}{blanks}={blanks}{value}", f"**{blanks}{{'{key}'{blanks}: {value}}}"])
            )
        )
    return draw(joined(members))


def evaluated(arguments: str) -> object:
    """What Python makes of them, and `json` of that."""
    called = ast.parse(f"f({arguments})", mode="eval").body
    assert isinstance(called, ast.Call)
    values: dict[object, object] = {}
    for keyword in called.keywords:
        value = ast.literal_eval(keyword.value)
        values |= value if keyword.arg is None else {keyword.arg: value}
    return json.loads(json.dumps(values))


@given(arguments=written_arguments(), data=st.data())
def test_a_call_means_what_python_reads(arguments: str, data: st.DataObject) -> None:
    text = call("get", arguments)
    reading = check_cuts(CHATGLM3, TOOLS, text, [data.draw(cuts(text))])
    reply = reply_of(CHATGLM3, TOOLS, text)
    assert [(name, json.loads(written)) for name, written in reply.calls] == [("get", evaluated(arguments))]
    assert not reply.content
    assert not reading.repairs


@given(arguments=written_arguments())
def test_a_call_in_python_leaves_as_it_comes(arguments: str) -> None:
    """What waits unread is short, and what was read has left, but for what stands in a parenthesis."""
    parser = Parser(CHATGLM3, TOOLS)
    parser.feed("get\n ```python\ntool_call(")
    for char in arguments:
        parser.feed(char)
        assert len(parser._rest) <= HOLD
        if parser._call.announced and "(" not in arguments:
            assert parser._call.take() == ""


@pytest.mark.parametrize("quote", ["'", '"', "'''"])
def test_a_text_streams_by_the_character(quote: str) -> None:
    parser = Parser(CHATGLM3, TOOLS)
    parser.feed(f"get\n ```python\ntool_call(a=[1, {quote}P")
    for char in "aris, 北京":
        assert parser.feed(char) == [Arguments(0, char)]
    assert parser.feed("\\u00") == []
    assert parser.feed("e9") == [Arguments(0, "\\u00e9")]


def test_what_stands_in_a_parenthesis_leaves_at_its_first_comma() -> None:
    parser = Parser(CHATGLM3, TOOLS)
    parser.feed("get\n ```python\ntool_call(a=")
    assert parser.feed("(('x', [2]") == []
    assert parser.feed(")") == []
    assert parser.feed(", 3") == [Arguments(0, '[["x", [2]], 3')]


def test_bad_arguments_stream_as_they_are_written() -> None:
    for written in ("(5 6)", "((3 4", "[(((x"):
        reading = read(CHATGLM3, TOOLS, [*call("get", f"a={written}, b=2")])
        said = "".join(event.text for event in reading.events if isinstance(event, Arguments))
        assert said == f'{{"a": {written}, b=2)\n'


DAMAGED = {
    "chatglm3": "\n Hi.<|assistant|>"
    + call("get", "a='it\\'s', b=[1, (2, 'x',), ()], **{'c': {None: .5}}, d=('a' \"b\"), e='''\n'''")
    + "<|assistant|>interpreter\n ```python\nx\n```<|observation|>",
    "internlm2_5": f"Hi.{INTERPRETER}```python\nx\n```{END}\n{PLUGIN}```json\n[{WRITTEN}]\n```{END}"
    f"{PIECES[0]}{WRITTEN}{PIECES[2]}{PIECES[1]}x{PIECES[2]}",
}
DAMAGE = [
    *"'\"\\()[]{},:=*_.-+`\n 09ex",
    "",
    "'''",
    "```",
    "\n```\n",
    "<|assistant|>",
    "<|action_",
    "get\n",
    " " * HOLD,
]


@pytest.mark.parametrize("name", DAMAGED)
@given(data=st.data())
def test_a_damaged_call_reads_the_same_for_every_cut_and_loses_nothing(
    name: str, data: st.DataObject
) -> None:
    reply = DAMAGED[name]
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(reply)))
        end = place + data.draw(st.integers(0, 3))
        reply = reply[:place] + data.draw(st.sampled_from(DAMAGE)) + reply[end:]
    check_cuts(
        ADAPTERS[name].format,
        TOOLS,
        reply,
        [data.draw(cuts(reply))],
        unknown_tools=data.draw(st.sampled_from(["forward", "content"])),
        repairs=data.draw(st.just(REPAIRS) | st.frozensets(st.sampled_from(sorted(REPAIRS)))),
    )


WORDS = ["Hello", "get", "ge", "web", "web_s", "se", " ", "\n", ".", "好", "/", "_", "<", "|"]


@given(text=st.lists(st.sampled_from(WORDS)).map("".join))
def test_no_word_of_an_answer_waits_longer_than_it_may_become_a_call(text: str) -> None:
    parser = Parser(CHATGLM3, TOOLS)
    parser.feed("\n Well, ")
    openers = [CHATGLM3.call.open, *(f"{name}\n" for name in (*NAMES, CODE.name, "interpreter"))]
    said = ""
    for end in range(1, len(text) + 1):
        said += "".join(event.text for event in parser.feed(text[end - 1]) if isinstance(event, Text))
        held = text[len(said) : end]
        assert text.startswith(said)
        # Behind the name's line, white space may lead to the fence.
        assert not held or any(opener.startswith(held) or held.startswith(opener) for opener in openers)


def test_only_the_first_word_of_a_reply_may_be_any_name() -> None:
    parser = Parser(CHATGLM3, TOOLS)
    assert parser.feed("Hello") == []
    assert parser.feed(", Hello") == [Text("Hello, Hello", 0)]
    assert Parser(CHATGLM3, TOOLS).feed("x" * 65) == [Text("x" * 65, 0)]
    assert Parser(CHATGLM3, TOOLS).feed("\n Hello")[1:] == [Text("Hello", 2)]


MANY = [Tool(f"get_current_weather_in_the_city_of_{number:03}") for number in range(300)]
LONG = f"{MANY[0].name}\n ```python\ntool_call("


@pytest.mark.parametrize(
    ("start", "text"),
    [
        ("", "get_current_weather_in_the_city_of_"),
        ("", "x"),
        ("", "<|assistant|>"),
        ("", "<|assistant|>xyz\n"),
        ("", "get_current_weather_in_the_city_of_007\n"),
        *(
            (LONG + "a=", text)
            for text in ("(", "[", "{1:", "(1,", "'a' ", "'a'\n\n", "'' ", "-", "1_", "((1),")
        ),
        (LONG, "**{"),
        (LONG, "**{'a':"),
        (LONG, "**{'a': 1},"),
        (LONG, "b=1,"),
        (LONG, "a=" + "(" * 150 + ")" * 150 + ","),
        (LONG + "a='", "\\"),
        (LONG + "a='", "\\x4"),
        (LONG + "a='''", "''"),
        (LONG + "a=('", "x"),
        *(("interpreter\n ```python\n", text) for text in ("\n```", "\n``", "<|observ", "\n```<|observ")),
    ],
)
def test_a_hostile_reply_costs_what_its_parts_cost(start: str, text: str) -> None:
    """In one piece and in small ones: ten times the text, at most twenty times the time."""

    def cost(size: int, step: int) -> float:
        parser = Parser(CHATGLM3, [*MANY, CODE])
        reply = start + text * (size // len(text))
        begun = process_time()
        for place in range(0, len(reply), step):
            parser.feed(reply[place : place + step])
        parser.close()
        return process_time() - begun

    cost(1000, 1)  # makes the patterns
    for step in (1_000_000, 16):
        short = min(cost(20_000, step) for _ in range(2))
        assert cost(200_000, step) < 20 * max(short, 0.002)
