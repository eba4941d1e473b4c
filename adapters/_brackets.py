"""Passes over brackets in an answer where calls have no marker: each might begin one, and endless ones cost most."""

import re

from ._format import MAX_NAME, NAME_CHARS

__all__ = ["skip_brackets"]

# Bounded, and they never give back: what is longer is left to the readers.
_WHITE = r"[ \t\n\r]{0,64}+"
_TEXT = r'[^"\\\x00-\x1f]{0,64}+"'
_QUOTED = r"""[^"'\\\x00-\x1f]{0,64}+'"""
_BRACKETS = re.compile(
    rf"""(?: \{{{_WHITE}\}} | \[{_WHITE}\]                                   # nothing in them
           | (?:\[{_WHITE})? \{{{_WHITE}
                 (?: (?=[^ \t\n\r"'{{}}])                                    # no key
                   | \{{{_WHITE} (?=[^ \t\n\r"'])                            # nor after two
                   | "{_TEXT}{_WHITE} (?=[^ \t\n\r:])                        # a text that is none
                   | (?='{_QUOTED}{_WHITE}[^ \t\n\r:]) )
           | \[{_WHITE}
                 (?: (?=[^ \t\n\r"\[\]{{A-Za-z0-9_./-])                      # no element
                   | (?!true|false|null|-?[0-9]{{1,64}}+[ \t\n\r.,eE\]])     # a word that is none, nor a call
                     (?={NAME_CHARS}{{1,{MAX_NAME}}}+[^(A-Za-z0-9_./-])
                   | "{_TEXT}{_WHITE} (?=[^ \t\n\r,\]]) )                    # a text that stays alone
         )++""",
    re.VERBOSE,
)


def skip_brackets(text: str, pos: int) -> int:
    """The position behind brackets with which neither a call nor JSON begins; `pos` if there are none.

    The readers would say the same of each, at fifty times the cost.
    """
    found = _BRACKETS.match(text, pos)
    return found.end() if found else pos
