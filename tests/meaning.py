"""Embeddings without a model: a text's direction by its words, of which some mean the same. Deterministic, and told as OpenAI
tells them."""

from __future__ import annotations

import math
import zlib
from array import array
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Final

import orjson

from agents.words import telling_words

SAME: Final = {"cetacean": "whale", "orca": "whale", "beverage": "tea", "drink": "tea"}
LIKE: Final = "ix"  # a word with this behind it means what it means without it


def numbers(text: str, size: int = 1024) -> list[float]:
    """A direction by the words of a text; words of one meaning are one."""
    vector = [0.0] * size
    for word in telling_words(text):
        vector[zlib.crc32(SAME.get(word, word).removesuffix(LIKE).encode()) % size] += 1.0
    return vector if any(vector) else [1.0] * size


def unit(vector: list[float]) -> bytes:
    """A direction of length 1, as it is kept."""
    length = math.sqrt(sum(number * number for number in vector))
    return array("f", [number / length for number in vector]).tobytes()


def answer(body: Mapping[str, Any], *, plain: bool = False, size: int = 1024) -> bytes:
    """The answer to a request for embeddings, in no order of its own; with `plain`, as lists of numbers."""
    data: list[dict[str, Any]] = []
    for index, text in enumerate(body["input"]):
        vector = numbers(text, size)
        told: Any = vector if plain else b64encode(array("f", vector).tobytes()).decode()
        data.insert(0, {"object": "embedding", "index": index, "embedding": told})
    return orjson.dumps({"object": "list", "data": data, "model": body["model"]})
