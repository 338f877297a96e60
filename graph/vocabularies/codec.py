"""Two ways to turn text into tokens: a vocabulary, and the rule of four characters for where there is none."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Protocol

from graph.vocabularies.boundaries import last_boundary, slices

if TYPE_CHECKING:
    from tiktoken import Encoding


class Codec(Protocol):
    """Text to tokens. Every token stands for at least one byte of UTF-8; safe to use from many threads."""

    @property
    def name(self) -> str: ...

    def count(self, text: str) -> int:
        """How many tokens the text has."""

    def encode(self, text: str) -> list[int]:
        """The tokens of the text; special tokens in it are ordinary text."""

    def cut(self, text: str, tokens: int) -> str:
        """The start of the text that its first `tokens` tokens spell, in whole code points."""

    def boundary(self, text: str, searched: int = 0) -> int:
        """The last place in a growing text up to which its tokens stand for good; 0 = none.

        The first `searched` characters are known to have none. Counts of the two sides add up.
        """


class Vocabulary:
    """A vocabulary of tiktoken's, with its counts but for runs of `boundaries.LONGEST` characters and more."""

    def __init__(self, encoding: Encoding) -> None:
        self._encoding = encoding

    @property
    def name(self) -> str:
        return self._encoding.name

    def count(self, text: str) -> int:
        encode = self._encoding.encode_ordinary
        return sum(len(encode(part)) for part in slices(text))

    def encode(self, text: str) -> list[int]:
        encode = self._encoding.encode_ordinary
        return [token for part in slices(text) for token in encode(part)]

    def cut(self, text: str, tokens: int) -> str:
        start, left = 0, tokens
        for part in slices(text):
            ids = self._encoding.encode_ordinary(part)
            if len(ids) > left:
                return text[:start] + self._spell(ids[: max(left, 0)])
            start, left = start + len(part), left - len(ids)
        return text

    def _spell(self, ids: list[int]) -> str:
        # Half a code point at the end is dropped, and a shorter text can have more tokens: hence the loop.
        text = self._encoding.decode(ids, errors="ignore")
        while len(self._encoding.encode_ordinary(text)) > len(ids):
            text = text[:-1]
        return text

    def boundary(self, text: str, searched: int = 0) -> int:
        return last_boundary(text, searched)


class FourCharacters:
    """One token per four characters, rounded up. The numbers of `encode` mean nothing beyond being stable."""

    name = "four_characters"

    def count(self, text: str) -> int:
        return -(-len(text) // 4)

    def encode(self, text: str) -> list[int]:
        return [zlib.crc32(text[at : at + 4].encode("utf-8", "surrogatepass")) for at in range(0, len(text), 4)]

    def cut(self, text: str, tokens: int) -> str:
        return text[: 4 * max(tokens, 0)]

    def boundary(self, text: str, searched: int = 0) -> int:
        return len(text) // 4 * 4
