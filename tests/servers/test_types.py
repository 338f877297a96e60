"""The types that other programs take from us, and what they are good for."""

from __future__ import annotations

import sys

import pytest
from pydantic import TypeAdapter

from servers import types
from tests.servers.embedded import opened


@pytest.mark.parametrize("name", types.__all__)
def test_every_type_is_there(name: str) -> None:
    assert getattr(types, name) is not None


def test_the_door_lists_what_is_there() -> None:
    assert sorted(types.__all__) == dir(types)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = types.Nothing


async def test_what_is_answered_fits_them() -> None:
    async with opened() as server:
        adapter = server.get_adapter()
        body = types.AssistantFields.model_validate({"name": "Helper", "tools": [{"type": "file_search"}]})
        assistant = types.Assistant.model_validate(
            await adapter.create_assistant(**body.model_dump(exclude_unset=True))
        )
        thread = types.Thread.model_validate(await adapter.create_thread(messages=[{"content": "What is 17 * 23?"}]))
        stream = await adapter.create_run(thread.id, assistant_id=assistant.id, stream=True)
        event = TypeAdapter(types.AssistantStreamEvent)
        events = [event.validate_python(told) async for told in stream]
        run = types.Run.model_validate(await adapter.get_run(thread.id, stream.id))
        [newest, *_] = (await adapter.list_messages(thread.id)).data
        [step, *_] = (await adapter.list_run_steps(thread.id, run.id)).data
    assert isinstance(events[-1].data, types.Run)
    assert isinstance(types.Message.model_validate(newest).content[0], types.TextContentBlock)
    assert types.RunStep.model_validate(step).run_id == run.id


def test_without_openais_package(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name == "openai" or name.startswith("openai.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(ImportError, match=r"cortex-flow\[clients\]"):
        _ = types.RunStep
    assert types.CreateRun is not None
