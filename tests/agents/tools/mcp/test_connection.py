"""Servers that come and go, over both transports, by what agents are offered and by what the log tells the operator."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agents.agent import use
from agents.tools.mcp import Http, McpServer, Stdio
from agents.tools.mcp.connection import Pace
from agents.tools.mcp.connections import Connections
from agents.tools.port import ToolContext, ToolOutput
from tests.toolshop import Log, Shop, heard, serving

HERE = Path(__file__).parent
ROOT = HERE.parents[3]
QUICK = Pace(connect=30, answer=10, first=0.01, longest=0.05, look=0.05)
PATIENT = Pace(connect=30, answer=10, first=0.01, longest=0.05, look=600)  # it hears of everything, or never
CONTEXT = ToolContext("acme", None, lambda source: 1)  # type: ignore[arg-type]


@pytest.fixture
def log() -> Iterator[Log]:
    with heard() as log:
        yield log


def program(name: str = "shop", **fields: Any) -> McpServer:
    way = Stdio(sys.executable, ("-m", "tests.toolshop", name), {"PYTHONPATH": str(ROOT), "TEA": "green"})
    return McpServer(name, way, **fields)


def at(port: int, name: str = "shop", **fields: Any) -> McpServer:
    return McpServer(name, Http(f"http://127.0.0.1:{port}/mcp"), **fields)


@asynccontextmanager
async def connected(*servers: McpServer, pace: Pace = PATIENT) -> AsyncIterator[Connections]:
    connections = Connections(servers, pace)
    connections.start()
    try:
        await connections.tried(60)
        yield connections
    finally:
        await connections.close()


async def call(connections: Connections, name: str, arguments: str = "{}") -> ToolOutput:
    return await use(connections.to("supervisor", first=True).get(name), name, arguments, CONTEXT)


async def test_a_program_offers_its_tools_and_sees_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    async with connected(program()) as connections:
        spec = connections.to("supervisor", first=True)["shop__add"].spec
        assert spec.description == "Adds two numbers."
        assert spec.parameters is not None
        assert spec.parameters["required"] == ["a", "b"]
        assert await call(connections, "shop__add", '{"a": 2, "b": 3}') == ToolOutput("2 + 3 = 5")
        assert (await call(connections, "shop__variable", '{"variable": "TEA"}')).text == "green"
        assert (await call(connections, "shop__variable", '{"variable": "OPENAI_API_KEY"}')).text == "not there"


async def test_whatever_a_tool_answers_with_is_a_text() -> None:
    async with serving(Shop()) as port, connected(at(port)) as connections:
        weighed = await call(connections, "shop__weigh")
        drawn = await call(connections, "shop__draw")
        failed = await call(connections, "shop__fail")
        misused = await call(connections, "shop__add", '{"a": "two"}')
    assert '"kilograms"' in weighed.text
    assert drawn == ToolOutput("[an image of 9 bytes, image/png, which can't be shown here]")
    assert failed.status == misused.status == "error"
    assert "there is no more tea" in failed.text


async def test_a_program_that_dies_is_started_again(log: Log) -> None:
    async with connected(program()) as connections:
        await log.line("offers: shop__add")
        died = await call(connections, "shop__die")
        assert died.status == "error"
        await log.line("I have had enough")
        await log.line("is away")
        await log.line("offers: shop__add")
        assert (await call(connections, "shop__add", '{"a": 1, "b": 1}')).text == "1 + 1 = 2"


async def test_a_program_that_prints_among_its_messages_is_understood(
    log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    talk = "import runpy, sys\nprint('Starting up\\n' * 3, flush=True)\nsys.argv[1:] = ['shop']\nrunpy.run_module('tests.toolshop', run_name='__main__')"
    talking = McpServer("shop", Stdio(sys.executable, ("-c", talk), {"PYTHONPATH": str(ROOT)}))
    async with connected(talking) as connections:
        assert (await call(connections, "shop__add", '{"a": 1, "b": 1}')).text == "1 + 1 = 2"
    assert "Invalid JSON" in await log.line("shop says what is no message")
    assert [record.name for record in caplog.records if "no message" in record.message] == ["agents.tools.mcp"]
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_program_that_only_makes_noise_is_ended(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    noisy = McpServer("noisy", Stdio(sys.executable, ("-c", "while True: print('noise', flush=True)")))
    async with serving(Shop()) as port, connected(noisy, at(port), pace=Pace()) as connections:
        await log.line("noisy is away")
        assert (await call(connections, "shop__add", '{"a": 1, "b": 1}')).status == "ok"
    assert len([record for record in caplog.records if "noisy" in record.message or record.exc_info]) == 2


async def test_a_long_complaint_is_cut(log: Log) -> None:
    complain = HERE / "complaining.py"
    async with connected(McpServer("grumpy", Stdio(sys.executable, (str(complain),)))) as connections:
        refused = await call(connections, "grumpy__complain")
    assert refused.status == "error"
    assert refused.text.startswith("The MCP server grumpy failed: no way, no way")
    assert len(refused.text) < 1200


async def test_a_program_that_is_not_there_is_reported_once_and_harms_nobody(log: Log) -> None:
    nowhere = McpServer("nowhere", Stdio("/there/is/no/such/program"))
    async with serving(Shop()) as port, connected(nowhere, at(port)) as connections:
        assert "No such file" in await log.line("nowhere is away")
        assert (await call(connections, "shop__add", '{"a": 1, "b": 1}')).status == "ok"
        told = [line for line in iter(lambda: log.lines.get_nowait() if log.lines.qsize() else "", "") if line]
    assert not [line for line in told if "nowhere" in line]


async def test_a_server_of_an_older_protocol(log: Log) -> None:
    ancient = McpServer("an old one", Stdio(sys.executable, (str(HERE / "ancient.py"),)))
    async with connected(ancient) as connections:
        [(name, tool)] = connections.to("supervisor", first=True).items()
        assert name == "an_old_one__tell_time"
        assert tool.spec.parameters == {"type": "object", "properties": {}}
        assert await call(connections, name) == ToolOutput("It is late.")


async def test_a_server_that_starts_late_and_starts_again(log: Log) -> None:
    async with serving(Shop()) as port:
        pass
    async with connected(at(port), pace=QUICK) as connections:
        await log.line("is away")
        assert connections.to("supervisor", first=True) == {}
        for _ in range(2):
            async with serving(Shop(), port):
                await log.line("offers: shop__add")
                assert (await call(connections, "shop__add", '{"a": 1, "b": 1}')).text == "1 + 1 = 2"
            await log.line("is away")
            assert connections.to("supervisor", first=True) == {}


async def test_a_call_of_a_tool_that_has_gone_is_an_error_for_the_model(log: Log) -> None:
    async with serving(Shop()) as port, connected(at(port)) as connections:
        kept = connections.to("supervisor", first=True)["shop__add"]
    output = await use(kept, "shop__add", '{"a": 1, "b": 1}', CONTEXT)
    assert output == ToolOutput("The MCP server shop is not connected at the moment.", "error")


async def test_tools_that_change_are_offered_at_once(log: Log) -> None:
    async with serving(Shop()) as port, connected(at(port)) as connections:
        assert "shop__sing" not in connections.to("supervisor", first=True)
        await log.line("offers")
        await call(connections, "shop__learn")
        await log.line("shop__sing")
        assert (await call(connections, "shop__sing")).text == "La la la."


@pytest.mark.parametrize("how", ["cancelled", "late"])
async def test_a_call_that_nobody_waits_for_ends_at_the_server(how: str) -> None:
    shop = Shop()
    async with serving(shop) as port, connected(at(port, timeout=0.05 if how == "late" else 60)) as connections:
        calling = asyncio.create_task(call(connections, "shop__hold"))
        async with asyncio.timeout(30):
            await shop.held.wait()
            if how == "cancelled":
                calling.cancel()
            await shop.let_go.wait()
        if how == "late":
            assert await calling == ToolOutput("The MCP server shop took more than 0.05 seconds.", "error")


async def test_two_servers_may_have_the_same_tools() -> None:
    async with serving(Shop()) as one, serving(Shop()) as two, connected(at(one, "one"), at(two, "two")) as connections:
        names = set(connections.to("supervisor", first=True))
    assert {"one__add", "two__add"} <= names
    assert len(names) == 16


async def test_each_agent_is_offered_what_is_meant_for_it() -> None:
    async with serving(Shop()) as port:
        everywhere = at(port, "open", tools=("add",))
        named = at(port, "shut", agents=("researcher", "supervisor"), tools=("add", "weigh"))
        async with connected(everywhere, named) as connections:

            def offered(agent: str, *, first: bool) -> set[str]:
                return {*connections.to(agent, first=first)}

            assert offered("supervisor", first=True) == {"open__add", "shut__add", "shut__weigh"}
            assert offered("researcher", first=False) == {"shut__add", "shut__weigh"}
            assert offered("analyst", first=True) == {"open__add"}
            assert offered("analyst", first=False) == set()
