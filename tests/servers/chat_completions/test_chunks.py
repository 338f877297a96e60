"""Streamed answers, frame by frame."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from graph import events as ev
from servers.chat_completions.chunks import Chunks
from servers.chat_completions.encode import completion
from servers.chat_completions.usage import Tokens
from tests import stories
from tests.servers.asgi import read_events
from tests.servers.openai_schema import check
from tests.stories import CONVERSATION, RUN, START, STORIES, Story

FAILED = [stories.FAILED_AT_ONCE, stories.FAILED_LATE, stories.CANCELLED, stories.EXPIRED]
ANSWERED = [story for story in STORIES if story not in FAILED]
TOKENS = Tokens(8, 5)

each_story = pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
each_answer = pytest.mark.parametrize("story", ANSWERED, ids=lambda story: story.name)


def stream(story: Story, *, usage: bool = False, **options: Any) -> bytes:
    chunks = Chunks(story.run, include_usage=usage, **options)
    frames = b"".join(map(chunks.encode, story.events))
    assert chunks.over
    assert chunks.run == story.end
    return frames + chunks.close(TOKENS if usage else None)


def deltas(story: Story, **options: Any) -> list[dict[str, Any]]:
    return [
        event["choices"][0]["delta"] for event in read_events(stream(story, **options))[:-1] if event.get("choices")
    ]


def content(story: Story) -> str:
    return "".join(delta.get("content", "") for delta in deltas(story))


def test_a_plain_answer_to_the_last_byte() -> None:
    head = f'data: {{"id":"chatcmpl-{RUN}","object":"chat.completion.chunk","created":{START // 1000},'
    head += '"model":"cortex-flow","system_fingerprint":"offline","choices":[{"index":0,"delta":'
    tail = f'"conversation_id":"conv_{CONVERSATION}"}}\n\n'
    more = '},"logprobs":null,"finish_reason":null}],' + tail
    spent = '{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}'
    assert stream(stories.PLAIN, fingerprint="offline").decode() == "".join(
        [
            head + '{"role":"assistant"' + more,
            head + '{"content":"Hello"' + more,
            head + '{"content":", wor"' + more,
            head + '{"content":"ld."' + more,
            head + '{},"logprobs":null,"finish_reason":"stop"}],"metadata":{"agents_used":[],"iterations":1,',
            f'"execution_time_seconds":1.0,"usage_total":{spent},"usage_by_agent":{{"supervisor":{spent}}},',
            f'"run_id":"run_{RUN}","thread_id":"thread_{CONVERSATION}"}},' + tail,
            "data: [DONE]\n\n",
        ]
    )


def test_a_refusal_is_streamed_as_one() -> None:
    assert deltas(stories.REFUSED) == [{"role": "assistant"}, {"refusal": "I can't "}, {"refusal": "do that."}, {}]


@each_story
def test_every_frame_is_what_openai_describes(story: Story) -> None:
    for usage in (False, True):
        *events, done = read_events(stream(story, usage=usage, fingerprint="offline"))
        assert done == "[DONE]"
        for event in events:
            check("ErrorResponse" if "error" in event else "CreateChatCompletionStreamResponse", event)


@each_answer
def test_all_frames_of_an_answer_belong_together(story: Story) -> None:
    events = read_events(stream(story, usage=True))[:-1]
    assert len({(event["id"], event["created"], event["model"], event["object"]) for event in events}) == 1
    assert {event["conversation_id"] for event in events} == {f"conv_{CONVERSATION}"}


@each_answer
def test_the_role_comes_first_and_the_reason_last(story: Story) -> None:
    choices = [event["choices"][0] for event in read_events(stream(story))[:-1]]
    assert choices[0]["delta"] == {"role": "assistant"}
    assert choices[-1]["delta"] == {}
    assert [choice["finish_reason"] for choice in choices[:-1]] == [None] * (len(choices) - 1)
    assert all("role" not in choice["delta"] for choice in choices[1:])


@each_answer
def test_a_stream_says_what_the_whole_answer_says(story: Story) -> None:
    whole = completion(story.end, TOKENS, at=story.events[-1].at, first_item=len(story.run.items))  # type: ignore[union-attr]
    events = read_events(stream(story, usage=True))[:-1]
    message = whole["choices"][0]["message"]
    assert content(story) == (message["content"] or "")
    assert _calls(deltas(story)) == message.get("tool_calls", [])
    assert events[-2]["choices"][0]["finish_reason"] == whole["choices"][0]["finish_reason"]
    assert events[-1]["usage"] == whole["usage"]
    assert events[-1]["metadata"] == whole["metadata"]
    assert events[-1]["id"] == whole["id"]


def _calls(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The calls as a client puts them together."""
    calls: dict[int, dict[str, Any]] = {}
    for part in (part for delta in told for part in delta.get("tool_calls", ())):
        call = calls.setdefault(part["index"], {"function": {"arguments": ""}})
        call.update({key: part[key] for key in ("id", "type") if key in part})
        call["function"]["arguments"] += part["function"]["arguments"]
        call["function"].setdefault("name", part["function"].get("name"))
    return [calls[index] for index in sorted(calls)]


