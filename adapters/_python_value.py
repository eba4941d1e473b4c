"""Reads the arguments of a Python call as they arrive, and writes them as a JSON object.

Only literals: nothing is evaluated. What a literal may be is in Python's reference, "Literals" and "Expressions";
bytes, f-strings, raw strings, sets and complex numbers have no JSON form and are bad.
"""

import json
import re
from collections.abc import Callable

from ._repairs import Repairs
from ._runs import Runs
from ._values import DONE, HOLD, MAX_DEPTH, ValueReader, cut, next_significant, skip_white

__all__ = ["PythonReader"]

# A word for Python may hold what none is for `re`: vowel signs of Hindi, a middle dot. str.isidentifier() tells.
_KEYWORD = re.compile(r"([^\x00-/:-@\[-^`{-\x7f]{1,256})[ \t\n\r]{0,64}(=|\Z)")
_UNPACKED = re.compile(r"\*\*[ \t\n\r]{0,64}\{")
_UNPACKED_CUT = re.compile(r"\*(?:\*[ \t\n\r]{0,64})?\Z")
_RUNS = Runs(r'\\(?:["\\bfnrt]|u[0-9A-Fa-f]{4})')
# In a string in single quotes each backslash of a run stands before a letter: a double quote is none that is escaped.
_SINGLE_RUN = re.compile(r"""[^'\\\x00-\x1f]*+(?:\\(?:[bfnrt]|u[0-9A-Fa-f]{4})[^'\\\x00-\x1f]*+)*+""")
_TRIPLE_RUN = re.compile(r"""[^"'\\\x00-\x1f]*+""")
_STRING_RUNS = {'"': _RUNS.string, "'": _SINGLE_RUN}
# One keyword or member that is whole, with a value that has nothing nested.
_WHITE = r"[ \t\n\r]*+"
_QUOTED = r"""'([^"'\\\x00-\x1f]*+)'"""
_SCALAR = rf"(?:({_RUNS.scalar})|{_QUOTED}|(True|False|None))"
_PLAIN_KEYWORD = re.compile(
    rf"([A-Za-z_][A-Za-z0-9_]{{0,255}}+)[ \t\n\r]{{0,64}}+=({_WHITE}){_SCALAR}{_WHITE}(?:,|(?=\)))"
)
_PLAIN_MEMBER = re.compile(
    rf"(?:{_QUOTED}|\"({_RUNS.string.pattern})\")({_WHITE}:{_WHITE}){_SCALAR}({_WHITE}(?:,{_WHITE}(?=[\"'])|(?=\}})))"
)
_ESCAPE = re.compile(
    r"""\\(?: ((?:[0-7]{1,2}|x[0-9A-Fa-f]?|u[0-9A-Fa-f]{0,3}|U(?:0(?:0[0-9A-Fa-f]{0,5})?)?|\r)?\Z)
        | (["\\bfnrt]|u[0-9A-Fa-f]{4})
        | ([0-7]{1,3})
        | x([0-9A-Fa-f]{2})
        | U(00(?:0[0-9A-Fa-f]|10)[0-9A-Fa-f]{4})
        | (\r\n|[\n'av]) )""",
    re.VERBOSE,
)
_MEANT = {"\n": "", "\r\n": "", "'": "'", "a": "\a", "v": "\v"}
_INTEGER = re.compile(r"0[xX][0-9A-Fa-f_]+|0[oO][0-7_]+|0[bB][01_]+")
_INTEGER_CUT = re.compile(r"0(?:[xX][0-9A-Fa-f_]*|[oO][0-7_]*|[bB][01_]*)?\Z")
_KEY = re.compile(r"(True|False|None|-?(?:0|[1-9][0-9]{0,63})(\.[0-9]{1,64})?)(?=[ \t\n\r:])")
_KEY_CUT = re.compile(r"[A-Za-z]{1,5}\Z|-?[0-9]{0,64}(?:\.[0-9]{0,64})?\Z")
_KEYS = {"True": "true", "False": "false", "None": "null", "-0": "0"}
_NATIVE = frozenset({"True", "False", "None"})

