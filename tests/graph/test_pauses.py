"""How long a chat run waits for its client."""

from __future__ import annotations

import pytest

from graph import chat_recorder
from tests.graph.doubles import Script, call, say
from tests.graph.house import TENANT, every_store, house

store = every_store


async def test_a_client_that_never_comes_back_does_not_keep_the_run_open(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_recorder, "PAUSE_MS", 0)
    script = Script(supervisor=[call(("weather", {"place": "Rome"})), say("Hello again.")])
    async with house(script, store=store) as here:
        run = await here.pause()
        assert ("acme", run.id) in await here.storage.due("run", 2**62)
        assert (await here.engine.get(TENANT, run.id)).status == "expired"
        assert await here.storage.due("run", 2**62) == []
        assert (await here.ask("Hi", conversation="talk")).status == "completed"


async def test_a_run_at_work_has_its_own_time_a_paused_one_a_day(store: str) -> None:
    script = Script(supervisor=[call(("weather", {"place": "Rome"}))])
    async with house(script, store=store, run_timeout=1) as here:
        run = await here.pause()
        waiting = await here.engine.get(TENANT, run.id)
        assert waiting.status == "requires_action"
        assert waiting.expires_at - waiting.created_at >= chat_recorder.PAUSE_MS
