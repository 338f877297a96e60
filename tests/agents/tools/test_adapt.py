"""Anybody's tools as tools that run inside."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import Any, Literal, cast

import pytest
from langchain_core.tools import BaseTool, ToolException, tool

from agents.agent import use
from agents.models.port import ToolSpec
from agents.tools.adapt import adapt
from agents.tools.port import Library, Tool, ToolContext, ToolOutput

CONTEXT = ToolContext("default", cast(Library, None), lambda source, shown="": 1)


def weather(city: str, days: int = 1, unit: Literal["C", "F"] = "C") -> str:
    """The weather of a city.

    Args:
        city: Its name.
        days: How many from today.
    """
    return f"{city}: {days} days of sun, in {unit}"


async def total(figures: list[float]) -> dict[str, float]:
    """Adds figures up."""
    await asyncio.sleep(0)
    return {"total": sum(figures)}


def thread() -> str:
    """Where it runs."""
    return threading.current_thread().name


def broken(reason: str) -> str:
    """Always fails."""
    raise LookupError(reason)


def undescribed(city: str) -> str:
    return city


@tool
def shout(text: str) -> str:
    """Says it loudly."""
    return text.upper()


class Strict(BaseTool):
    name: str = "strict"
    description: str = "Refuses."
    handle_tool_error: bool = True

    def _run(self, text: str) -> str:
        raise ToolException(f"not {text}")


def one(given: Any) -> Tool:
    [adapted] = adapt([given]).values()
    return adapted


async def run(given: Any, arguments: str = "{}") -> ToolOutput:
    adapted = one(given)
    return await use(adapted, adapted.spec.name, arguments, CONTEXT)


def test_a_function_says_what_it_is() -> None:
    spec = one(weather).spec
    assert (spec.name, spec.description) == ("weather", "The weather of a city.")
    assert spec.parameters == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Its name."},
            "days": {"type": "integer", "description": "How many from today.", "default": 1},
            "unit": {"type": "string", "enum": ["C", "F"], "default": "C"},
        },
        "required": ["city"],
    }


def test_a_tool_of_langchains_says_what_it_is() -> None:
    spec = one(shout).spec
    assert (spec.name, spec.description) == ("shout", "Says it loudly.")
    assert spec.parameters is not None
    assert spec.parameters["required"] == ["text"]


async def test_functions_are_called_with_their_arguments() -> None:
    assert await run(weather, '{"city": "Rome", "unit": "F"}') == ToolOutput("Rome: 1 days of sun, in F")
    assert await run(total, '{"figures": [1, 2.5]}') == ToolOutput('{"total": 3.5}')
    assert await run(shout, '{"text": "hey"}') == ToolOutput("HEY")


async def test_what_is_not_async_runs_in_a_thread() -> None:
    assert (await run(thread)).text != threading.current_thread().name


async def test_failures_are_sentences_for_the_model() -> None:
    assert await run(broken, '{"reason": "no such row"}') == ToolOutput(
        "The tool failed: LookupError: no such row", "error"
    )
    assert await run(Strict(), '{"text": "today"}') == ToolOutput("not today", "error")


async def test_arguments_that_do_not_fit() -> None:
    output = await run(weather, '{"days": "many"}')
    assert output.status == "error"
    assert output.text.startswith("The arguments do not fit: city: Field required; days: ")
    assert "pydantic" not in output.text


async def test_our_own_kind_stays_as_it_is() -> None:
    async def answer(arguments: Any, context: ToolContext) -> ToolOutput:
        return ToolOutput(context.tenant)

    ours = Tool(ToolSpec("whose"), answer)
    assert one(ours) is ours
    assert (await run(ours)).text == "default"


async def test_other_content_than_text() -> None:
    @tool
    def picture() -> list[dict[str, Any]]:
        """A picture."""
        return [{"type": "image_url", "image_url": {"url": "https://example.com/x.png"}}]

    assert "https://example.com/x.png" in (await run(picture)).text


def renamed(name: str) -> Tool:
    return Tool(ToolSpec(name), one(weather).run)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([undescribed], "docstring"),
        ([partial(weather, "Rome")], "needs a name"),
        ([weather, weather], "two tools called 'weather'"),
        ([renamed("get weather")], "'get weather'"),
        ([renamed("x" * 65)], "1 to 64"),
        ([renamed("transfer_to_writer")], "hands work to an agent"),
    ],
)
def test_what_models_could_not_call(given: list[Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        adapt(given)


@pytest.mark.parametrize("given", ["weather", int, None])
def test_what_is_no_tool(given: Any) -> None:
    with pytest.raises(TypeError, match="no tool"):
        adapt([given])
