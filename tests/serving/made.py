"""What a command makes of its results stands in a page between two comments, the first of which names the command."""

from pathlib import Path

__all__ = ["put"]

END = "<!-- end -->"


def put(text: str, page: Path, command: str) -> None:
    """Puts the text in place of what stands there.

    Raises:
        ValueError: the page has no place for it.
    """
    begin = f"<!-- made by `{command}` -->"
    before, found, rest = page.read_text("utf-8").partition(begin)
    _, end, after = rest.partition(END)
    if not (found and end):
        raise ValueError(f"{page} has no {begin} with an {END} behind it")
    page.write_text(f"{before}{begin}\n{text}\n{END}{after}", "utf-8")
