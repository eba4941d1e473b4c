"""What a model family writes, as frozen data: the one description that parser and grammar come from."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_letters, digits
from typing import ClassVar, NamedTuple

from ._errors import FormatError, ToolNameError

__all__ = [
    "CodeCall",
    "Form",
    "Format",
    "HeadedCall",
    "JsonCall",
    "PythonCall",
    "TaggedCall",
    "Tool",
    "check_tool_name",
]

ARGUMENTS_KEYS = ("arguments", "parameters")
SKIPPED_KEYS = ("type", "id")
NAME_LETTERS = ascii_letters + digits + "_./-"
NAME_CHARS = "[A-Za-z0-9_./-]"
MAX_NAME = 64
TOOL_NAME = re.compile(f"{NAME_CHARS}{{1,{MAX_NAME}}}")


class Tool(NamedTuple):
    """What parser and grammar need to know of a tool: its name, and its parameters as the request gave them."""

    name: str
    parameters: Mapping[str, object] | Sequence[object] | bool | None = None


def check_tool_name(name: str) -> None:
    """
    Raises:
        ToolNameError: no format and no template carries such a name.
    """
    if not TOOL_NAME.fullmatch(name):
        raise ToolNameError(
            f"the tool name {name[: MAX_NAME + 1]!r} cannot be written in a call: "
            f"use 1 to {MAX_NAME} of letters, digits and _ . / -"
        )


@dataclass(frozen=True, slots=True)
class JsonCall:
    """A call written as one JSON object, with or without a marker on each side.

    Each text is given exactly as the model was trained to write it, white space included. The parser reads the
    same call with any white space around the markers and inside the JSON, the keys in any order, and `arguments`
    or `parameters` for either; the grammar admits the trained spelling.
    """

    open: str = ""
    """Marker before the object, with the white space after it; empty when the object stands alone."""
    close: str = ""
    """Marker after the object, with the white space before it; empty when nothing follows."""
    name_key: str = "name"
    arguments_key: str = "arguments"
    at_line_start: bool = False
    """The opening marker counts at the start of the reply or of a line only."""
    weak: bool = False
    """An answer may have the marker too: behind it only an offered tool, with an object of arguments, is a call."""
    fenced: bool = False
    """The opening marker begins a code fence, whose end belongs to the call."""
    python: bool = False
    """An array may hold calls in Python: `[get_weather(city='Paris'), get_time()]`."""

    again: ClassVar[str] = ""

    def __post_init__(self) -> None:
        if (self.open and not self.open.strip()) or (self.close and not self.close.strip()):
            raise FormatError("a marker needs a character that is not white space; leave it empty instead")
        if self.close and not self.open:
            raise FormatError(f"the closing marker {self.close!r} needs an opening one")
        if self.open.lstrip() != self.open or self.close.rstrip() != self.close:
            raise FormatError("white space outside the markers belongs to the format's lead and separator")
        if self.at_line_start and not self.open:
            raise FormatError("what counts at the start of a line needs an opening marker")
        if self.fenced and (self.close or not self.open.startswith("```")):
            raise FormatError(
                "the marker of a fenced call begins the fence, and the fence's end is its closing one"
            )
        if self.open and self.open.strip() == self.close.strip():
            raise FormatError(f"the same marker {self.open!r} cannot open and close")
        if self.name_key == self.arguments_key:
            raise FormatError(f"name and arguments cannot share the key {self.name_key!r}")
        for key in (self.name_key, self.arguments_key):
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key):
                raise FormatError(f"the key {key!r} is not a plain word")
        others = ("function", *SKIPPED_KEYS)
        if self.name_key in (*ARGUMENTS_KEYS, *others) or self.arguments_key in ("name", *others):
            raise FormatError(f"{self.name_key!r} or {self.arguments_key!r} means something else in a call")

    @property
    def marked(self) -> bool:
        """Something stands before the call that nothing else begins with."""
        return bool(self.open)

    def begin(self, name: str) -> str:
        """Everything the model writes before the arguments of a call of `name`.

        Raises:
            ToolNameError: the name has a character that the format cannot carry.
        """
        check_tool_name(name)
        return f'{self.open}{{"{self.name_key}": "{name}", "{self.arguments_key}": '

    @property
    def end(self) -> str:
        """Everything the model writes after the arguments."""
        return "}\n```" if self.fenced else "}" + self.close


@dataclass(frozen=True, slots=True)
class TaggedCall(JsonCall):
    """Behind a tag: a JSON call, a built-in `NAME.call(KEY="TEXT")` whose text is not escaped, or an interpreter's code.

    The built-ins are the offered tools and `builtins`. Anything else is code if an interpreter is offered, else text.
    """

    builtins: tuple[str, ...] = ()
    """Built-in tools that the model calls without being offered them."""

    def __post_init__(self) -> None:
        JsonCall.__post_init__(self)
        if not self.open:
            raise FormatError("a tagged call needs its tag")


@dataclass(frozen=True, slots=True)
class HeadedCall:
    """A call whose name stands in a head of its own, the arguments behind it: `<function=NAME>{...}</function>`."""

    open: str
    between: str
    """What stands between name and arguments; the name ends at its first character."""
    close: str = ""
    at_line_start: bool = False
    """The opening marker counts at the start of the reply or of a line only."""
    weak: bool = False
    """An answer may have the marker too: behind it only an offered tool, with an object of arguments, is a call."""
    repeats: bool = False
    """`between` may come again behind the arguments: another call of the same tool."""
    fenced_code: bool = False
    """An interpreter's arguments may be a fenced block of code."""

    marked: ClassVar[bool] = True
    python: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not self.open.strip() or not self.between.strip():
            raise FormatError("a head needs a marker on each side of the name")
        if self.open.strip() == self.close.strip():
            raise FormatError(f"the same marker {self.open!r} cannot open and close")
        if self.open.lstrip() != self.open or self.close.rstrip() != self.close:
            raise FormatError("white space outside the markers belongs to the format's lead and separator")
        if self.between[0] in NAME_LETTERS:
            raise FormatError(f"a name may have the {self.between[0]!r} that {self.between!r} begins with")

    def begin(self, name: str) -> str:
        """Everything the model writes before the arguments of a call of `name`.

        Raises:
            ToolNameError: the name has a character that the format cannot carry.
        """
        check_tool_name(name)
        return self.open + name + self.between

    @property
    def end(self) -> str:
        """Everything the model writes after the arguments."""
        return self.close

    @property
    def again(self) -> str:
        """What may stand behind the arguments and begin another call of the same tool; empty for nothing."""
        return self.between.strip() if self.repeats else ""


