"""The list of models."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.servers.asgi import ask
from tests.servers.conftest import Serve
from tests.servers.openai_schema import check

AGENTS = ("supervisor", "researcher", "analyst", "writer")


@pytest.mark.parametrize("name", ["cortex-flow", "my-flow"])
async def test_the_five(serve: Serve, name: str) -> None:
    answer = await ask(await serve(model_name=name), "GET", "/v1/models")
    check("ListModelsResponse", answer.json())
    assert [model["id"] for model in answer.json()["data"]] == [name, *(f"{name}-{agent}" for agent in AGENTS)]
    assert {model["owned_by"] for model in answer.json()["data"]} == {"cortex-flow"}


async def test_the_list_never_changes(serve: Serve) -> None:
    assert (await ask(await serve(), "GET", "/v1/models")).body == (await ask(await serve(), "GET", "/v1/models")).body


@pytest.mark.parametrize("name", ["cortex-flow", "cortex-flow-writer", "openai/gpt-4o", "nickname"])
async def test_one_of_them(serve: Serve, name: str) -> None:
    app = await serve(model_aliases="openai/gpt-4o=cortex-flow,nick*=cortex-flow")
    for path in (name, quote(name, safe="")):
        answer = await ask(app, "GET", f"/v1/models/{path}")
        check("Model", answer.json())
        assert answer.json()["id"] == name


async def test_one_that_is_not(serve: Serve) -> None:
    answer = await ask(await serve(), "GET", "/v1/models/gpt-9")
    assert answer.status == 404
    assert (answer.error["code"], answer.error["param"]) == ("model_not_found", "model")
    assert "gpt-9" in answer.error["message"]
