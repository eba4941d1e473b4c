"""What may be put right in a call that is not quite JSON, or not quite what its schema asks for."""

__all__ = ["COERCIONS", "REPAIRS", "Repairs"]

REPAIRS = frozenset(
    {
        "arguments_string",  # "arguments": "{\"a\": 1}"
        "control_character",  # a raw line feed or tab inside a string
        "doubled_brace",  # {{"a": 1}}
        "invalid_escape",  # "\d" or "\'"
        "key_blank",  # {"name ": ...} in the envelope of a call
        "missing_brace",  # the closing marker stands where braces are still open
        "not_a_number",  # NaN, Infinity: JSON has none, null is written
        "python_constant",  # True, False, None
        "single_quotes",  # 'text'
        "surplus_brace",  # one closing brace too many after a call
        "trailing_comma",  # [1, 2,]
    }
)
"""The names of all repairs."""

COERCIONS = frozenset({"array", "boolean", "integer", "null", "number", "object"})
"""What a text may become; the names of JSON Schema's types."""


class Repairs:
    """Which repairs are on, and how often each was made."""

    __slots__ = ("counts", "enabled")

    def __init__(self, enabled: frozenset[str] = REPAIRS) -> None:
        self.enabled = enabled
        self.counts: dict[str, int] = {}

    def make(self, kind: str) -> bool:
        """Counts one repair of this kind; False if it is switched off."""
        if kind not in self.enabled:
            return False
        self.counts[kind] = self.counts.get(kind, 0) + 1
        return True
