"""Finds the names that open a call where they stand before its marker."""

from ._format import MAX_NAME, NAME_LETTERS, Form, Format, PythonCall
from ._reader import Offered

__all__ = ["Names"]

# Behind one of these a name is the end of a longer one.
_JOINTS = ("_", "/", "-")


class Names:
    """The names of the offered tools, and the one that stands for the interpreter."""

    def __init__(self, format: Format, offered: Offered) -> None:
        self.form: Form = format.call
        """The form of the calls that they open; any, if there is none such."""
        self._offered = offered
        self._alias = ""
        for form in format.forms:
            if isinstance(form, PythonCall):
                self.form = form
                self._alias = form.interpreter if offered.interpreter else ""
        self._sizes = sorted({len(name) for name in (*offered, self._alias)} - {0}, reverse=True)
        """Their lengths, the longest first."""

    def __contains__(self, name: str) -> bool:
        return name in self._offered or (name == self._alias != "")

    def could_begin(self, start: str) -> bool:
        """Whether some name begins like this."""
        return self._offered.could_begin(start) or self._alias.startswith(start)

    def ending(self, text: str, low: int, high: int, before: str) -> int | None:
        """Where the longest name begins that ends at `high`, no sooner than `low`; `before` is what stands there."""
        run = _run(text, low, high)
        for place in (high - size for size in self._sizes if size <= high - run):
            joint = text[place - 1] if place > low else before
            if joint not in _JOINTS and text[place:high] in self:
                return place
        return None

    def beginning(self, text: str, low: int) -> int:
        """Where that begins which may become a name with more text; the end of the text if nothing does."""
        end = len(text)
        return next(
            (place for place in range(_run(text, low, end), end) if self.could_begin(text[place:])), end
        )


def _run(text: str, low: int, high: int) -> int:
    """Where the characters of names begin that end at `high`: as many as a name may have."""
    tail = text[max(low, high - MAX_NAME) : high]
    return high - len(tail) + len(tail.rstrip(NAME_LETTERS))
