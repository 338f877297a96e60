"""What the name of a model means."""

from __future__ import annotations

import pytest

from agents.models import Models, ModelSettings
from servers.errors import ApiError
from servers.routing import Route, Routing
from servers.settings import ModelAlias


def routing(name: str = "cortex-flow", aliases: str = "", key: str | None = None) -> Routing:
    pairs = (each.split("=") for each in aliases.split(",") if each)
    models = Models(settings=ModelSettings(openai_api_key=key))
    return Routing(name, [ModelAlias(pattern=left, target=right) for left, right in pairs], models.find)


@pytest.mark.parametrize(
    ("name", "route"),
    [
        (None, Route()),
        ("", Route()),
        ("cortex-flow", Route("supervisor")),
        ("cortex-flow-supervisor", Route("supervisor")),
        ("cortex-flow-researcher", Route("researcher")),
        ("cortex-flow-analyst", Route("analyst")),
        ("cortex-flow-writer", Route("writer")),
        ("openai:gpt-4o", Route("supervisor", "openai:gpt-4o")),
        ("openai/gpt-4o", Route("supervisor", "openai/gpt-4o")),
    ],
)
async def test_names_that_are_known(name: str | None, route: Route) -> None:
    assert await routing(key="k").resolve(name) == route


@pytest.mark.parametrize(
    "name", ["gpt-4o", "cortex-flow-editor", "CORTEX-FLOW", "openai:", "no_such_provider:x", "no/such", " "]
)
async def test_names_that_are_not(name: str) -> None:
    with pytest.raises(ApiError) as caught:
        await routing(key="k").resolve(name)
    error = caught.value
    assert (error.status, error.type, error.code, error.param) == (
        404,
        "invalid_request_error",
        "model_not_found",
        "model",
    )
    assert repr(name) in error.message


async def test_a_provider_without_its_key_is_not_known() -> None:
    with pytest.raises(ApiError) as caught:
        await routing(key=None).resolve("openai:gpt-4o")
    assert caught.value.code == "model_not_found"


async def test_another_name_for_the_team() -> None:
    mine = routing("my-flow")
    assert mine.default == "my-flow"
    assert await mine.resolve("my-flow-writer") == Route("writer")
    assert await mine.resolve("cortex-flow-writer") == Route("writer"), "the old names stay"


@pytest.mark.parametrize(
    ("name", "route"),
    [
        ("gpt-4o-mini", Route("writer")),
        ("gpt-4o", Route("supervisor")),
        ("o3", Route("supervisor", "openai:gpt-4o")),
        ("cortex-flow-analyst", Route("analyst")),
        ("anything", Route("researcher")),
    ],
)
async def test_the_first_alias_that_matches(name: str, route: Route) -> None:
    aliases = "gpt-4o-mini=cortex-flow-writer,gpt-*=cortex-flow,o*=openai:gpt-4o,*=cortex-flow-researcher"
    assert await routing(aliases=aliases, key="k").resolve(name) == route


async def test_an_alias_for_nothing() -> None:
    with pytest.raises(ApiError, match="'gpt-5'"):
        await routing(aliases="gpt-*=gpt-4o").resolve("gpt-5")
