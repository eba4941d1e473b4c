"""Finds the adapter of a checkpoint by what it is, not by what it is called."""

from collections.abc import Callable, Iterable

from ._errors import TokenizerError
from ._format import Adapter, Signs

__all__ = ["choose"]


def choose(adapters: Iterable[Adapter], is_token: Callable[[str], bool], template: str | None) -> Adapter:
    """The one adapter whose signs a checkpoint shows.

    Args:
        adapters: those to choose from.
        is_token: whether the checkpoint's tokenizer writes a text as one token.
        template: the checkpoint's own chat template, if it has one.

    Raises:
        TokenizerError: no adapter fits, or more than one; the message says what was seen.
    """

    def shows(signs: Signs) -> bool:
        return (
            signs.template in (template or "")
            and (not signs.token or is_token(signs.token))
            and not (signs.without and (is_token(signs.without) or signs.without in (template or "")))
        )

    seen: list[str] = []
    fitting: list[Adapter] = []
    for adapter in adapters:
        missing = [token for token in adapter.tokens if not is_token(token)]
        if missing:
            seen.append(f"{adapter.name}: the tokenizer does not know {', '.join(missing)}")
        elif any(map(shows, adapter.signs)):
            fitting.append(adapter)
        else:
            where = "does not say which format it is for" if template else "is missing"
            seen.append(f"{adapter.name}: the tokens are there, but the checkpoint's chat template {where}")
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        seen = [f"{adapter.name}: fits" for adapter in fitting]
    raise TokenizerError(
        "auto does not guess; name the adapter of this checkpoint's family. What was seen: " + "; ".join(seen)
    )
