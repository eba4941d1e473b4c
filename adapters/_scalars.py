"""The normal form of texts and numbers: lengths, patterns and bounds as far as xgrammar 0.2.8 holds a model to them."""

import math
import re
from collections.abc import Callable, Mapping
from functools import cache

from ._places import Place, Words, error, number, shown, text

__all__ = ["HIGHEST", "INT64", "LOWEST", "MAX_COUNT", "counts", "integer", "is_short", "number_", "string"]

Schema = dict[str, object]
Report = Callable[[Place], None]
"""Takes the place of what is not enforced."""

LOWEST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
HIGHEST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")

INT64 = -(2**63), 2**63 - 1
MAX_COUNT = 2**31 - 1  # xgrammar's counts are 32-bit
# A length is spelled out in states: 100 take xgrammar a second to compile, and more cost 35 ms for every token.
MAX_LENGTH = 100
MAX_STATES = 1000  # of a pattern; `(a{0,999}){0,999}` takes xgrammar more than a minute
MAX_PATTERN = 2000  # characters

# xgrammar's own e-mail admits the escape \a, which is not JSON.
EMAIL = r"^[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+$"
FORMATS = frozenset({"date", "date-time", "duration", "hostname", "ipv4", "ipv6", "time", "uri", "uuid"})


def string(words: Words, at: Place, report: Report) -> Schema | None:
    """A text; None if none fits."""
    format = text(words.get("format", ""), (*at, "format"))
    pattern = _pattern(words, at, report)
    if format == "email" and not pattern:
        pattern = EMAIL
    shape = {"pattern": pattern} if pattern else {"format": format} if format in FORMATS else {}
    low, high = counts(words, "Length", at)
    if low > high:
        return None
    lengths = {"minLength": low} if low else {}
    lengths |= {"maxLength": high} if high < MAX_COUNT else {}
    for word in [word for word, length in lengths.items() if shape or length > MAX_LENGTH]:
        report((*at, word))
        del lengths[word]
    return {"type": "string", **shape, **lengths}


def _pattern(words: Words, at: Place, report: Report) -> str:
    """The pattern, if xgrammar reads it as it is meant."""
    pattern = text(words.get("pattern", ""), (*at, "pattern"))
    if len(pattern) > MAX_PATTERN:
        report((*at, "pattern"))
        return ""
    # Beyond ASCII xgrammar compiles a pattern another way, which admits raw quotes.
    pattern = re.sub(r"[\u0080-\uffff]", lambda char: f"\\u{ord(char[0]):04x}", pattern)
    if not _plain_patterns().fullmatch(pattern) or _states(pattern) > MAX_STATES:
        report((*at, "pattern"))
        return ""
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as failure:
        message = f"{shown(pattern)} is not a regular expression: {failure}"
        raise error((*at, "pattern"), message) from failure
    return pattern


@cache
def _plain_patterns() -> re.Pattern[str]:
    """What matches the patterns that xgrammar compiles to what they mean, for strings that need no escape: printable
    ASCII, no look-around, word boundary, back reference or Unicode class, anchors at the ends alone, small repetitions.

    Compiled for the first pattern there is, and not in every process that loads the plugin: it takes 10 ms.
    """
    return re.compile(
        r"""\^? (?: [^\\[\](){}"^$*+?\x00-\x1f\x7f-\U0010ffff] | \((?:\?:|(?!\?)) | \)
            | (?: [*+?] | \{[0-9]{1,3}(?:,[0-9]{0,3})?\} ) \?? (?![*+?{])
            | \\ (?: [dDwWsS] | [-^$.*+?()[\]{}|/@_:;,!\#%&=<>~'`\ ] | u(?!00|[dD][89a-fA-F])[0-9a-fA-F]{4} )
            | \[ (?: [^\\[\]^&"\x00-\x1f\x7f-\U0010ffff]
                | \\ (?: [^a-zA-Z0-9\s\\"] | [dDwWsS] | u(?!00|[dD][89a-fA-F])[0-9a-fA-F]{4} ) )+ \]
            | \[\^ (?: [^\\[\]^&\x00-\x1f\x7f-\U0010ffff]
                | \\ (?: [^a-zA-Z0-9\s] | [dDwWsSnrt] | u(?![dD][89a-fA-F])[0-9a-fA-F]{4} ) )+ \]
        )* \$?""",
        re.VERBOSE,
    )


