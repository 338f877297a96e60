"""Threads, where several change one at the same time."""

from __future__ import annotations

import pytest

from graph.errors import NotFound
from graph.events import now_ms
from graph.ids import new_id
from graph.storage.port import Write
from graph.threads import Thread
from tests.graph.house import TENANT, every_store, house

store = every_store


@pytest.mark.parametrize("known", [{}, {"before": "yes"}], ids=["new", "known"])
async def test_changes_at_the_same_time_are_both_kept(
    store: str, known: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(store=store) as here:
        threads, commit = here.engine.threads, here.storage.commit
        thread = await threads.create(TENANT, Thread(new_id(), now_ms(), known))

        async def too_late(tenant: str, *writes: Write) -> None:
            monkeypatch.undo()
            await threads.modify(TENANT, thread.id, tool_resources={"code_interpreter": {"file_ids": []}})
            await commit(tenant, *writes)

        monkeypatch.setattr(here.storage, "commit", too_late)
        changed = await threads.modify(TENANT, thread.id, {"a": "b"})
        assert changed == await threads.get(TENANT, thread.id)
        assert (changed.metadata, changed.tool_resources) == ({"a": "b"}, {"code_interpreter": {"file_ids": []}})


async def test_a_change_that_comes_too_late_leaves_nothing_behind(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with house(store=store) as here:
        threads, commit = here.engine.threads, here.storage.commit
        thread = await threads.create(TENANT, Thread(new_id(), now_ms(), {"a": "b"}))

        async def too_late(tenant: str, *writes: Write) -> None:
            monkeypatch.undo()
            await threads.delete(TENANT, thread.id)
            await commit(tenant, *writes)

        monkeypatch.setattr(here.storage, "commit", too_late)
        with pytest.raises(NotFound):
            await threads.modify(TENANT, thread.id, {"c": "d"})
        assert await here.storage.get(TENANT, "thread", thread.id) is None
