"""The team at `/mcp`, asked by the official client: on today's protocol, and on that of 2025, which has sessions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

import servers.mcp.routes
from servers import OpenAIServer, mounted
from tests.replies import Reply, transfer
from tests.servers.embedded import made, say, thinking_with
from tests.upstream import Upstream, by_agent

both = pytest.mark.parametrize("mode", ["auto", "legacy"])


@asynccontextmanager
async def client_of(url: str, mode: str = "auto", **headers: str) -> AsyncIterator[Client]:
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        yield client


@asynccontextmanager
async def asked(server: OpenAIServer, mode: str = "auto", key: str | None = None) -> AsyncIterator[Client]:
    """A client of a server that is started for it."""
    headers = {"authorization": f"Bearer {key}"} if key else {}
    async with server, client_of(f"{server.get_url()}/mcp", mode, **headers) as client:
        yield client


def text(result: Any) -> str:
    return "\n".join(block.text for block in result.content)


@both
async def test_there_is_a_tool_for_the_team_and_one_for_each_agent(mode: str) -> None:
    async with asked(made(), mode) as client:
        tools = (await client.list_tools()).tools
        result = await client.call_tool("ask_team", {"task": "Hello!"})
    assert [tool.name for tool in tools] == ["ask_team", "ask_researcher", "ask_analyst", "ask_writer"]
    assert all(tool.description and tool.input_schema["required"] == ["task"] for tool in tools)
    assert not result.is_error
    assert text(result)


@both
async def test_an_agent_alone_is_asked_and_calls_of_a_name_are_a_conversation(mode: str) -> None:
    async with Upstream("Noted.") as upstream, asked(made(**thinking_with(upstream)), mode) as client:
        for task in ("I am Ada.", "Who am I?"):
            result = await client.call_tool("ask_analyst", {"task": task, "conversation_id": "my chat"})
        alone = await client.call_tool("ask_analyst", {"task": "And I?"})
    assert text(result) == text(alone) == "Noted."
    assert [request.agent for request in upstream.requests] == ["analyst"] * 3
    told = [[message["content"] for message in request.body["messages"][1:]] for request in upstream.requests]
    assert told == [["I am Ada."], ["I am Ada.", "Noted.", "Who am I?"], ["And I?"]]


@both
async def test_the_work_of_agents_is_told_as_progress(mode: str) -> None:
    heard: list[tuple[float, str | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, message))

    script = by_agent(supervisor=[Reply(calls=[transfer("researcher", "Look it up.")]), "It is 4."], researcher=["4"])
    async with Upstream(script) as upstream, asked(made(**thinking_with(upstream)), mode) as client:
        result = await client.call_tool("ask_team", {"task": "How many?"}, progress_callback=hear)
    assert text(result) == "It is 4."
    assert heard == [(1, "The researcher is at work: Look it up."), (2, "The researcher has finished.")]


@both
async def test_a_call_that_is_cancelled_cancels_its_run(mode: str) -> None:
    begun = asyncio.Event()

    async def hold(body: Any) -> Reply:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with Upstream(hold) as upstream:
        server = made(**thinking_with(upstream))
        async with asked(server, mode) as client:
            calling = asyncio.create_task(client.call_tool("ask_team", {"task": "Take your time."}))
            async with asyncio.timeout(30):
                await begun.wait()
                calling.cancel()
                await upstream.wait_closed(1)
            upstream.script = lambda body: Reply("Here I am.")
            assert text(await client.call_tool("ask_team", {"task": "Are you there?"})) == "Here I am."


UNFIT: list[tuple[dict[str, Any], str]] = [
    ({}, "task: Field required"),
    ({"task": "  "}, "task: String should have at least 1 character"),
    ({"task": 7}, "task: Input should be a valid string"),
    ({"task": "Hi.", "conversation_id": "a\nb"}, "it has control characters"),
    ({"task": "Hi.", "conversation_id": "x" * 600}, "it has more than 512 characters"),
]


@both
async def test_arguments_that_do_not_fit_are_errors_that_a_model_can_read(mode: str) -> None:
    async with asked(made(), mode) as client:
        results = [await client.call_tool("ask_team", arguments) for arguments, _ in UNFIT]
    assert all(result.is_error for result in results)
    assert [complaint for _, complaint in UNFIT if not any(complaint in text(result) for result in results)] == []


async def test_a_run_that_fails_is_an_error_and_so_is_a_tool_that_is_not_there() -> None:
    async with Upstream(Reply(status=401)) as upstream, asked(made(**thinking_with(upstream))) as client:
        failed = await client.call_tool("ask_team", {"task": "Hello!"})
        with pytest.raises(MCPError, match="There is no tool 'ask_nobody'"):
            await client.call_tool("ask_nobody", {"task": "Hello!"})
    assert failed.is_error
    assert text(failed)


@both
async def test_keys_are_those_of_the_api_and_tenants_keep_to_themselves(mode: str) -> None:
    async with Upstream("Noted.") as upstream, made(**thinking_with(upstream), api_keys="a:one,b:two") as server:
        url = f"{server.get_url()}/mcp"
        for key in ("one", "two"):
            async with client_of(url, mode, authorization=f"Bearer {key}") as client:
                await client.call_tool("ask_team", {"task": f"I am {key}.", "conversation_id": "ours"})
        with pytest.raises((MCPError, ExceptionGroup)):
            async with client_of(url, mode, authorization="Bearer three") as client:
                await client.list_tools()
    told = [[message["content"] for message in request.body["messages"][1:]] for request in upstream.requests]
    assert told == [["I am one."], ["I am two."]]


async def test_a_session_is_of_use_to_its_tenant_alone() -> None:
    async with made(api_keys="a:one,b:two") as server, httpx2.AsyncClient() as http:
        began = await _begin(http, server, "one")
        session = {"mcp-session-id": began.headers["mcp-session-id"]}
        asking = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
        own = await _post(http, server, asking, **_key("one"), **session)
        other = await _post(http, server, asking, **_key("two"), **session)
    assert (own.status_code, other.status_code) == (200, 404)


async def test_what_was_said_over_mcp_can_be_gone_on_with_in_chat() -> None:
    async with Upstream("Noted.") as upstream, made(**thinking_with(upstream)) as server:
        async with client_of(f"{server.get_url()}/mcp") as client:
            await client.call_tool("ask_team", {"task": "I am Ada.", "conversation_id": "shared"})
        await say(server, "Who am I?", extra_body={"conversation_id": "shared"})
    assert [message["content"] for message in upstream.requests[-1].body["messages"][1:]] == [
        "I am Ada.",
        "Noted.",
        "Who am I?",
    ]


async def test_it_is_mounted_with_the_rest() -> None:
    app = FastAPI()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(mounted(app, "/team-a", made()))
        transport = httpx2.ASGITransport(app)
        http = await stack.enter_async_context(httpx2.AsyncClient(transport=transport))
        way = streamable_http_client("http://127.0.0.1/team-a/mcp", http_client=http)
        client = await stack.enter_async_context(Client(way))
        assert "ask_team" in {tool.name for tool in (await client.list_tools()).tools}


async def test_the_server_stops_while_a_client_listens() -> None:
    server = made()
    async with server, httpx2.AsyncClient(timeout=60) as http:
        session = {"mcp-session-id": (await _begin(http, server)).headers["mcp-session-id"]}
        headers = {"accept": "text/event-stream", **session}
        async with http.stream("GET", f"{server.get_url()}/mcp", headers=headers) as listening:
            assert listening.status_code == 200
            async with asyncio.timeout(30):
                await asyncio.gather(server.stop(), listening.aread(), return_exceptions=True)


async def test_it_can_be_switched_off_and_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with made(mcp_enabled=False) as server, httpx2.AsyncClient() as http:
        off = await http.post(f"{server.get_url()}/mcp", json={})
    monkeypatch.setattr(servers.mcp.routes, "is_installed", lambda: False)
    async with made() as server, httpx2.AsyncClient() as http:
        missing = await http.post(f"{server.get_url()}/mcp", json={})
    assert off.status_code == 404
    assert missing.status_code == 501
    assert "cortex-flow[mcp]" in missing.json()["error"]["message"]


@pytest.mark.parametrize(
    ("options", "callers"),
    [
        (
            {},
            [
                ({}, 200),
                ({"origin": "http://localhost:6274"}, 200),
                ({"origin": "http://[::1]:6274"}, 200),
                ({"origin": "https://evil.example"}, 403),
                ({"origin": "http://evil.example:8001", "host": "evil.example:8001"}, 403),
                ({"origin": "null"}, 403),
                ({"host": "evil.example"}, 421),
                ({"host": "10.1.2.3:8001"}, 200),
            ],
        ),
        (
            {"cors_origins": "https://app.example"},
            [
                ({"origin": "https://app.example"}, 200),
                ({"host": "app.example"}, 200),
                ({"origin": "https://evil.example"}, 403),
            ],
        ),
        (
            {"api_keys": "one"},
            [({"origin": "https://app.example", "host": "team.example"}, 200)],
        ),
        (
            {"api_keys": "one", "cors_origins": "https://app.example"},
            [({"origin": "https://evil.example"}, 403), ({"host": "team.example"}, 200)],
        ),
    ],
)
async def test_pages_of_strangers_do_not_get_in(options: Any, callers: list[tuple[dict[str, str], int]]) -> None:
    async with made(**options) as server, httpx2.AsyncClient() as http:
        answers = [await _begin(http, server, options.get("api_keys"), **headers) for headers, _ in callers]
    assert [answer.status_code for answer in answers] == [status for _, status in callers]


async def test_what_is_no_mcp_is_refused() -> None:
    sent = [b"", b"{", b"[]", b'{"jsonrpc": "2.0"}', b'"' + b"x" * 3_000_000 + b'"']
    async with made(max_body_mb=2) as server, httpx2.AsyncClient() as http:
        headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
        url = f"{server.get_url()}/mcp"
        answers = [await http.post(url, content=content, headers=headers) for content in sent]
    assert [answer.status_code for answer in answers] == [400, 400, 400, 400, 413]


def _key(key: str | None) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"} if key else {}


async def _begin(
    http: httpx2.AsyncClient, server: OpenAIServer, key: str | None = None, **headers: str
) -> httpx2.Response:
    """The answer to the beginning of a session."""
    me = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": me}
    return await _post(http, server, body, **_key(key), **headers)


async def _post(http: httpx2.AsyncClient, server: OpenAIServer, body: Any, **headers: str) -> httpx2.Response:
    accepted = {"accept": "application/json, text/event-stream"}
    return await http.post(f"{server.get_url()}/mcp", json=body, headers={**accepted, **headers})
