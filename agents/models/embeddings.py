"""Texts as numbers that are near each other where the texts mean the same: OpenAI's wire, asked for many texts at a time."""

from __future__ import annotations

import math
from array import array
from base64 import b64decode
from collections.abc import Sequence
from typing import Any, Final

import aiohttp
import orjson

from agents.models.openai import OpenAI
from agents.models.port import ModelUnavailable
from agents.models.provider import ModelNotConfigured, ModelSettings

AT_ONCE: Final = 64  # texts in one request


class OpenAIEmbeddings:
    """An embedding model of a server that speaks OpenAI's wire."""

    def __init__(self, model: str, settings: ModelSettings) -> None:
        self._model = model
        self._server = OpenAI(settings)
        self._url = self._server.url("embeddings")

    @property
    def name(self) -> str:
        return f"openai:{self._model}"

    async def embed(self, texts: Sequence[str]) -> Sequence[bytes]:
        """An embedding for each text: float32 of this machine, of length one. Raises `ModelError`, after further tries
        where these can help."""
        found: list[bytes] = []
        for at in range(0, len(texts), AT_ONCE):
            found += await self._some(texts[at : at + AT_ONCE])
        return found

    async def close(self) -> None:
        await self._server.close()

    async def _some(self, texts: Sequence[str]) -> Sequence[bytes]:
        body = orjson.dumps({"model": self._model, "input": texts, "encoding_format": "base64"})
        return await self._server.tried(self.name, lambda: self._asked(body, len(texts)))

    async def _asked(self, body: bytes, count: int) -> Sequence[bytes]:
        response = await self._server.post(body, stream=False, url=self._url)
        async with response:
            try:
                return _embeddings(await response.read(), count)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise ModelUnavailable("The answer of the embedding model was cut off.") from error


def open_embeddings(name: str, settings: ModelSettings) -> OpenAIEmbeddings:
    """The model of that name, written `openai:NAME`. Raises `ModelNotConfigured`."""
    provider, _, model = name.partition(":")
    if provider.strip().lower() != "openai" or not model.strip():
        raise ModelNotConfigured(f"{name!r} names no embedding model: write it as openai:text-embedding-3-small.")
    try:
        import numpy  # noqa: F401
    except ImportError:
        raise ModelNotConfigured(
            "Searching by meaning needs the extra `embeddings`: pip install 'cortex-flow[embeddings]'."
        ) from None
    return OpenAIEmbeddings(model.strip(), settings)


def _embeddings(body: bytes, count: int) -> Sequence[bytes]:
    try:
        data: list[Any] = orjson.loads(body)["data"]
        data.sort(key=lambda each: each["index"])
        found = [_unit(each["embedding"]) for each in data]
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelUnavailable("The embedding model gave an answer that can't be read.") from error
    if len(found) != count or len(set(map(len, found))) != 1:
        raise ModelUnavailable("The embedding model gave another number of embeddings than of texts.")
    return found


def _unit(given: str | list[float]) -> bytes:
    """Base64 of float32 as asked for, or the plain numbers that some servers send all the same."""
    numbers = array("f", b64decode(given) if isinstance(given, str) else given)
    length = math.sqrt(sum(number * number for number in numbers))
    if not length or not math.isfinite(length):
        raise ValueError("no direction")
    return array("f", [number / length for number in numbers]).tobytes()