@dataclass(frozen=True, slots=True)
class CodeCall:
    """A call of the interpreter: its code between two markers, in a code fence or bare."""

    open: str
    close: str

    at_line_start: ClassVar[bool] = False
    marked: ClassVar[bool] = True
    python: ClassVar[bool] = False
    again: ClassVar[str] = ""

    def __post_init__(self) -> None:
        if not self.open.strip() or not self.close.strip():
            raise FormatError("code needs a marker on each side")


@dataclass(frozen=True, slots=True)
class PythonCall:
    """A name on a line of its own, and below it, in a code fence, a call in Python: `tool_call(city='Paris', days=3)`.

    A name that is offered needs nothing before it, for the turn's marker may have been stripped from the text.
    Another name is one only behind the marker, or where the reply begins. Where the name is an interpreter's, the
    fence may hold its code. Some fine-tunes write a JSON object instead of the fence.
    """

    open: str
    """The marker of the turn; before the first call the prompt has written it."""
    function: str
    """What the call in the fence is called."""
    interpreter: str = ""
    """The name that stands for whichever interpreter is offered."""

    answer: ClassVar[str] = "\n "
    """What stands before a text, where a call has its name."""
    between: ClassVar[str] = "\n ```python\n"
    close: ClassVar[str] = "\n```"
    at_line_start: ClassVar[bool] = False
    marked: ClassVar[bool] = True
    python: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not self.open.strip() or not self.function.isidentifier():
            raise FormatError("a call in Python needs the marker of its turn, and the name of a function")

    def begin(self, name: str) -> str:
        """Everything the model writes before the arguments of a call of `name`, but for the turn's marker.

        Raises:
            ToolNameError: the name has a character that the format cannot carry.
        """
        check_tool_name(name)
        return f"{name}{self.between}{self.again}"

    @property
    def end(self) -> str:
        """Everything the model writes after the arguments."""
        return ")" + self.close

    @property
    def again(self) -> str:
        """What begins a call, and may begin another one of the same tool."""
        return self.function + "("


Form = JsonCall | TaggedCall | HeadedCall | CodeCall | PythonCall


@dataclass(frozen=True, slots=True)
class Format:
    """How calls stand in a reply: the form the model was trained on, and the forms that are read besides."""

    call: JsonCall | HeadedCall | PythonCall
    also: tuple[Form, ...] = ()
    """Other forms that the parser reads; the grammar and the template write `call`."""
    lead: str = ""
    """White space that the template writes between text and the first call."""
    separator: str = ""
    """What stands between two calls: white space, `;` or `,`; or the marker that the prompt wrote before the first."""
    tag: str = ""
    """What may stand before the first call, in the grammar; where the parser reads it, it opens a form of its own."""
    preludes: tuple[str, ...] = ()
    """Markup that a reply may begin with: the rest of a marker that the prompt has begun."""
    stop_strings: tuple[str, ...] = ()
    """What the model writes where it should wait for a result: the server stops a reply there, or just behind it."""
    stop_token: str = ""
    """A stop token that says the same; its spelling may stand at the end of a reply."""

    def __post_init__(self) -> None:
        if self.lead.strip():
            raise FormatError(
                f"the lead {self.lead!r} must be white space: anything else belongs to the marker"
            )
        if self.separator != self.call.open and (
            self.separator.strip("; ,\n\t\r") or len(self.separator) > 64
        ):
            raise FormatError(
                f"the separator {self.separator!r} must be white space, ';' or ',', at most 64 of them"
            )
        if self.stop_token and not self.stop_token.strip():
            raise FormatError("a stop token is not white space")
        opens = [form.open.strip() for form in self.forms]
        markers = [*filter(None, opens), *filter(None, (form.close.strip() for form in self.forms))]
        if len(set(opens)) != len(opens):
            raise FormatError(f"two forms open alike: {opens}")
        for marker in markers:
            longer = [other for other in markers if other != marker and other.startswith(marker)]
            if longer:
                raise FormatError(
                    f"the marker {marker!r} begins like {longer[0]!r}: which of them stands there?"
                )
            if marker[0] in ";," or ("" in opens and marker[0] in "{["):
                raise FormatError(
                    f"the marker {marker!r} begins like a separator, or like a call without marker"
                )
        if "" in (*self.preludes, *map(str.strip, self.stop_strings)):
            raise FormatError("a prelude or a stop string cannot be empty")

    @property
    def forms(self) -> tuple[Form, ...]:
        return (self.call, *self.also)

    @property
    def waits(self) -> tuple[str, ...]:
        """What may stand behind a call at the end of a reply: signs that the model waits for the result."""
        return tuple(filter(None, (*map(str.strip, self.stop_strings), self.stop_token)))
