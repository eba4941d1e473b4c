"""What whoever runs a server can set: environment variables `CHAT_ADAPTERS_*`, checked when vLLM loads the plugin.

Each is a field of `Settings`, and said nowhere else: `max_body` is read from `CHAT_ADAPTERS_MAX_BODY`.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, Literal, Protocol

from ..adapters import ADAPTERS, COERCIONS, EXCERPT, REPAIRS, ChatAdaptersError

__all__ = [
    "DIALECTS",
    "PREFIX",
    "SAFE_DIALECTS",
    "Settings",
    "SettingsError",
    "Variable",
    "changed",
    "current_settings",
    "read_settings",
    "variables",
]

PREFIX = "CHAT_ADAPTERS_"
OF_THE_SUITE = frozenset({f"{PREFIX}SHARED"})
"""Variables that the tests read: they set nothing, and a server started beside the tests is to start."""


_EVERY_DIALECT = [dialect for adapter in ADAPTERS.builtin.values() for dialect in adapter.dialects]
DIALECTS = frozenset(dialect.name for dialect in _EVERY_DIALECT)
SAFE_DIALECTS = DIALECTS - {dialect.name for dialect in _EVERY_DIALECT if not dialect.safe}
"""Those that are safe in every family that has them: a name is set for all."""


class SettingsError(ChatAdaptersError):
    """A variable with our prefix is no setting, or has a value that it does not take."""


class Kind(Protocol):
    """What a setting takes."""

    @property
    def takes(self) -> str:
        """In words."""

    def read(self, text: str) -> object:
        """
        Raises:
            ValueError: it does not take this.
        """

    def write(self, value: Any) -> str:
        """What `read` makes this value of."""


@dataclass(frozen=True, slots=True)
class _OneOf:
    names: tuple[str, ...]

    @property
    def takes(self) -> str:
        return " or ".join(f"`{name}`" for name in self.names)

    def read(self, text: str) -> str:
        if text not in self.names:
            raise ValueError
        return text

    def write(self, value: str) -> str:
        return value


@dataclass(frozen=True, slots=True)
class _Number:
    low: int
    high: int

    @property
    def takes(self) -> str:
        return f"a number from {self.low} to {self.high}"

    def read(self, text: str) -> int:
        number = int(text)
        if not self.low <= number <= self.high:
            raise ValueError
        return number

    def write(self, value: int) -> str:
        return str(value)


@dataclass(frozen=True, slots=True)
class _Some:
    """Some of these names."""

    names: frozenset[str]
    safe: frozenset[str] | None = None
    """What the word `safe` stands for, where it stands for something."""

    @property
    def words(self) -> dict[str, frozenset[str]]:
        """Words that stand for several names, or for none."""
        words = {"all": self.names, "none": frozenset[str]()}
        return words if self.safe is None else words | {"safe": self.safe}

    @property
    def takes(self) -> str:
        words = ", ".join(f"`{word}`" for word in self.words)
        names = ", ".join(f"`{name}`" for name in sorted(self.names))
        return f"{words}, or names with commas between them, or all but some: `-NAME`. The names: {names}"

    def read(self, text: str) -> frozenset[str]:
        if text in self.words:
            return self.words[text]
        given = [name.strip() for name in text.split(",")]
        named = frozenset(name.removeprefix("-") for name in given)
        less = {name.startswith("-") for name in given}
        if not named <= self.names or len(less) > 1:
            raise ValueError
        return self.names - named if True in less else named

    def write(self, value: frozenset[str]) -> str:
        return next((word for word, meant in self.words.items() if meant == value), ",".join(sorted(value)))


def _about(kind: Kind, does: str) -> dict[str, object]:
    return {"kind": kind, "does": does}


@dataclass(frozen=True, slots=True)
class Settings:
    """How a server is set; each field is one variable."""

    unknown_tools: Literal["forward", "content"] = field(
        default="forward",
        metadata=_about(
            _OneOf(("forward", "content")),
            "What becomes of a marked call of a tool that the request does not offer: "
            "a call like any other, or content.",
        ),
    )
    repairs: frozenset[str] = field(
        default=REPAIRS,
        metadata=_about(_Some(REPAIRS), "What may be put right in a call that is not quite JSON."),
    )
    coercions: frozenset[str] = field(
        default=frozenset(),
        metadata=_about(
            _Some(COERCIONS),
            "What a text in a call may become, where the tool's schema asks for that and takes no such text.",
        ),
    )
    dialects: frozenset[str] = field(
        default=SAFE_DIALECTS,
        metadata=_about(
            _Some(DIALECTS, SAFE_DIALECTS),
            "What fine-tunes write in place of a family's own form, and is read too, where the family has it.",
        ),
    )
    max_body: int = field(
        default=64 * 2**20,
        metadata=_about(_Number(1, 2**40), "Bytes of a request that the middleware takes."),
    )
    logged_text: int = field(
        default=80,
        metadata=_about(
            _Number(0, EXCERPT),
            "Characters of a reply that a line of the log may show; with 0 it shows none.",
        ),
    )


@dataclass(frozen=True, slots=True)
class Variable:
    """A setting as people see it."""

    name: str
    """The variable's."""
    field: str
    default: object
    kind: Kind
    does: str


@cache
def variables() -> dict[str, Variable]:
    """Every setting by its variable's name."""
    found = (
        Variable(
            PREFIX + each.name.upper(), each.name, each.default, each.metadata["kind"], each.metadata["does"]
        )
        for each in fields(Settings)
    )
    return {variable.name: variable for variable in found}


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings of an environment. An empty variable is as good as none.

    Raises:
        SettingsError: a name or a value is wrong; the message names all that are, in one line.
    """
    values: dict[str, Any] = {}
    wrong: list[str] = []
    for name in sorted(environment):
        if not name.startswith(PREFIX) or name in OF_THE_SUITE:
            continue
        variable = variables().get(name)
        if variable is None:
            wrong.append(f"there is no setting {name!a}; there are {', '.join(variables())}")
            continue
        text = environment[name].strip()
        if text:
            try:
                values[variable.field] = variable.kind.read(text)
            except ValueError:
                wrong.append(f"{name} takes {variable.kind.takes.replace('`', '')}; it is {text!a:.200}")
    if wrong:
        raise SettingsError("; ".join(wrong))
    return Settings(**values)


@cache
def current_settings() -> Settings:
    """This process's: they are read once.

    Raises:
        SettingsError: see `read_settings`.
    """
    return read_settings(os.environ)


def changed(chosen: Settings) -> Iterator[str]:
    """What differs from the defaults, as one would set it."""
    for variable in variables().values():
        value = getattr(chosen, variable.field)
        if value != variable.default:
            yield f"{variable.name}={variable.kind.write(value)}"
