"""Patterns that take what is complete and needs no repair in one go, where step by step would give the same.

They never go back: all that repeats is possessive, so that each character is looked at once, and once more by the steps
where a pattern has given up.
"""

import re

__all__ = ["Runs"]

_WHITE = r"[ \t\n\r]*+"
_PLAIN = r"""[^"\\\x00-\x1f]*+"""
# Of an integer as many digits as are never too many.
_NUMBER = r"-?+(?:0|[1-9][0-9]{0,18}+)(?:\.[0-9]++)?+(?:[eE][+-]?+[0-9]++)?+"
_WORD = "true|false|null"


class Runs:
    """What the strings, objects and arrays of a notation have in common with JSON's, given the escapes in a string."""

    def __init__(self, escape: str) -> None:
        chars = rf"{_PLAIN}(?:{escape}{_PLAIN})*+"
        scalar = rf'(?:"{chars}"|{_NUMBER}|{_WORD})'
        member = rf'"{chars}"{_WHITE}:{_WHITE}{scalar}{_WHITE}'
        self.scalar = scalar
        """The pattern of a string in double quotes, a number or a word."""
        self.string = re.compile(chars)
        """The characters of a string in double quotes."""
        self.members = re.compile(rf'(?:{member}(?:,{_WHITE}(?=")|(?=\}})))*+')
        """Members of an object up to the next key or the closing brace, from a key on; nothing nested."""
        self.items = re.compile(rf'(?:{scalar}{_WHITE}(?:,{_WHITE}(?=[-0-9"\[{{tfn])|(?=\])))*+')
        """Items of an array up to the next one or the closing bracket; nothing nested."""