# What is open: the call, a dict unpacked into it, a dict, a list, a parenthesis that may become a tuple, a tuple.
_CALL, _UNPACKING, _DICT, _LIST, _PAREN, _TUPLE = "call", "**", "{", "[", "(", "(,"
_CLOSER = {_CALL: ")", _UNPACKING: "}", _DICT: "}", _LIST: "]", _PAREN: ")", _TUPLE: ")"}


class PythonReader(ValueReader):
    """Reads `city='Paris', days=3)`, from behind the opening parenthesis to the closing one.

    A parenthesis may be a tuple or mean nothing: what stands in it is kept until a comma or its end tells.
    """

    __slots__ = ("_count", "_parens", "_quote")
    _runs = _RUNS

    def __init__(self, repairs: Repairs) -> None:
        super().__init__(repairs)
        self._stack = [_CALL]
        self._step = self._keyword
        self._count = 0
        self._parens: list[int] = []
        """Where in `out` the bracket of each undecided parenthesis belongs."""
        self._quote = ""

    @property
    def closable(self) -> bool:
        return False

    def take(self) -> str:
        if not self._parens:
            return super().take()
        certain = self._parens[0]
        taken = "".join(self.out[:certain])
        del self.out[:certain]
        self._parens = [place - certain for place in self._parens]
        return taken

    def finish(self, text: str, pos: int) -> int:
        """The reply ends behind the text: what was kept leaves as it was written."""
        self._release()
        return pos

    # The arguments.

    def _keyword(self, text: str, pos: int) -> int | None:
        char = text[pos]
        if char in " \t\n\r":
            return self._replace(pos, skip_white(text, pos), "")
        if char == ")":
            return self._close_call(pos)
        plain = _PLAIN_KEYWORD.match(text, pos)
        if plain:
            name, white, *value = plain.groups()
            return self._replace(pos, plain.end(), f'{self._member()}"{name}": {white}{_written(*value)}')
        keyword = _KEYWORD.match(text, pos)
        if keyword and keyword[1].isidentifier():
            if not keyword[2]:
                return None
            self._step = self._value
            return self._replace(
                pos, keyword.end(), f"{self._member()}{json.dumps(keyword[1], ensure_ascii=False)}: "
            )
        unpacked = _UNPACKED.match(text, pos)
        if unpacked:
            self._stack.append(_UNPACKING)
            self._step = self._unpacked_key
            return self._replace(pos, unpacked.end(), "")
        if _UNPACKED_CUT.match(text, pos):
            return None
        return self._bad(pos)

    def _unpacked_key(self, text: str, pos: int) -> int | None:
        if text[pos] in " \t\n\r":
            return self._replace(pos, skip_white(text, pos), "")
        if text[pos] == "}":
            self._stack.pop()
            self._step = self._next
            return self._replace(pos, pos + 1, "")
        return self._key(text, pos, self._member)

    def _member(self) -> str:
        """What stands before the next key of the arguments."""
        self.opened = True
        self._count += 1
        return "{" if self._count == 1 else ", "

    def _close_call(self, pos: int) -> int:
        self._stack.pop()
        self.opened = True
        self.status = DONE
        return self._replace(pos, pos + 1, "}" if self._count else "{}")

    # Containers.

    def _value(self, text: str, pos: int) -> int | None:
        char = text[pos]
        if char in "{[(" and len(self._stack) == MAX_DEPTH:
            return self._bad(pos)
        if char == "{":
            self._stack.append(_DICT)
            self._step = self._next_key
            return pos + 1
        if char == "[":
            self._stack.append(_LIST)
            self._step = self._first_item
            return pos + 1
        if char == "(":
            self._stack.append(_PAREN)
            self._step = self._first_item
            self._replace(pos, pos + 1, "")
            self._parens.append(len(self.out))
            return pos + 1
        if self._stack[-1] == _LIST and (after := self._items(text, pos)) > pos:
            return after
        return self._literal(text, pos)

    def _first_item(self, text: str, pos: int) -> int | None:
        if text[pos] in " \t\n\r":
            return skip_white(text, pos)
        if text[pos] != _CLOSER[self._stack[-1]]:
            self._step = self._value
            return pos
        if self._stack[-1] == _PAREN:
            self._become_tuple()
        return self._close(pos)

    def _next_key(self, text: str, pos: int) -> int | None:
        if text[pos] in " \t\n\r":
            return skip_white(text, pos)
        if text[pos] == "}":
            return self._close(pos)
        after = self._members(text, pos)
        if after > pos:
            return after
        plain = _PLAIN_MEMBER.match(text, pos)
        if plain:
            single, double, colon, *value, behind = plain.groups()
            key = double if single is None else single
            return self._replace(pos, plain.end(), f'"{key}"{colon}{_written(*value)}{behind}')
        return self._key(text, pos, str)

    def _key(self, text: str, pos: int, before: Callable[[], str]) -> int | None:
        """A key, which JSON wants to be a string: what `json.dumps` makes of it."""
        if text[pos] in "\"'":
            quote = self._opening(text, pos)
            if quote is None:
                return None
            self._is_key = True
            self._step = self._string
            return self._replace(pos, pos + len(quote), before() + '"')
        key = _KEY.match(text, pos)
        if key is None:
            return None if _KEY_CUT.match(text, pos) else self._bad(pos)
        name = str(float(key[1])) if key[2] else _KEYS.get(key[1], key[1])
        self._step = self._colon
        return self._replace(pos, key.end(), f'{before()}"{name}"')

    def _next(self, text: str, pos: int) -> int | None:
        char = text[pos]
        if char in " \t\n\r":
            if self._stack[-1] in (_CALL, _UNPACKING):
                return self._replace(pos, skip_white(text, pos), "")
            return skip_white(text, pos)
        if char == ",":
            return self._comma(text, pos, _CLOSER[self._stack[-1]])
        if char != _CLOSER[self._stack[-1]]:
            return self._bad(pos)
        if self._stack[-1] == _CALL:
            return self._close_call(pos)
        if self._stack[-1] == _UNPACKING:
            self._stack.pop()
            return self._replace(pos, pos + 1, "")
        return self._close(pos)

    def _comma(self, text: str, pos: int, closer: str) -> int | None:
        opener = self._stack[-1]
        if opener in (_CALL, _UNPACKING):  # the next key writes it
            self._step = self._keyword if opener == _CALL else self._unpacked_key
            return self._replace(pos, pos + 1, "")
        held = next_significant(text, pos + 1)
        if held == len(text):
            return None
        if opener == _PAREN:
            self._become_tuple()
        if text[held] == closer:
            return self._replace(pos, pos + 1, "")
        self._step = self._next_key if opener == _DICT else self._value
        return pos + 1

    def _close(self, pos: int) -> int:
        opener = self._stack.pop()
        if opener == _PAREN:
            self._replace(pos, pos + 1, "")
            self._parens.pop()
        elif opener == _TUPLE:
            self._replace(pos, pos + 1, "]")
        return self._complete(pos + 1)

    def _become_tuple(self) -> None:
        self.out.insert(self._parens.pop(), "[")
        self._stack[-1] = _TUPLE

    # Literals.

    def _literal(self, text: str, pos: int) -> int | None:
        char = text[pos]
        if char in "\"'":
            quote = self._opening(text, pos)
            if quote is None:
                return None
            self._is_key = False
            self._step = self._string
            return self._replace(pos, pos + len(quote), '"')
        if char in "+-":
            return self._sign(text, pos)
        if char in "0.":
            return self._zero_or_point(text, pos)
        return super()._value(text, pos)

    def _sign(self, text: str, pos: int) -> int | None:
        if pos + 1 == len(text):
            return None
        if text[pos + 1] not in "0123456789.":
            return super()._value(text, pos)  # -Infinity
        after = pos + 1 if text[pos] == "-" else self._replace(pos, pos + 1, "")
        self._step = self._zero_or_point
        return after

    def _zero_or_point(self, text: str, pos: int) -> int | None:
        """What Python can write and JSON cannot: `.5`, `0x1F`."""
        if text[pos] == ".":
            if pos + 1 == len(text):
                return None
            if not "0" <= text[pos + 1] <= "9":
                return self._bad(pos)
            self._step = self._fraction
            return self._replace(pos, pos + 1, "0.")
        if cut("0x", text, pos) or (_INTEGER_CUT.match(text, pos) and len(text) - pos <= HOLD):
            return None
        integer = _INTEGER.match(text, pos)
        if integer is None:
            return super()._value(text, pos)
        digits = integer.group()
        if len(digits) > HOLD or digits.endswith("_") or "__" in digits:
            return self._bad(pos)
        self._step = self._number_done_at
        return self._replace(pos, integer.end(), str(int(digits, 0)))

    def _number_done_at(self, text: str, pos: int) -> int:
        return self._number_done(pos)

    def _integer(self, text: str, pos: int) -> int | None:
        return self._underscore(text, pos) if text[pos] == "_" else super()._integer(text, pos)

    def _fraction(self, text: str, pos: int) -> int | None:
        return self._underscore(text, pos) if text[pos] == "_" else super()._fraction(text, pos)

    def _underscore(self, text: str, pos: int) -> int | None:
        """`1_000`: a digit stands on each side."""
        if pos + 1 == len(text):
            return None
        if not "0" <= text[pos + 1] <= "9":
            return self._bad(pos)
        return self._replace(pos, pos + 1, "")

    def _zero(self, text: str, pos: int) -> int | None:
        if text[pos] != "." or (pos + 1 < len(text) and "0" <= text[pos + 1] <= "9"):
            return super()._zero(text, pos)
        if pos + 1 == len(text):
            return None
        self._step = self._fraction  # `1.`
        return self._replace(pos, pos + 1, ".0")

    def _word(self, text: str, pos: int) -> int | None:
        for word in _NATIVE:
            if text.startswith(word, pos):
                return self._complete(self._replace(pos, pos + len(word), _KEYS[word]))
        return super()._word(text, pos)

    # Strings.

    def _opening(self, text: str, pos: int) -> str | None:
        """The quote that opens a string, one or three; None if that cannot be told yet."""
        quote = text[pos]
        if cut(quote * 3, text, pos):
            return None
        self._quote = quote * 3 if text.startswith(quote * 3, pos) else quote
        return self._quote

    def _string(self, text: str, pos: int) -> int | None:
        end = _STRING_RUNS.get(self._quote, _TRIPLE_RUN).match(text, pos).end()  # type: ignore[union-attr]  # it matches everywhere
        if end > pos:
            if self._quote == "'" and '"' in (plain := text[pos:end]):
                return self._replace(pos, end, plain.replace('"', '\\"'))
            return end
        char = text[pos]
        if char == "\\":
            return self._escape(text, pos)
        if char not in "\"'":
            return self._control(text, pos)
        if text.startswith(self._quote, pos):
            return self._end_string(text, pos)
        if cut(self._quote, text, pos):
            return None
        return self._replace(pos, pos + 1, '\\"') if char == '"' else pos + 1

    def _end_string(self, text: str, pos: int) -> int | None:
        """Behind the quote another string may stand: in Python they are one."""
        after = pos + len(self._quote)
        held = next_significant(text, after)
        if held == len(text):
            return None
        if text[held] in "\"'":
            quote = self._opening(text, held)
            return None if quote is None else self._replace(pos, held + len(quote), "")
        return self._close_string(self._replace(pos, after, '"'))

    def _escape(self, text: str, pos: int) -> int | None:
        escape = _ESCAPE.match(text, pos)
        if escape is None:
            # Python keeps the backslash before any other character.
            return (
                self._replace(pos, pos + 1, "\\\\") if self.repairs.make("invalid_escape") else self._bad(pos)
            )
        cut, as_json, octal, short, long, other = escape.groups()
        if cut is not None:
            return None
        if as_json:
            return escape.end()
        char = _MEANT[other] if other else chr(int(octal, 8) if octal else int(short or long, 16))
        half = "\ud800" <= char <= "\udfff"  # of a pair: it stays an escape
        return self._replace(pos, escape.end(), json.dumps(char, ensure_ascii=half)[1:-1])

    def _control(self, text: str, pos: int) -> int:
        if len(self._quote) == 3 and text[pos] in "\n\r\t":
            return self._replace(pos, pos + 1, json.dumps(text[pos])[1:-1])
        return super()._control(text, pos)

    # What the steps share.

    def _release(self) -> None:
        for place in reversed(self._parens):
            self.out.insert(place, "(")
        self._parens.clear()

    def _bad(self, pos: int) -> int:
        self._release()
        return super()._bad(pos)


def _written(as_json: str | None, quoted: str | None, constant: str | None) -> str:
    """What a scalar is in JSON, of which one spelling is given."""
    if as_json is not None:
        return as_json
    return f'"{quoted}"' if constant is None else _KEYS[constant]
