"""The numbers between two bounds, as they are written in decimal: expressions of xgrammar's EBNF."""

from collections.abc import Callable, Iterable

__all__ = ["DECIMALS", "any_of", "decimals", "integers"]

DECIMALS = 6
"""Digits behind the point of a number with bounds: as many as xgrammar gives one in a JSON Schema."""


def any_of(options: Iterable[str]) -> str:
    """One of these expressions."""
    several = list(options)
    return several[0] if len(several) == 1 else f"({' | '.join(several)})"


def integers(low: int, high: int) -> str:
    """The whole numbers from `low` to `high`, which must not be less; without leading zeros and `-0`."""
    return _signed(low, high, _naturals, least_below_zero=1)


def decimals(low: int, high: int) -> str:
    """The numbers from `low` to `high` millionths, with at most six digits behind the point, and no exponent."""
    return _signed(low, high, _decimals, least_below_zero=0)


def _signed(low: int, high: int, write: Callable[[int, int], str], *, least_below_zero: int) -> str:
    options = []
    if low < 0:
        options.append(f'"-" {write(max(least_below_zero, -high), -low)}')
    if high >= 0:
        options.append(write(max(0, low), high))
    return any_of(options)


def _naturals(low: int, high: int) -> str:
    lengths = range(len(str(low)), len(str(high)) + 1)
    # Of these lengths every number fits.
    full = [length for length in lengths if low <= 10 ** (length - 1) and 10**length <= high + 1]
    options = [f"[1-9] {_any(full[0] - 1, full[-1] - 1)}"] if full else []
    options += [
        _same_length(str(max(low, 10 ** (length - 1) if length > 1 else 0)), str(min(high, 10**length - 1)))
        for length in lengths
        if length not in full
    ]
    if full and full[0] == 1 and low == 0:
        options.append('"0"')
    return any_of(options)


def _same_length(low: str, high: str) -> str:
    """The strings of digits from one to another of the same length."""
    rest = len(low) - 1
    if set(low) == {"0"} and set(high) == {"9"}:
        return _any(len(low), len(low))
    if not rest:
        return _digit(low, high)
    if low[0] == high[0]:
        return f'"{low[0]}" {_same_length(low[1:], high[1:])}'
    first, last = int(low[0]), int(high[0])
    options = []
    if low[1:] != "0" * rest:
        options.append(f'"{low[0]}" {_same_length(low[1:], "9" * rest)}')
        first += 1
    if high[1:] != "9" * rest:
        options.append(f'"{high[0]}" {_same_length("0" * rest, high[1:])}')
        last -= 1
    if first <= last:
        options.append(f"{_digit(str(first), str(last))} {_any(rest, rest)}")
    return any_of(options)


def _decimals(low: int, high: int) -> str:
    (first, least), (last, most) = divmod(low, 10**DECIMALS), divmod(high, 10**DECIMALS)
    all_nines = 10**DECIMALS - 1
    if first == last:
        return f'"{first}" {_fraction(least, most)}'
    options = []
    if least:
        options.append(f'"{first}" {_fraction(least, all_nines)}')
        first += 1
    if most < all_nines:
        options.append(f'"{last}" {_fraction(0, most)}')
        last -= 1
    if first <= last:
        options.append(f"{_naturals(first, last)} {_fraction(0, all_nines)}")
    return any_of(options)


def _fraction(low: int, high: int) -> str:
    """The point and what follows it, from `low` to `high` millionths; it may be left out, where that is zero."""
    found = f'"." {_places(f"{low:0{DECIMALS}}", f"{high:0{DECIMALS}}")}'
    return found if low else f"({found})?"


def _places(low: str, high: str) -> str:
    """Digits, one at least, that lie between two strings of digits when zeros are added to their length."""
    rest = len(low) - 1
    zeros, nines = "0" * rest, "9" * rest
    if not rest:
        return _digit(low, high)
    if low == "0" + zeros and high == "9" + nines:
        return _any(1, len(low))
    if low[0] == high[0]:
        return f'"{low[0]}" {_more_places(low[1:], high[1:])}'
    options = [f'"{low[0]}" {_more_places(low[1:], nines)}', f'"{high[0]}" {_more_places(zeros, high[1:])}']
    first, last = int(low[0]) + 1, int(high[0]) - 1
    if first <= last:
        options.append(f"{_digit(str(first), str(last))} {_more_places(zeros, nines)}")
    return any_of(options)


def _more_places(low: str, high: str) -> str:
    found = _places(low, high)
    return found if int(low) else f"({found})?"


def _digit(low: str, high: str) -> str:
    return f'"{low}"' if low == high else f"[{low}-{high}]"


def _any(least: int, most: int) -> str:
    if least == most:
        return "" if not least else "[0-9]" if least == 1 else f"[0-9]{{{least}}}"
    return f"[0-9]{{{least},{most}}}"
