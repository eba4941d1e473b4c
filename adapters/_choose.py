"""Finds the adapter of a checkpoint by what it is, not by what it is called."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ._adapter import Adapter, Signs
from ._errors import TokenizerError

__all__ = ["Look", "choose", "look"]


@dataclass(frozen=True, slots=True)
class Look:
    """What a checkpoint shows of one adapter."""

    adapter: Adapter
    missing: tuple[str, ...]
    """Tokens of the adapter that its tokenizer does not write as one."""
    signs: tuple[Signs, ...]
    """Those that it shows."""

    @property
    def fits(self) -> bool:
        return not self.missing and bool(self.signs)

    def said(self, template: str | None) -> str:
        """What was seen, in words; `template` is the one that was looked at."""
        if self.fits:
            return f"{self.adapter.name}: fits"
        if self.missing:
            return f"{self.adapter.name}: the tokenizer does not know {', '.join(self.missing)}"
        where = "does not say which format it is for" if template else "is missing"
        return f"{self.adapter.name}: the tokens are there, but the checkpoint's chat template {where}"


def look(adapter: Adapter, is_token: Callable[[str], bool], template: str | None) -> Look:
    """What a checkpoint shows of an adapter; the arguments are those of `choose`."""

    def shows(signs: Signs) -> bool:
        return (
            signs.template in (template or "")
            and (not signs.token or is_token(signs.token))
            and not (signs.without and (is_token(signs.without) or signs.without in (template or "")))
        )

    return Look(
        adapter,
        missing=tuple(token for token in adapter.tokens if not is_token(token)),
        signs=tuple(filter(shows, adapter.signs)),
    )


def choose(adapters: Iterable[Adapter], is_token: Callable[[str], bool], template: str | None) -> Adapter:
    """The one adapter whose signs a checkpoint shows.

    Args:
        adapters: those to choose from.
        is_token: whether the checkpoint's tokenizer writes a text as one token.
        template: the checkpoint's own chat template, if it has one.

    Raises:
        TokenizerError: no adapter fits, or more than one; the message says what was seen.
    """
    looks = [look(adapter, is_token, template) for adapter in adapters]
    fitting = [seen for seen in looks if seen.fits]
    if len(fitting) == 1:
        return fitting[0].adapter
    raise TokenizerError(
        "auto does not guess; name the adapter of this checkpoint's family. What was seen: "
        + "; ".join(seen.said(template) for seen in fitting or looks)
    )
