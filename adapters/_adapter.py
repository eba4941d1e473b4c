"""A model family: its format, its dialects, and what tells its checkpoints from others."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ._errors import FormatError, UnknownDialectError
from ._format import CodeCall, Form, Format

__all__ = ["Adapter", "Dialect", "Signs"]


@dataclass(frozen=True, slots=True)
class Signs:
    """What tells a family's checkpoint from others that have the same turns."""

    template: str
    """Stands in the checkpoint's own chat template."""
    token: str = ""
    """A text that its tokenizer writes as one token."""
    without: str = ""
    """Neither a token of it nor part of its template."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """Other ways of writing a call, which some fine-tunes and prompts of a family have."""

    name: str
    forms: tuple[Form, ...]
    """They are read besides the family's own; one that opens like one of those takes its place."""
    safe: bool
    """It may be on where nobody asked for it: what it reads as a call hardly stands in an answer."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """A model family: its name everywhere, its format, and the tokens its turns are made of."""

    name: str
    """What users type, and the name of module, template and fixture folder."""
    models: str
    """The checkpoints it serves, for people."""
    format: Format
    turn_tokens: tuple[str, ...]
    """Special tokens that the template writes; the tokenizer must know each as one token."""
    stop_tokens: tuple[str, ...]
    """Tokens that end a reply; the tokenizer must know each as one token."""
    dialects: tuple[Dialect, ...] = ()
    """What its fine-tunes write; `with_dialects` gives the format that has them."""
    signs: tuple[Signs, ...] = ()
    """How `auto` recognises a checkpoint that knows all these tokens: by any of these."""
    package: str = "chat_adapters.templates"
    """Where its chat template is, `<name>.jinja`; and `generation/<name>/generation_config.json`, if it has one."""
    trims: bool = False
    """Its template takes white space off both ends of what is said, as the official one does."""
    thinks: bool = False
    """Its template takes `thinking`: the reply begins inside `<think>`, and what was thought before is not told again."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name):
            raise FormatError(f"the adapter name {self.name!r} must be a module name in lower case")
        if not self.stop_tokens:
            raise FormatError(f"{self.name}: a reply needs at least one stop token")
        if self.format.stop_token not in ("", *self.stop_tokens):
            raise FormatError(f"{self.name}: {self.format.stop_token!r} is not among the stop tokens")
        self.with_dialects(dialect.name for dialect in self.dialects)

    def with_dialects(self, names: Iterable[str] | None = None) -> Format:
        """The format, with these dialects read besides; without names, with those that are safe.

        Grammar and template do not change: the form that is written is the trained one.

        Raises:
            UnknownDialectError: the family has no such dialect; the message lists those it has.
        """
        known = {dialect.name: dialect for dialect in self.dialects}
        wanted = {name for name in known if known[name].safe} if names is None else set(names)
        if unknown := wanted - known.keys():
            raise UnknownDialectError(self.name, min(unknown), known)
        forms: dict[str, Form] = {form.open.strip(): form for form in self.format.forms}
        for name in (name for name in known if name in wanted):
            forms |= {form.open.strip(): form for form in known[name].forms}
        call, *also = forms.values()
        assert not isinstance(call, CodeCall), f"{self.name}: a dialect has code for the trained form"
        return replace(self.format, call=call, also=tuple(also))

    @property
    def tokens(self) -> tuple[str, ...]:
        """Every token that the tokenizer must know, each once."""
        return tuple(dict.fromkeys((*self.turn_tokens, *self.stop_tokens)))
