"""Servers in the test's own process, and how to talk with them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from openai import AsyncOpenAI

from servers import OpenAIServer, create_openai_server
from tests import backends
from tests.upstream import Upstream


def made(*team: Any, **options: Any) -> OpenAIServer:
    """A server that touches no file and takes any port."""
    return create_openai_server(*team, **{"port": 0, "storage_url": "memory://", **options})


def thinking_with(upstream: Upstream) -> dict[str, Any]:
    """Options of a server whose models are the scripted upstream."""
    return {"llm_model": "openai:scripted", "openai_base_url": upstream.url, "openai_api_key": "key"}


@asynccontextmanager
async def opened(**options: Any) -> AsyncIterator[OpenAIServer]:
    """A server that does not listen; it stores in memory, or in the backend that `CORTEX_TEST_STORAGE` names."""
    with backends.chosen("memory://") as url:
        server = made(**{"storage_url": url, **options})
        async with server.lifespan():
            yield server


@asynccontextmanager
async def client_of(server: OpenAIServer, key: str = "unused") -> AsyncIterator[Any]:
    """The official client, which tries nothing twice."""
    async with AsyncOpenAI(base_url=server.get_base_url(), api_key=key, max_retries=0) as client:
        yield client


async def say(server: OpenAIServer, text: str, key: str = "unused", **fields: Any) -> Any:
    """One turn through the official client."""
    async with client_of(server, key) as client:
        asked = {"model": server.settings.model_name, "messages": [user(text)], **fields}
        return await client.chat.completions.create(**asked)


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}
