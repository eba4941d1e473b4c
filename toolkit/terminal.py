"""What a terminal is shown of texts that a model, a checkpoint or a request may have put anything into."""

import json

__all__ = ["one_line", "plain", "plain_json"]


def plain(text: str) -> str:
    """The same text, with nothing in it that a terminal would obey."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def one_line(text: str, most: int = 160) -> str:
    """The same on one line, its middle left out where it is long."""
    if len(text) > most:
        text = f"{text[: most // 2]} … {text[-most // 2 :]}"
    return plain(text.replace("\n", "\\n"))


def plain_json(value: object, indent: int | None = None) -> str:
    """A value as JSON that a terminal can show, and that loads as the same value."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)
