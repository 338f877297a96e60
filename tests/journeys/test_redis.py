"""A server on a Redis that goes away and comes back, chosen by `DATABASE_PROVIDER` and `REDIS_URL`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.graph.storage.redis_server import needs_redis_server, redis_server
from tests.journeys.server import Server

pytestmark = needs_redis_server


def test_redis_is_killed_and_the_conversation_goes_on(tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir()
    with redis_server(tmp_path / "redis", "--appendonly", "yes", "--appendfsync", "always") as redis:
        variables = {"STORAGE_URL": "", "DATABASE_PROVIDER": "redis", "REDIS_URL": redis.url}
        with Server(tmp_path, variables) as server:
            said = {"role": "user", "content": "Hello"}
            say: dict[str, Any] = {"model": "cortex-flow", "messages": [said], "conversation_id": "chat"}
            wire = server.wire()
            assert wire.ask(json=say).status == 200
            thread = wire.ask(path="/v1/threads", json={"messages": [said]}).json["id"]
            redis.kill()
            for answer in (wire.ask("GET", f"/v1/threads/{thread}"), wire.ask(json=say)):
                assert (answer.status, answer.error["code"]) == (503, "storage_unavailable")
            redis.start()
            assert wire.ask("GET", f"/v1/threads/{thread}").status == 200
            assert wire.ask(json=say).status == 200
            server.terminate()
            assert server.exit_code() == 0
            server.start()
            messages = server.wire().ask("GET", f"/v1/threads/{thread}/messages").json
            assert [message["content"][0]["text"]["value"] for message in messages["data"]] == ["Hello"]
            assert "unexpected error" not in server.log
        assert not list(tmp_path.glob("*.db"))
