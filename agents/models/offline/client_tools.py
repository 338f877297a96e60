"""Tools of the client's: when the offline model calls them, with which arguments, and how it reads their outputs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from agents.models.offline.lexicon import word_set
from agents.models.offline.prompt import Done, Prompt
from agents.models.offline.reply import Use
from agents.models.offline.schema import Filler, names
from agents.models.port import Params, ToolSpec
from agents.words import STOP_WORDS, normal, stems, words

_DEPTH = 8
_GENERIC = word_set(
    "add call check create current delete do execute fetch find get latest list lookup make my new query read retrieve run "
    "save search send set show tool update user write"
)  # fmt: skip


def calls(prompt: Prompt, tools: Sequence[ToolSpec], params: Params) -> tuple[Use, ...]:
    """The client's tools to be called now: the one that is forced, else those the request names. Each once."""
    if params.tool_choice == "none" or any(prompt.used(tool.name) for tool in tools):
        return ()
    chosen = forced(prompt, tools, params) or _named(prompt.request, tools)
    return tuple(use for tool in chosen for use in _uses(tool, prompt.request, params))


def forced(prompt: Prompt, tools: Sequence[ToolSpec], params: Params) -> list[ToolSpec]:
    """The tool that `tool_choice` demands: by name, or the one of all that fits the request best."""
    choice = params.tool_choice
    if isinstance(choice, Mapping):
        function = choice.get("function")
        name = (function if isinstance(function, Mapping) else choice).get("name")
        return [tool for tool in tools if tool.name == name]
    return (_named(prompt.request, tools) or list(tools[:1])) if choice == "required" else []


def told(done: Done) -> str:
    """What a tool was asked and has answered, in words."""
    asked = _readable(_parsed(done.arguments))
    return f"{done.name}{f' ({asked})' if asked else ''}: {_readable(_parsed(done.output)) or 'no output'}"


def _named(request: str, tools: Sequence[ToolSpec]) -> list[ToolSpec]:
    """The tools named in full; else the one of whose name most is said, at least half."""
    said = stems(words(request))
    shares = [(_share(tool.name, said, request), tool) for tool in tools]
    whole = [tool for share, tool in shares if share == 1]
    best = max(shares, key=lambda item: item[0], default=None)
    return whole or ([best[1]] if best and best[0] >= 0.5 else [])


def _share(name: str, said: Mapping[str, None], request: str) -> float:
    """How much of a tool's name is said in a request. One of an MCP server (`server__tool`) has to be named in full: it may do
    more than tell something, and its server's name says nothing of it."""
    if name.casefold() in normal(request):
        return 1
    if "__" in name:
        return 0
    parts = words(re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[_.-]", " ", name))
    telling = stems(part for part in parts if part not in _GENERIC and part not in STOP_WORDS)
    return sum(stem in said for stem in telling) / len(telling) if telling else 0


def _uses(tool: ToolSpec, request: str, params: Params) -> Iterable[Use]:
    """A call; several where the request names several things and the tool takes one of them at a time."""
    schema = tool.parameters or {}
    arguments = Filler(request, root=schema).object(schema)
    named = names(request)
    single = next(iter(arguments), None) if len(arguments) == 1 else None
    if single and len(named) > 1 and arguments[single] == named[0] and params.parallel_tool_calls is not False:
        return [Use(tool.name, {single: name}) for name in named]
    return [Use(tool.name, arguments)]


def _parsed(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text.strip()


def _readable(value: Any, depth: int = 0) -> str:
    if isinstance(value, Mapping | list) and depth == _DEPTH:
        return "..."
    if isinstance(value, Mapping):
        return "; ".join(f"{str(key).replace('_', ' ')}: {_readable(part, depth + 1)}" for key, part in value.items())
    if isinstance(value, list):
        return ", ".join(_readable(part, depth + 1) for part in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
