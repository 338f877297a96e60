"""Tools of the operator's own: plain functions and LangChain's tools, as tools that run inside."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import orjson
from pydantic import ValidationError

from agents.models.port import ToolSpec
from agents.supervisor import TRANSFER
from agents.tools.port import Tool, ToolContext, ToolOutput

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

    Adaptable = Tool | BaseTool | Callable[..., Any]

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


def adapt(tools: Iterable[Adaptable]) -> dict[str, Tool]:
    """The tools by name, ready to run inside.

    A function tells what it is by its name, its docstring (with parameters as Google writes them, under `Args:`) and its
    types. What is not async runs in a thread. Raises `TypeError` for what is no tool and `ValueError` for one that models
    could not call: a name that is taken or can't be used, or no description.
    """
    adapted: dict[str, Tool] = {}
    for tool in map(_adapted, tools):
        name = tool.spec.name
        _check_name(name)
        if name in adapted:
            raise ValueError(f"There are two tools called {name!r}.")
        adapted[name] = tool
    return adapted


def _adapted(tool: Adaptable) -> Tool:
    if isinstance(tool, Tool):
        return tool
    from langchain_core.tools import BaseTool

    return _of_langchain(tool if isinstance(tool, BaseTool) else _of_function(tool))


def _of_function(function: Callable[..., Any]) -> BaseTool:
    from langchain_core.tools import StructuredTool

    if isinstance(function, type) or not callable(function):
        raise TypeError(f"This is no tool: {function!r}. Give a function, a tool of LangChain's, or a Tool.")
    name = getattr(function, "__name__", None)
    if name is None or not inspect.getdoc(function):
        raise ValueError(f"{function!r} needs a name and a docstring: models go by them.")
    way: Any = {"coroutine" if inspect.iscoroutinefunction(function) else "func": function}
    return StructuredTool.from_function(**way, parse_docstring=True)


def _of_langchain(tool: BaseTool) -> Tool:
    from langchain_core.utils.function_calling import convert_to_openai_tool

    described = convert_to_openai_tool(tool)["function"]

    async def run(arguments: Mapping[str, Any], context: ToolContext) -> ToolOutput:
        call = {"type": "tool_call", "id": "call", "name": tool.name, "args": dict(arguments)}
        try:
            return _output(await tool.ainvoke(call))
        except ValidationError as error:
            if error.title != getattr(tool.args_schema, "__name__", None):
                raise  # not about the arguments: it comes from within the tool
            return ToolOutput(f"The arguments do not fit: {_problems(error)}.", "error")

    return Tool(ToolSpec(tool.name, described.get("description"), described.get("parameters")), run)


def _output(result: Any) -> ToolOutput:
    """What a tool of LangChain's answers a call with: a message, unless it means something by another thing."""
    from langchain_core.messages import ToolMessage

    if not isinstance(result, ToolMessage):
        return ToolOutput(str(result))
    content = result.content
    text = content if isinstance(content, str) else result.text or orjson.dumps(content, default=str).decode()
    return ToolOutput(str(text), "error" if result.status == "error" else "ok")


def _problems(error: ValidationError) -> str:
    told = error.errors(include_url=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in told)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(f"A tool can't be called {name!r}: 1 to 64 letters, digits, _ and - can be its name.")
    if name.startswith(TRANSFER):
        raise ValueError(f"A tool can't be called {name!r}: {TRANSFER}... hands work to an agent.")
