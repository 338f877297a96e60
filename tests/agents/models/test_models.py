"""The door: names of models, and who can be served."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from agents.models import PROVIDERS, ModelNotConfigured, Models, ModelSettings
from agents.models.port import Message, Params, Text
from tests.upstream import Upstream

LOCAL = ModelSettings(openai_base_url="http://127.0.0.1:9/v1")


def test_who_lives_here() -> None:
    assert set(PROVIDERS) == {"offline", "openai"}


@pytest.mark.parametrize(
    ("name", "known_as"),
    [
        ("openai:gpt-4o", "openai:gpt-4o"),
        ("openai/gpt-4o", "openai:gpt-4o"),
        ("OpenAI/gpt-4o", "openai:gpt-4o"),
        ("openai/llama3.2:3b", "openai:llama3.2:3b"),
        ("openai:meta/llama-4", "openai:meta/llama-4"),
        ("openai:ft:gpt-4o:org", "openai:ft:gpt-4o:org"),
    ],
)
def test_names(name: str, known_as: str) -> None:
    assert Models(settings=LOCAL).get(name).name == known_as


def test_a_model_is_opened_once() -> None:
    models = Models(settings=LOCAL)
    assert models.get("openai:m") is models.get("openai/m")
    assert models.get("openai:m") is not models.get("openai:n")


def test_offline_needs_nothing_and_is_the_default() -> None:
    models = Models()
    assert models.get("offline").name == "offline"
    assert models.for_agent("writer", None) is models.get("offline")
    assert models.knows("offline")
    assert not models.knows("offline:other")


def test_the_requests_model_wins_over_the_agents_and_that_over_the_default() -> None:
    models = Models("openai:default", {"writer": "openai:writer", "analyst": ""}, LOCAL)
    assert models.for_agent("researcher", None).name == "openai:default"
    assert models.for_agent("analyst", None).name == "openai:default"
    assert models.for_agent("writer", None).name == "openai:writer"
    assert models.for_agent("writer", "openai:asked").name == "openai:asked"


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("gpt-4o", "provider:model"),
        ("", "provider:model"),
        ("openai:", "provider:model"),
        (":gpt-4o", "provider:model"),
        ("openai:gpt-4o", "OPENAI_API_KEY"),
        ("nowhere:model", "no such provider"),
        ("anthropic/claude-sonnet-4-5", "langchain-anthropic"),
        ("ollama/llama3.2:3b", "langchain-ollama"),
    ],
)
def test_what_can_not_be_served_says_what_to_do(name: str, advice: str) -> None:
    models = Models()
    assert not models.knows(name)
    with pytest.raises(ModelNotConfigured, match=advice):
        models.get(name)


def test_a_key_or_another_server_makes_openai_known() -> None:
    assert Models(settings=ModelSettings(openai_api_key="k")).knows("openai:gpt-4o")
    assert Models(settings=LOCAL).knows("openai:gpt-4o")
    assert not Models(settings=replace(LOCAL, openai_base_url="nonsense")).knows("openai:gpt-4o")


def test_a_provider_of_langchains_reads_its_own_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_VERSION", "2025-01-01")
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.delenv("AZURE_OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert not Models().knows("azure_openai:gpt-4o")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "k")
    models = Models()
    assert models.knows("azure_openai:gpt-4o")
    assert models.get("azure-openai/gpt-4o").name == "azure_openai:gpt-4o"


async def test_find_opens_like_get_and_many_may_ask_at_once() -> None:
    models = Models(settings=LOCAL)
    assert await models.find("openai:m") is models.get("openai:m")
    for failed in await asyncio.gather(*(models.find("anthropic:m") for _ in range(4)), return_exceptions=True):
        assert isinstance(failed, ModelNotConfigured)


def test_names_from_requests_do_not_pile_up() -> None:
    models = Models(settings=LOCAL)
    first = models.get("openai:0")
    for number in range(300):
        models.get(f"openai:{number}")
    assert models.get("openai:299") is models.get("openai:299")
    assert models.get("openai:0") is not first


async def test_models_of_one_server_share_its_connections_and_close_with_the_door() -> None:
    async with Upstream("Hello.") as upstream:
        models = Models(settings=ModelSettings(openai_base_url=upstream.url))
        for name in ("openai:a", "openai:b"):
            batches = models.get(name).stream([Message("user", "Hi")], [], Params(stream=False))
            assert Text("Hello.") in [piece async for batch in batches for piece in batch]
        assert len({request.port for request in upstream.requests}) == 1
        await models.close()
        assert models.get("openai:a").name == "openai:a"
