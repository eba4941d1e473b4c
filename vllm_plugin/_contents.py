"""Keeps what a request says apart from what the chat template writes.

A prompt is one string, and the tokenizer makes a special token of every spelling of one in it. So, before the template
is rendered, other characters stand in for each special string in the request; what then still spells a special token in
the prompt was written by the template. The prompt is encoded by a twin of the tokenizer, to which special tokens have
spellings that nobody can know; there the template's are respelled, and the contents get their characters back.

Each character has one that stands in for it and each spelling its length, so that lengths, offsets and places where a
prompt is cut are those of the plain path.
"""

import json
import re
import secrets
import sys
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from tokenizers import AddedToken, Tokenizer

from ..adapters import ChatAdaptersError, TokenizerError

__all__ = ["SpecialTokens"]

_PRIVATE = [[chr(code) for code in range(start, start + 0xFFFE)] for start in (0xF0000, 0x100000)]
_LETTERS = [chr(code) for code in range(0x14400, 0x14647)]
"""Anatolian hieroglyphs stand in for letters and digits: a template may ask whether a key is an identifier."""
_SIGNS = [chr(code) for code in range(0x1D800, 0x1DA00)]
"""Signs for writing sign languages: neither letters nor blanks. Neither is cased, and Python prints both as they are."""

_RESULT_OF = ("<|plugin|>", "<|interpreter|>")

Table = Mapping[int, str]
"""What `str.translate` takes."""


class SpecialTokens:
    """The special tokens of a tokenizer: finds their spellings, and respells them for its twin.

    Args:
        tokenizer: the tokenizer; it is left as it is.
        also: tokens that are to count as special even if the tokenizer does not say so.

    Raises:
        TokenizerError: a twin of this kind of tokenizer cannot be made.
    """

    def __init__(self, tokenizer: Tokenizer, also: Collection[str] = ()) -> None:
        tokens = [
            token
            for token in tokenizer.get_added_tokens_decoder().values()
            if token.special or token.content in also
        ]
        # The tokenizer, too, prefers the longest.
        tokens.sort(key=lambda token: len(token.content), reverse=True)
        self.texts = frozenset(token.content for token in tokens)
        self._pattern = re.compile("|".join(map(_pattern, tokens)) or r"(?!)")
        # A template may write a name in brackets or join the parts of a content, and so complete a token. One that
        # looks like a word is watched for in parts only: `python` need not be hidden for ending like `sop` begins.
        self._edges = _Edges(token.content for token in tokens if not token.single_word)
        self._part_edges = _Edges(self.texts)
        self._alphabet = sorted(set("".join(self.texts)))
        self._spelled = {text: "".join(secrets.choice(_PRIVATE[0]) for _ in text) for text in self.texts}
        self.twin = _twin(tokenizer, self._spelled)
        """A tokenizer with the same ids; its special tokens only appear through `respell`."""

    def hide(
        self, conversation: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]
    ) -> tuple[list[Any], dict[str, Any], Table]:
        """Let other characters stand in for the special strings of a request.

        Args:
            conversation: the messages as the template gets them.
            settings: what else the template gets: tools, documents, whatever the request adds.

        Returns:
            Both, and what turns the characters back; it is empty if nothing had to be hidden.

        Raises:
            ChatAdaptersError: the request is nested hundreds of levels deep, or hundreds of kilobytes leave no
                character free. vLLM makes an HTTP 400 of it.
        """
        seen: set[str] = set()
        found = False

        def look(text: str, edges: _Edges | None) -> str:
            nonlocal found
            seen.update(text)
            found = found or bool(self._pattern.search(text)) or any(edges.spans(text) if edges else ())
            return text

        try:
            self._walk(conversation, settings, look)
        except RecursionError:
            raise ChatAdaptersError("the request is nested too deep") from None
        if not found:
            return list(conversation), dict(settings), {}
        stand_ins: dict[int, str] = {}
        for usual, more, word in ((_LETTERS, _PRIVATE[0], True), (_SIGNS, _PRIVATE[1], False)):
            free = (character for character in (*usual, *more) if character not in seen)
            hidden = (ord(character) for character in self._alphabet if _in_word(character) is word)
            stand_ins |= dict(zip(hidden, free, strict=False))
        if len(stand_ins) < len(self._alphabet):
            raise ChatAdaptersError("the contents use every character that could stand in for another")

        def hide(text: str, edges: _Edges | None) -> str:
            hidden = self._pattern.sub(lambda token: token[0].translate(stand_ins), text)
            for start, end in edges.spans(text) if edges else ():
                hidden = hidden[:start] + text[start:end].translate(stand_ins) + hidden[end:]
            return hidden

        back = {ord(stand_in): chr(code) for code, stand_in in stand_ins.items()}
        return *self._walk(conversation, settings, hide), back

    def respell(self, prompt: str, back: Table) -> str:
        """The prompt as the twin must get it: the template's special tokens respelled, the request's own text back."""
        return self._pattern.sub(lambda found: self._spelled[found[0]], prompt).translate(back)

    def _walk(
        self,
        conversation: Sequence[Mapping[str, Any]],
        settings: Mapping[str, Any],
        change: Callable[[str, "_Edges | None"], str],
    ) -> tuple[list[Any], dict[str, Any]]:
        def walk(value: Any, edges: _Edges | None = self._edges) -> Any:
            match value:
                case str():
                    return change(value, edges)
                case Mapping():
                    return {walk(key): walk(item) for key, item in value.items()}
                case list() | tuple():
                    return [walk(item) for item in value]
            return value

        def part(value: Any) -> Any:
            if isinstance(value, Mapping) and isinstance(value.get("text"), str):
                return walk(value) | {"text": change(value["text"], self._part_edges)}
            return walk(value)

        def field(message: Mapping[str, Any], key: str) -> Any:
            value = message[key]
            if key == "role":  # templates compare it, and put it into brackets: `user` is part of `<|user|>`
                return walk(value, None)
            if key == "name" and message["role"] == "environment" and value in _RESULT_OF:
                return value  # InternLM's way to say whose result it is
            if key == "content" and isinstance(value, list):
                return [part(item) for item in value]
            return walk(value)

        return (
            [{key: field(message, key) for key in message} for message in conversation],
            {key: walk(value) for key, value in settings.items()},
        )


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_"


