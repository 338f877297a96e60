"""A run that is followed, from its first sign of life to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

import pytest

from graph.engine import Engine
from graph.events import Event
from graph.journal import Position
from graph.run import Run
from servers.chat_completions.chunks import Chunks
from servers.chat_completions.stream import AnswerStream
from servers.chat_completions.usage import Tokens
from servers.errors import ApiError
from tests import stories
from tests.servers.asgi import read_events
from tests.servers.doubles import ScriptedEngine
from tests.stories import Story


def followed(engine: ScriptedEngine) -> AnswerStream[Event]:
    async def count(runs: Sequence[Run]) -> Tokens:
        assert list(runs) == [engine.story.end], "only what was answered is counted"
        return Tokens(1, 2)

    run = engine.story.run
    batches = engine.follow(run.tenant, run.id, Position(run.journal_length))
    return AnswerStream(cast(Engine, engine), batches, Chunks(run, include_usage=True), count)


async def read(stream: AnswerStream[Event]) -> list[bytes]:
    return [piece async for piece in stream.frames()]


@pytest.mark.parametrize(
    ("story", "code"),
    [
        (stories.FAILED_AT_ONCE, "rate_limit_exceeded"),
        (stories.EXPIRED, "run_expired"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
async def test_a_run_that_ends_without_a_sign_of_life_is_an_error(story: Story, code: str) -> None:
    stream = followed(ScriptedEngine(story))
    with pytest.raises(ApiError) as caught:
        await stream.begin()
    assert caught.value.code == code
    await stream.leave()


async def test_the_first_sign_of_life_begins_the_answer() -> None:
    stream = followed(ScriptedEngine(stories.FAILED_LATE))
    await stream.begin()
    assert len(read_events(b"".join(await read(stream)))) == 4, "role, text, error, done"


async def test_silence_begins_the_answer_too() -> None:
    hold = asyncio.Event()
    stream = followed(ScriptedEngine(stories.FAILED_AT_ONCE, hold_at=1, hold=hold))
    await stream.begin(patience=0.01)
    frames = stream.frames()
    role = await anext(frames)
    assert b'{"role":"assistant"}' in role, "it does not wait for the rest"
    hold.set()
    events = read_events(role + b"".join([piece async for piece in frames]))
    assert [event if event == "[DONE]" else next(iter(event)) for event in events] == ["id", "error", "[DONE]"]


async def test_outputs_of_the_client_are_no_sign_of_life() -> None:
    hold = asyncio.Event()
    stream = followed(ScriptedEngine(stories.CALLS_ANSWERED, hold_at=3, hold=hold))
    beginning = asyncio.create_task(stream.begin())
    for _ in range(20):
        await asyncio.sleep(0)
    assert not beginning.done()
    hold.set()
    await beginning
    await read(stream)


async def test_what_is_there_together_is_one_piece() -> None:
    stream = followed(ScriptedEngine(stories.PLAIN))
    await stream.begin()
    pieces = [read_events(piece) for piece in await read(stream)]
    assert [len(piece) for piece in pieces] == [1, 1, 1, 1, 3], "the end, the usage and the mark come together"


async def test_who_leaves_cancels_the_run() -> None:
    engine = ScriptedEngine(stories.PLAIN, hold_at=3, hold=asyncio.Event())
    stream = followed(engine)
    await stream.begin()
    frames = stream.frames()
    await anext(frames)
    await frames.aclose()
    await stream.leave()
    assert engine.cancelled.is_set()


async def test_who_leaves_before_anything_was_said_cancels_the_run() -> None:
    engine = ScriptedEngine(stories.PLAIN, hold_at=1, hold=asyncio.Event())
    stream = followed(engine)
    await stream.begin(patience=0.01)
    await stream.leave()
    assert engine.cancelled.is_set()


@pytest.mark.parametrize("story", [stories.PLAIN, stories.CLIENT_CALLS], ids=lambda story: story.name)
async def test_who_leaves_at_the_end_cancels_nothing(story: Story) -> None:
    engine = ScriptedEngine(story)
    stream = followed(engine)
    await stream.begin()
    await read(stream)
    await stream.leave()
    assert not engine.cancelled.is_set()


async def test_a_run_whose_events_stop_is_told_as_an_error() -> None:
    story = Story("broken off", stories.PLAIN.run, stories.PLAIN.events[:3])
    stream = followed(ScriptedEngine(story))
    await stream.begin()
    role, text, error, done = read_events(b"".join(await read(stream)))
    assert (role["choices"][0]["delta"], text["choices"][0]["delta"]) == ({"role": "assistant"}, {"content": "Hello"})
    assert (error["error"]["code"], done) == ("internal_error", "[DONE]")