def _states(pattern: str) -> int:
    """About how many states the repetitions of a pattern come to, those of groups times all others."""
    groups, others = 1, 0
    for group, low, high in re.findall(r"(\)?)\{(\d+)(?:,(\d*))?\}", pattern):
        count = int(high or low)
        groups, others = (groups * max(1, count), others) if group else (groups, others + count)
    return groups * max(1, others)


def integer(words: Words, at: Place) -> Schema | None:
    """A whole number of 64 bits; None if none fits."""
    given = _bounds(words, at)
    low, high = INT64
    low = max(
        low,
        math.ceil(given.get("minimum", low)),
        math.floor(given.get("exclusiveMinimum", low - 1)) + 1,
    )
    high = min(
        high,
        math.floor(given.get("maximum", high)),
        math.ceil(given.get("exclusiveMaximum", high + 1)) - 1,
    )
    return None if low > high else {"type": "integer", "minimum": low, "maximum": high}


def number_(words: Words, at: Place, report: Report) -> Schema | None:
    """Any number; None if none fits."""
    bounds = _bounds(words, at)
    if not bounds:
        return {"type": "number"}
    low = next((bounds[word] for word in bounds if word in LOWEST), None)
    high = next((bounds[word] for word in bounds if word in HIGHEST), None)
    # With a bound on one side alone there is no end to the digits on the other.
    if high is None and low is not None and low < INT64[1]:
        bounds["maximum"] = INT64[1]
    if low is None and high is not None and high > INT64[0]:
        bounds["minimum"] = INT64[0]
    if low is not None and high is not None:
        if low > high or (low == high and bounds.keys() != {"minimum", "maximum"}):
            return None
        # Six decimals may not reach in between, and then xgrammar would have the model write nothing.
        if high - low <= 2e-6 and not low == high == round(low, 6):
            for word in bounds:
                report((*at, word))
            return {"type": "number"}
    return {"type": "number", **bounds}


def is_short(value: float) -> bool:
    """Whether its digits are few; then it is written as a range, for in an enum xgrammar writes 0.1 as
    0.10000000000000001 and 2.0 as 2."""
    return round(value, 6) == value and abs(value) < 1e16


def _bounds(words: Words, at: Place) -> dict[str, float]:
    """The bounds of a number, at most one on each side."""
    out: dict[str, float] = {}
    strictest: Mapping[str, Callable[[list[float]], float]] = {"minimum": max, "maximum": min}
    for side, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        found = {word: words[word] for word in (side, exclusive) if word in words}
        if isinstance(found.get(exclusive), bool):  # draft 4
            tight = found.pop(exclusive)
            found = {exclusive if tight else side: bound for bound in found.values()}
        edges = {word: number(bound, (*at, word)) for word, bound in found.items()}
        if edges:
            edge = strictest[side]([*edges.values()])
            out[exclusive if edges.get(exclusive) == edge else side] = edge
    return out


def counts(words: Words, of: str, at: Place) -> tuple[int, int]:
    """The least and the greatest number of properties, items or characters."""
    found = []
    for word, free in ((f"min{of}", 0), (f"max{of}", MAX_COUNT)):
        count = number(words.get(word, free), (*at, word))
        if count < 0 or count != int(count):
            raise error((*at, word), f"must be a whole number from 0, not {shown(count)}")
        found.append(min(int(count), MAX_COUNT))
    return found[0], found[1]
