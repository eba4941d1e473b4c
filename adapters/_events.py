"""What a parser says of a reply, piece by piece. Nothing that was said is taken back.

Offsets count characters of the reply. The spans of `Text`, `Markup` and of the calls (from `CallBegin.start` to
`CallEnd.end`) lie side by side and cover the whole reply.
"""

from typing import Literal, NamedTuple

__all__ = ["Arguments", "CallBegin", "CallEnd", "Event", "Markup", "Text"]


class Text(NamedTuple):
    """Content: the characters of the reply from `start`, as they were written."""

    text: str
    start: int


class Markup(NamedTuple):
    """Characters outside calls that belong to the format.

    `lead`: what leads to the next call, a separator or white space. `close`: a closing marker that comes late, or one that ends a turn.
    `prelude`: what the reply begins with because the prompt ended there.
    """

    kind: Literal["lead", "close", "prelude"]
    start: int
    end: int


class CallBegin(NamedTuple):
    """A call, announced once; `call` counts from 0, the name is whole."""

    call: int
    name: str
    start: int


class Arguments(NamedTuple):
    """The next piece of the call's arguments. The pieces of a complete call join to one JSON object."""

    call: int
    text: str


class CallEnd(NamedTuple):
    """The call is over. `complete` says that its arguments object was: if not, it must not be executed."""

    call: int
    complete: bool
    end: int


Event = Text | Markup | CallBegin | Arguments | CallEnd