class _Edges:
    """Finds, at the ends of a text, what may be half of a special token."""

    def __init__(self, tokens: Iterable[str]) -> None:
        tokens = list(tokens)
        self._begins = {token[:size] for token in tokens for size in range(1, len(token))}
        self._ends = {token[-size:] for token in tokens for size in range(1, len(token))}
        self._longest = max(map(len, tokens), default=1) - 1
        # Every first half has a token's first character, every second half a last one: few texts have any at their ends.
        self._firsts = frozenset(text for text in self._begins if len(text) == 1)
        self._lasts = frozenset(text for text in self._ends if len(text) == 1)

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        longest = min(self._longest, len(text))
        if not self._lasts.isdisjoint(text[:longest]):
            for size in range(longest, 0, -1):
                if text[:size] in self._ends:
                    yield 0, size
                    break
        if not self._firsts.isdisjoint(text[-longest:]):
            for size in range(longest, 0, -1):
                if text[-size:] in self._begins:
                    yield len(text) - size, len(text)
                    break


def _pattern(token: AddedToken) -> str:
    text = re.escape(token.content)
    # What stands before is looked at last: `re` finds texts fast where its patterns begin with them.
    return f"{text}(?!{_word()})(?<!{_word()}{text})" if token.single_word else text


@cache
def _word() -> str:
    """What a single word has on neither side. To Python `²` is in a word, to the tokenizer it is not."""
    others = (char for char in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(char) == "No")
    return rf"[^\W{''.join(others)}]"


def _twin(tokenizer: Tokenizer, spelled: Mapping[str, str]) -> Tokenizer:
    """The same tokenizer with other spellings of some tokens."""
    parts = json.loads(tokenizer.to_str())
    model = parts["model"]
    if model["type"] != "BPE":
        raise TokenizerError(
            f"special strings in contents can be kept apart for BPE tokenizers, this one is {model['type']}: "
            "serve it without --tokenizer-mode"
        )
    for token in parts["added_tokens"]:
        if token["content"] in spelled:
            # `respell` has seen to it that a single word is one.
            token |= {"content": spelled[token["content"]], "single_word": False}
    # Where the token is a piece of the model too, no text may be merged into it.
    model["vocab"] = {spelled.get(piece, piece): id for piece, id in model["vocab"].items()}
    model["merges"] = [pair for pair in model["merges"] if spelled.keys().isdisjoint((*pair, "".join(pair)))]
    model["unk_token"] = spelled.get(model["unk_token"], model["unk_token"])
    return Tokenizer.from_str(json.dumps(parts))
