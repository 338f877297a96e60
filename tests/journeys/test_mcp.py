"""The server as an operator runs it, with MCP on both sides: a program's tools for the team, and the team for a client."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest
from mcp.client import Client

from tests.journeys.chats import Chat
from tests.journeys.fixtures import thinking_with
from tests.journeys.server import Server
from tests.journeys.stage import Stage
from tests.replies import Reply
from tests.upstream import in_order

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_call_under_way_is_answered_before_the_end(mode: str, tmp_path: Path, stage: Stage) -> None:
    hold = stage.hold()
    stage.play(Reply("Here it is.", hold=hold))

    async def asking(server: Server) -> str:
        async with Client(f"{server.url}/mcp", mode=mode) as client:
            await client.list_tools()  # else it would do so after the call, to know what the answer has to be like
            calling = asyncio.create_task(client.call_tool("ask_team", {"task": "Take your time."}))
            await asyncio.to_thread(stage.wait_requests, 1)
            await asyncio.to_thread(server.terminate)
            hold.release()
            [said] = (await calling).content
            return str(getattr(said, "text", None))

    with Server(tmp_path, thinking_with(stage)) as server:
        assert asyncio.run(asking(server)) == "Here it is."
        assert server.exit_code() == 0
        assert "ERROR" not in server.log


def test_a_program_lives_as_long_as_the_server(tmp_path: Path, stage: Stage) -> None:
    described = tmp_path / "mcp.json"
    shop = {"command": sys.executable, "args": ["-m", "tests.toolshop", "shop"], "env": {"PYTHONPATH": str(ROOT)}}
    described.write_text(json.dumps({"mcpServers": {"shop": shop}}), encoding="utf-8")
    with Server(tmp_path, {**thinking_with(stage), "MCP_CONFIG": str(described)}) as server:
        server.wait_log("MCP server shop offers")
        stage.play(in_order(Reply(calls=[("shop__add", {"a": 2, "b": 3})]), "It is 5."))
        assert Chat(server).say("What is 2 + 3?").choices[0].message.content == "It is 5."
        assert stage.prompt[-1] == ("tool", "2 + 3 = 5")
        server.terminate()
        assert server.exit_code() == 0
        assert "ERROR" not in server.log
        assert "Traceback" not in server.log
