"""`MCP_CONFIG`: the file that describes MCP servers, in the form that other programs have for it too."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from agents.tools.mcp import Http, McpServer, Stdio, prefix

_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_Text = Annotated[str, StringConstraints(min_length=1)]


class Entry(BaseModel):
    """A server as it is described. What other programs keep here besides means nothing."""

    model_config = ConfigDict(hide_input_in_errors=True)

    type: Literal["stdio", "http", "streamable-http", "streamableHttp", "streamable_http"] | None = None
    command: _Text | None = None
    args: tuple[str, ...] = ()
    env: dict[str, str] = Field(default_factory=dict)
    cwd: str | None = None
    url: str | None = Field(None, pattern=r"^https?://[^/]")
    headers: dict[str, str] = Field(default_factory=dict)
    agents: tuple[str, ...] | None = None
    tools: tuple[str, ...] | None = None
    timeout: float = Field(60, gt=0, le=86_400)
    disabled: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> Entry:
        local = self.type == "stdio" if self.type else self.url is None
        if local and (self.command is None or self.url is not None):
            raise PydanticCustomError("way", "has to have a `command` (a program) or a `url` (streamable HTTP)")
        if not local and (self.url is None or self.command is not None):
            raise PydanticCustomError("way", "has to have a `url` and no `command` where it is spoken with over HTTP")
        return self


def servers_of(content: bytes, environment: Mapping[str, str]) -> tuple[McpServer, ...]:
    """The servers of a file, `${NAME}` and `${NAME:-default}` in it replaced. Raises `ValueError` with one line, which holds
    nothing of what may be secret."""
    try:
        read = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"this is no JSON: {error.msg} in line {error.lineno}") from None
    described = read.get("mcpServers") if isinstance(read, dict) else None
    if not isinstance(described, dict):
        raise ValueError('the file has to hold an object {"mcpServers": {"a name": {...}}}')
    servers = tuple(server for name, entry in described.items() for server in _servers(name, entry, environment))
    _check_names([server.name for server in servers])
    return servers


def _servers(name: str, described: Any, environment: Mapping[str, str]) -> Iterator[McpServer]:
    """The server of an entry; none where it is disabled."""
    if isinstance(described, dict) and described.get("disabled") is True:
        return
    try:
        entry = Entry.model_validate(_filled(described, name, environment))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"server {name!r}: {f'{place}: ' if place else ''}{first['msg']}") from None
    way = Http(entry.url, entry.headers) if entry.url else Stdio(entry.command or "", entry.args, entry.env, entry.cwd)
    yield McpServer(name, way, entry.agents, entry.tools, entry.timeout)


def _filled(value: Any, server: str, environment: Mapping[str, str]) -> Any:
    """A value with its variables replaced, wherever they are."""
    match value:
        case str():
            return _VARIABLE.sub(lambda found: _variable(found, server, environment), value)
        case list():
            return [_filled(each, server, environment) for each in value]
        case dict():
            return {key: _filled(each, server, environment) for key, each in value.items()}
        case _:
            return value


def _variable(found: re.Match[str], server: str, environment: Mapping[str, str]) -> str:
    name, default = found.groups()
    value = environment.get(name) or default
    if value is None:
        raise ValueError(f"server {server!r}: the variable {name} is not set")
    return value


def _check_names(servers: list[str]) -> None:
    """Each server's name has to leave something to begin the names of its tools with, and something of its own."""
    known: dict[str, str] = {}
    for name in servers:
        begins = prefix(name)
        if not begins:
            raise ValueError(f"server {name!r}: its name has to have a letter or a digit")
        if begins in known:
            raise ValueError(
                f"the tools of {known[begins]!r} and {name!r} would have the same names: rename one of them"
            )
        known[begins] = name
