"""Answers with several choices, whole and streamed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from graph import events as ev
from graph.storage.port import StorageUnavailable
from servers.chat_completions.choices import Choices, side_by_side
from servers.chat_completions.encode import completion
from servers.chat_completions.usage import Tokens
from tests import stories
from tests.servers.asgi import read_events
from tests.servers.openai_schema import check
from tests.stories import RUN, START, STORIES, Story

TOKENS = Tokens(8, 9)
FAILED = [stories.FAILED_AT_ONCE, stories.FAILED_LATE, stories.CANCELLED, stories.EXPIRED]
ANSWERED = [story for story in STORIES if story not in FAILED]


def other(story: Story, number: int = 1) -> Story:
    """The same story, of another run."""
    return Story(story.name, replace(story.run, id=f"other{number}"), story.events)


def stream(first: Story, *others: Story, told: Sequence[tuple[int, ev.Event]] = (), usage: bool = False) -> list[Any]:
    """The frames of these stories told one after the other, the first one last; or as they are told."""
    each = [first, *(other(story, number) for number, story in enumerate(others, 1))]
    choices = Choices([story.run for story in each], include_usage=usage)
    in_turn = [(index, event) for index in reversed(range(len(each))) for event in each[index].events]
    frames = b"".join(map(choices.encode, told or in_turn))
    return read_events(frames + choices.close(TOKENS if usage else None))


def of(events: Sequence[Any], index: int) -> list[Any]:
    """What a choice is told."""
    return [
        each for event in events if event != "[DONE]" for each in event.get("choices", ()) if each["index"] == index
    ]


def content(events: Sequence[Any], index: int) -> str:
    return "".join(each["delta"].get("content", "") for each in of(events, index))


@pytest.mark.parametrize("usage", [False, True])
@pytest.mark.parametrize("story", ANSWERED, ids=lambda story: story.name)
def test_every_answer_is_what_openai_describes(story: Story, usage: bool) -> None:
    *chunks, done = stream(story, other(story), usage=usage)
    assert done == "[DONE]"
    for chunk in chunks:
        check("CreateChatCompletionStreamResponse", chunk)
    first = len(story.run.items)
    check(
        "CreateChatCompletionResponse", completion(story.end, TOKENS, at=START, first_item=first, siblings=[story.end])
    )


def test_choices_of_a_whole_answer() -> None:
    answer = completion(stories.PLAIN.end, TOKENS, at=START, siblings=[stories.CLIENT_CALLS.end, stories.CUT_SHORT.end])
    told = [(each["index"], each["finish_reason"]) for each in answer["choices"]]
    assert told == [(0, "stop"), (1, "tool_calls"), (2, "length")]
    assert answer["choices"][0]["message"]["content"] == "Hello, world."
    assert [call["id"] for call in answer["choices"][1]["message"]["tool_calls"]] == ["call_1", "call_2"]
    assert answer["id"] == f"chatcmpl-{RUN}"


def test_the_agents_and_the_usage_are_those_of_all() -> None:
    alone, both = stories.DELEGATED.end, stories.PARALLEL.end
    answer = completion(alone, TOKENS, at=START, siblings=[both])
    told = answer["metadata"]
    assert told["agents_used"] == answer["usage"]["agents_used"] == ["researcher", "analyst"]
    assert told["usage_total"]["total_tokens"] == alone.usage_total.total_tokens + both.usage_total.total_tokens
    used = told["usage_by_agent"]["supervisor"]["total_tokens"]
    assert used == sum(run.usage_by_agent["supervisor"].total_tokens for run in (alone, both))
    assert (told["iterations"], told["run_id"]) == (alone.iterations, f"run_{alone.id}")


def test_chunks_of_all_choices_are_one_answer() -> None:
    told = [
        pair
        for both in zip(stories.PLAIN.events, stories.PLAIN.events, strict=True)
        for pair in zip((1, 0), both, strict=True)
    ]
    *chunks, done = stream(stories.PLAIN, stories.PLAIN, told=told)
    assert done == "[DONE]"
    assert [chunk["choices"][0]["index"] for chunk in chunks] == [0, 1] + [1, 0] * 4, "as they come"
    assert len({(chunk["id"], chunk["created"], chunk["model"], chunk["conversation_id"]) for chunk in chunks}) == 1
    for index in (0, 1):
        assert of(chunks, index)[0]["delta"] == {"role": "assistant"}
        assert content(chunks, index) == "Hello, world."
        assert [each["finish_reason"] for each in of(chunks, index)] == [None] * 4 + ["stop"]


def test_all_begin_in_their_order_before_any_goes_on() -> None:
    each = [stories.PLAIN, stories.PLAIN, stories.PLAIN]
    chunks = stream(*each, told=[(index, event) for index in (2, 0, 1) for event in each[index].events])
    roles = [chunk["choices"][0]["index"] for chunk in chunks[:-1] if "role" in chunk["choices"][0]["delta"]]
    assert roles == [0, 1, 2]


def test_a_second_answer_has_the_id_of_the_first_choice() -> None:
    chunks = stream(stories.CALLS_ANSWERED, stories.CALLS_ANSWERED)[:-1]
    assert {chunk["id"] for chunk in chunks} == {f"chatcmpl-{RUN}-2"}


@pytest.mark.parametrize("usage", [False, True])
def test_metadata_comes_once_and_is_of_all(usage: bool) -> None:
    chunks = stream(stories.DELEGATED, stories.PARALLEL, usage=usage)[:-1]
    [told] = [chunk for chunk in chunks if "metadata" in chunk]
    assert told is chunks[-1]
    assert bool(told["choices"]) is not usage
    assert told["metadata"]["agents_used"] == ["researcher", "analyst"]
    spent = stories.DELEGATED.end.usage_total + stories.PARALLEL.end.usage_total
    assert told["metadata"]["usage_total"]["total_tokens"] == spent.total_tokens
    if usage:
        assert (told["usage"]["completion_tokens"], told["usage"]["agents_used"]) == (9, ["researcher", "analyst"])


def test_calls_of_each_choice_are_counted_for_themselves() -> None:
    chunks = stream(stories.CLIENT_CALLS, stories.CLIENT_CALLS)
    for index in (0, 1):
        parts = [part for each in of(chunks, index) for part in each["delta"].get("tool_calls", ())]
        assert [part["index"] for part in parts if "id" in part] == [0, 1]
        assert of(chunks, index)[-1]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize("story", FAILED, ids=lambda story: story.name)
def test_the_first_error_is_the_end(story: Story) -> None:
    told = [*((0, event) for event in stories.PLAIN.events[:3]), *((1, event) for event in story.events)]
    told += [(0, ev.RunCancelled(START))]
    events = stream(stories.PLAIN, story, told=told)
    errors = [event for event in events if "error" in event]
    assert errors == events[-2:-1]
    assert events[-1] == "[DONE]"


def test_a_choice_whose_events_stop_is_told_as_an_error() -> None:
    told = [(0, event) for event in stories.PLAIN.events]
    *_, error, done = stream(stories.PLAIN, stories.PLAIN, told=told)
    assert (error["error"]["code"], done) == ("internal_error", "[DONE]")


def test_who_thinks_in_which_choice() -> None:
    run = stories.accepted(progress=True)
    story = Story("seen", run, stories.DELEGATED.events)
    chunks = stream(story, story)[:-1]
    for index in (0, 1):
        thoughts = "".join(each["delta"].get("reasoning_content", "") for each in of(chunks, index))
        assert thoughts.startswith("**researcher**")


async def events_of(story: Story, step: asyncio.Event | None = None) -> AsyncGenerator[Sequence[ev.Event], None]:
    for event in story.events:
        yield [event]
        if step is not None:
            await step.wait()


async def test_streams_are_read_at_the_same_time() -> None:
    held = asyncio.Event()
    merged = side_by_side([events_of(stories.PLAIN, held), events_of(stories.CUT_SHORT)])
    read: list[tuple[int, ev.Event]] = []
    while len(read) < len(stories.CUT_SHORT.events) + 1:
        read += await anext(merged)
    assert [event for index, event in read if index == 1] == list(stories.CUT_SHORT.events)
    assert [event for index, event in read if index == 0] == list(stories.PLAIN.events[:1])
    held.set()
    rest = [told async for batch in merged for told in batch]
    assert [event for _, event in rest] == list(stories.PLAIN.events[1:])


async def test_what_is_there_already_ends_with_the_first_choice() -> None:
    merged = side_by_side([events_of(stories.PLAIN), events_of(stories.PLAIN)])
    told = [each async for batch in merged for each in batch]
    assert told[-1][0] == 0


async def test_a_stream_that_breaks_breaks_the_whole() -> None:
    async def broken() -> AsyncGenerator[Sequence[ev.Event], None]:
        yield [stories.PLAIN.events[0]]
        raise StorageUnavailable("away")

    merged = side_by_side([events_of(stories.PLAIN, asyncio.Event()), broken()])
    with pytest.raises(StorageUnavailable):
        [batch async for batch in merged]


async def test_who_leaves_leaves_all() -> None:
    left: list[int] = []

    async def followed(index: int) -> AsyncGenerator[Sequence[ev.Event], None]:
        try:
            yield [stories.PLAIN.events[0]]
            await asyncio.Event().wait()
        finally:
            left.append(index)

    merged = side_by_side([followed(0), followed(1)])
    await anext(merged)
    await merged.aclose()
    assert sorted(left) == [0, 1]