@each_answer
def test_citations_come_as_they_do_in_the_whole_answer(story: Story) -> None:
    whole = completion(story.end, TOKENS, at=START, first_item=len(story.run.items))["choices"][0]["message"]
    told = [delta for delta in deltas(story) if "annotations" in delta]
    assert told == ([{"annotations": whole["annotations"]}] if "annotations" in whole else [])


@each_answer
def test_metadata_stands_in_one_frame_alone(story: Story) -> None:
    plain = read_events(stream(story))[:-1]
    assert ["metadata" in event for event in plain] == [False] * (len(plain) - 1) + [True]
    assert all("usage" not in event for event in plain)
    counted = read_events(stream(story, usage=True))[:-1]
    assert ["metadata" in event for event in counted] == [False] * (len(counted) - 1) + [True]
    assert counted[-1]["choices"] == []
    assert all(event["usage"] is None for event in counted[:-1])
    assert counted[-1]["usage"]["total_tokens"] == 13


def test_frames_of_the_clients_calls() -> None:
    assert [delta["tool_calls"] for delta in deltas(stories.CLIENT_CALLS) if "tool_calls" in delta] == [
        [{"index": 0, "id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": ""}}],
        [{"index": 0, "function": {"arguments": '{"city":'}}],
        [{"index": 0, "function": {"arguments": '"Rome"}'}}],
        [{"index": 1, "id": "call_2", "type": "function", "function": {"name": "get_weather", "arguments": ""}}],
        [{"index": 1, "function": {"arguments": '{"city":"Oslo"}'}}],
    ]


def test_delegations_are_silent_and_do_not_count() -> None:
    assert not any("tool_calls" in delta for delta in deltas(stories.DELEGATED))
    assert {part["index"] for delta in deltas(stories.COMMENTARY) for part in delta.get("tool_calls", ())} == {0}


def test_no_word_of_another_agent_reaches_the_answer() -> None:
    assert content(stories.DELEGATED) == "Tea is a drink."
    assert not any("reasoning_content" in delta for delta in deltas(stories.PARALLEL))


def test_progress_is_shown_when_it_is_asked_for() -> None:
    story = stories.PARALLEL
    asked = Story(story.name, replace(story.run, request=replace(story.run.request, progress=True)), story.events)
    shown = "".join(delta.get("reasoning_content", "") for delta in deltas(asked))
    assert shown == "**researcher**\n\ntea\n\nLooking. researcher at work\n\n**analyst**\n\n1+1\n\nanalyst at work"
    assert content(asked) == "Two."


def test_texts_are_joined_by_a_blank_line() -> None:
    texts = [delta["content"] for delta in deltas(stories.COMMENTARY) if "content" in delta]
    assert texts == ["I will ask ", "the researcher.", "\n\nNow the weather."]


def test_what_was_not_told_live_is_told_when_it_is_whole() -> None:
    """A follower that came late, or an owner that died: the durable events alone make the same answer."""
    for story in (stories.COMMENTARY, stories.CLIENT_CALLS):
        late = [event for event in story.events if not isinstance(event, ev.Live)]
        assert content(Story("late", story.run, late)) == content(story)
        assert _calls(deltas(Story("late", story.run, late))) == _calls(deltas(story))


def test_what_was_told_in_part_is_completed() -> None:
    story = stories.PLAIN
    partly = [event for event in story.events if event != ev.TextDelta("m1", "ld.")]
    assert [delta.get("content") for delta in deltas(Story("partly", story.run, partly))] == [
        None,
        "Hello",
        ", wor",
        "ld.",
        None,
    ]


def test_another_owner_does_not_begin_anew() -> None:
    first, *rest = stories.PLAIN.events
    taken = Story("taken over", stories.PLAIN.run, [first, ev.RunStarted(2, 1, START), *rest])
    events = read_events(stream(taken))[:-1]
    assert [event["choices"][0]["delta"] for event in events].count({"role": "assistant"}) == 1
    assert {event["id"] for event in events} == {f"chatcmpl-{RUN}"}


@pytest.mark.parametrize(
    ("story", "code"),
    [
        (stories.FAILED_AT_ONCE, "rate_limit_exceeded"),
        (stories.FAILED_LATE, "upstream_error"),
        (stories.CANCELLED, "run_cancelled"),
        (stories.EXPIRED, "run_expired"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_failure_is_a_frame_of_its_own_and_then_the_end(story: Story, code: str) -> None:
    *_, error, done = read_events(stream(story, usage=True))
    assert error["error"]["code"] == code
    assert done == "[DONE]"


def test_a_stream_that_breaks_off_says_so() -> None:
    chunks = Chunks(stories.PLAIN.run)
    for event in stories.PLAIN.events[:3]:
        chunks.encode(event)
    assert not chunks.over
    [error, done] = read_events(chunks.close())
    assert error["error"]["code"] == "internal_error"
    assert done == "[DONE]"


def test_text_is_encoded_whatever_it_is() -> None:
    odd = 'a "quote" \\ back\nslash \u2028 \0 é 😀 </script>'
    story = Story("odd", stories.accepted(label='m\0"x'), [ev.RunStarted(1, 0, START), *stories.text("m", odd)])
    chunks = Chunks(story.run)
    events = read_events(b"".join(map(chunks.encode, story.events)))
    assert events[1]["choices"][0]["delta"]["content"] == odd
    assert events[1]["model"] == 'm\0"x'
