"""Tools of MCP servers in the hands of the team, as `MCP_CONFIG` gives them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from servers import BadSettings, OpenAIServer
from servers.settings import load
from servers.terminal.chat import Question, chat
from tests.replies import Reply, transfer
from tests.servers.embedded import client_of, made, say, thinking_with
from tests.toolshop import Log, Shop, heard, serving
from tests.upstream import Received, Upstream, by_agent, in_order


def config(folder: Path, **entries: Any) -> Path:
    path = folder / "mcp.json"
    path.write_text(json.dumps({"mcpServers": entries}), encoding="utf-8")
    return path


@asynccontextmanager
async def team_with(
    folder: Path, upstream: Upstream, shop: Shop | None = None, **entry: Any
) -> AsyncIterator[tuple[OpenAIServer, Log]]:
    """A team that has a shop; its tools are there."""
    async with serving(shop or Shop()) as port, upstream:
        described = config(folder, shop={"url": f"http://127.0.0.1:{port}/mcp", "tools": ["add", "hold"], **entry})
        with heard() as log:
            async with made(mcp_config=described, **thinking_with(upstream)) as server:
                await log.line("offers: shop__add")
                yield server, log


def offered(request: Received) -> dict[str, str]:
    """The tools of a request, and what is said of them."""
    tools: Sequence[Any] = request.body.get("tools", ())
    return {tool["function"]["name"]: tool["function"].get("description") for tool in tools}


async def test_whoever_speaks_first_has_the_tools(tmp_path: Path) -> None:
    upstream = Upstream(in_order(Reply(calls=[("shop__add", {"a": 2, "b": 3})]), "It is 5.", "I am alone."))
    async with team_with(tmp_path, upstream) as (server, _):
        answer = await say(server, "What is 2 + 3?")
        await say(server, "And you?", model="cortex-flow-analyst")
    assert answer.choices[0].message.content == "It is 5."
    first, second, alone = upstream.requests
    assert {"shop__add", "transfer_to_researcher"} <= set(offered(first))
    assert second.body["messages"][-1]["content"] == "2 + 3 = 5"
    assert set(offered(alone)) == {"python", "shop__add", "shop__hold"}


async def test_tools_that_are_for_single_agents(tmp_path: Path) -> None:
    replies: dict[str, list[Reply | str]] = {
        "supervisor": [Reply(calls=[transfer("researcher")]), "Done."],
        "researcher": [Reply(calls=[("shop__add", {"a": 2, "b": 3})]), "It is 5."],
    }
    upstream = Upstream(by_agent(**replies))
    async with team_with(tmp_path, upstream, agents=["researcher"]) as (server, _):
        await say(server, "What is 2 + 3?")
    first, researcher, reads, _ = upstream.requests
    assert "shop__add" not in offered(first)
    assert "shop__add" in offered(first)["transfer_to_researcher"]
    assert "shop__add" not in offered(first)["transfer_to_analyst"]
    assert set(offered(researcher)) == {"search", "shop__add", "shop__hold"}
    assert reads.body["messages"][-1]["content"] == "2 + 3 = 5"


async def test_a_writer_with_tools_writes_for_the_supervisor(tmp_path: Path) -> None:
    upstream = Upstream(by_agent(supervisor=[Reply(calls=[transfer("writer")]), "Done."], writer=["A poem."]))
    async with team_with(tmp_path, upstream, agents=["writer"]) as (server, _):
        await say(server, "A poem!")
    first, writer, _ = upstream.requests
    [transfers] = [tool for tool in first.body["tools"] if tool["function"]["name"] == "transfer_to_writer"]
    assert "final" not in transfers["function"]["parameters"]["properties"]
    assert set(offered(writer)) == {"shop__add", "shop__hold"}


async def test_a_clients_tool_keeps_its_name(tmp_path: Path) -> None:
    upstream = Upstream("Hello.")
    tool = {"type": "function", "function": {"name": "shop__add", "description": "The client's own."}}
    async with team_with(tmp_path, upstream) as (server, _):
        await say(server, "Hello!", tools=[tool])
    assert offered(upstream.requests[0])["shop__add"] == "The client's own."
    assert offered(upstream.requests[0])["team_shop__add"] == "Adds two numbers."


async def test_a_run_that_is_cancelled_cancels_its_call(tmp_path: Path) -> None:
    shop = Shop()
    upstream = Upstream(Reply(calls=[("shop__hold", {})]))
    async with team_with(tmp_path, upstream, shop) as (server, _), client_of(server) as client:
        asked = client.chat.completions.create(model="cortex-flow", messages=[{"role": "user", "content": "Hold it."}])
        asking = asyncio.create_task(asked)
        async with asyncio.timeout(30):
            await shop.held.wait()
            asking.cancel()
            await shop.let_go.wait()


async def test_a_server_that_is_not_there_is_in_nobodys_way(tmp_path: Path) -> None:
    described = config(tmp_path, away={"url": "http://127.0.0.1:9/mcp"}, missing={"command": "/no/such/program"})
    with heard() as log:
        async with Upstream("Hello.") as upstream, made(mcp_config=described, **thinking_with(upstream)) as server:
            answer = await say(server, "Hello!")
            await log.line("is away")
            await log.line("is away")
    assert answer.choices[0].message.content == "Hello."
    assert not [name for name in offered(upstream.requests[0]) if not name.startswith("transfer_to_")]


async def test_a_command_waits_for_the_tools_before_it_asks(tmp_path: Path) -> None:
    async with serving(Shop()) as port:
        described = config(tmp_path, shop={"type": "http", "url": f"http://127.0.0.1:{port}/mcp"})
        async with Upstream("Hello.") as upstream:
            settings = load(mcp_config=described, storage_url="memory://", **thinking_with(upstream))
            assert await asyncio.to_thread(chat, settings, Question("Hello!"), as_json=False) == 0
    assert "shop__add" in offered(upstream.requests[0])


def test_a_description_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "secret")
    described = config(
        tmp_path,
        here={"command": "run", "args": ["-v", "${LEVEL:-low}"], "env": {"KEY": "${TOKEN}"}, "alwaysAllow": ["x"]},
        there={"type": "streamable-http", "url": "http://there/mcp", "headers": {"authorization": "Bearer ${TOKEN}"}},
        off={"disabled": True},
    )
    here, there = load(mcp_config=described).mcp_config
    assert (here.name, here.way.command, here.way.args) == ("here", "run", ("-v", "low"))  # type: ignore[union-attr]
    assert here.way.env == {"KEY": "secret"}  # type: ignore[union-attr]
    assert there.way.headers == {"authorization": "Bearer secret"}  # type: ignore[union-attr]
    assert "secret" not in repr((here, there))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "this is no JSON"),
        ("[]", 'an object {"mcpServers"'),
        ('{"mcpServers": []}', 'an object {"mcpServers"'),
        ('{"mcpServers": {"a": 7}}', "server 'a': "),
        ('{"mcpServers": {"a": {}}}', "server 'a': has to have a `command`"),
        ('{"mcpServers": {"a": {"command": "x", "url": "http://x/"}}}', "server 'a': has to have a `url` and no"),
        ('{"mcpServers": {"a": {"type": "http", "command": "x"}}}', "server 'a': has to have a `url`"),
        ('{"mcpServers": {"a": {"type": "sse", "url": "http://x/"}}}', "server 'a': type: "),
        ('{"mcpServers": {"a": {"url": "file:///etc"}}}', "server 'a': url: "),
        ('{"mcpServers": {"a": {"command": "x", "args": "y"}}}', "server 'a': args: "),
        ('{"mcpServers": {"a": {"command": "x", "timeout": 0}}}', "server 'a': timeout: "),
        ('{"mcpServers": {"a": {"command": "x", "env": {"K": "${NOT_SET_ANYWHERE}"}}}}', "NOT_SET_ANYWHERE is not set"),
        ('{"mcpServers": {"__": {"command": "x"}}}', "server '__': its name has to have a letter"),
        ('{"mcpServers": {"a b": {"command": "x"}, "a_b": {"command": "x"}}}', "'a b' and 'a_b' would have the same"),
    ],
)
def test_a_description_that_is_of_no_use(tmp_path: Path, content: str, complaint: str) -> None:
    path = tmp_path / "mcp.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(BadSettings) as refused:
        load(mcp_config=path)
    assert str(refused.value).startswith("MCP_CONFIG: ")
    assert complaint in str(refused.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="MCP_CONFIG: can't read the file: No such file"):
        load(mcp_config=tmp_path / "nothing.json")


async def test_an_agent_that_is_not_there(tmp_path: Path) -> None:
    server = made(mcp_config=config(tmp_path, a={"command": "x", "agents": ["editor"]}))
    with pytest.raises(BadSettings, match="mcp_config: server 'a': there is no agent 'editor', but supervisor"):
        await server.start()


async def test_the_package_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.tools.is_installed", lambda: False)
    server = made(mcp_config=config(tmp_path, a={"command": "x"}))
    with pytest.raises(BadSettings, match=r"mcp_config: .*pip install 'cortex-flow\[mcp\]'"):
        await server.start()


async def test_the_offline_model_uses_a_tool_that_is_named_in_full_and_no_other(tmp_path: Path) -> None:
    async with serving(Shop()) as port:
        with heard() as log:
            described = config(tmp_path, shop={"url": f"http://127.0.0.1:{port}/mcp", "tools": ["add", "hold", "fail"]})
            async with made(mcp_config=described) as server:
                await log.line("offers: shop__add")
                named = await say(server, "Call shop__add with a 2 and b 3")
                unnamed = await say(server, "Does the shop hold what it adds?")
    assert "2 + 3 = 5" in named.choices[0].message.content
    assert "shop__" not in unnamed.choices[0].message.content
