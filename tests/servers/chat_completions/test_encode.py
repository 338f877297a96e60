"""Whole answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agents.models.port import Message, ToolCall
from servers.chat_completions.encode import completion, shown
from servers.chat_completions.usage import Tokens
from tests import stories
from tests.servers.openai_schema import check
from tests.stories import CONVERSATION, RUN, START, STORIES, Story

ANSWERED = [story for story in STORIES if story.end.status in ("completed", "incomplete", "requires_action")]


def told(story: Story, **options: Any) -> dict[str, Any]:
    first = len(story.run.items)
    return completion(story.end, Tokens(8, 5), at=START + 9000, first_item=first, **options)


@pytest.mark.parametrize("story", ANSWERED, ids=lambda story: story.name)
def test_every_answer_is_what_openai_describes(story: Story) -> None:
    check("CreateChatCompletionResponse", told(story))
    check("CreateChatCompletionResponse", told(story, fingerprint="offline"))


def test_a_plain_answer_to_the_last_key() -> None:
    assert told(stories.PLAIN, fingerprint="offline") == {
        "id": f"chatcmpl-{RUN}",
        "object": "chat.completion",
        "created": START // 1000,
        "model": "cortex-flow",
        "system_fingerprint": "offline",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello, world.", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 8,
            "completion_tokens": 5,
            "total_tokens": 13,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
            "agents_used": [],
        },
        "conversation_id": f"conv_{CONVERSATION}",
        "metadata": {
            "agents_used": [],
            "iterations": 1,
            "execution_time_seconds": 1.0,
            "usage_total": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
            "usage_by_agent": {"supervisor": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}},
            "run_id": f"run_{RUN}",
            "thread_id": f"thread_{CONVERSATION}",
        },
    }


def test_a_refusal_stands_in_the_place_of_the_content() -> None:
    [choice] = told(stories.REFUSED)["choices"]
    assert choice["message"] == {"role": "assistant", "content": None, "refusal": "I can't do that."}
    assert choice["finish_reason"] == "stop"


def test_without_a_fingerprint_there_is_none() -> None:
    assert "system_fingerprint" not in told(stories.PLAIN)


def test_the_team_is_seen_in_metadata_and_usage() -> None:
    answer = told(stories.DELEGATED)
    assert answer["metadata"]["agents_used"] == answer["usage"]["agents_used"] == ["researcher"]
    assert answer["metadata"]["iterations"] == 2
    assert answer["metadata"]["execution_time_seconds"] == 2.5
    assert answer["metadata"]["usage_total"] == {"prompt_tokens": 40, "completion_tokens": 20, "total_tokens": 60}
    assert answer["metadata"]["usage_by_agent"]["researcher"]["total_tokens"] == 30
    assert told(stories.PARALLEL)["metadata"]["agents_used"] == ["researcher", "analyst"]


def test_what_was_left_out_is_told() -> None:
    story = stories.PLAIN
    cut = Story(story.name, replace(story.run, truncated_messages=7), story.events)
    assert told(cut)["metadata"]["truncated_messages"] == 7
    assert "truncated_messages" not in told(story)["metadata"]


def test_the_clients_calls() -> None:
    answer = told(stories.CLIENT_CALLS)
    [choice] = answer["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    assert choice["message"]["tool_calls"] == [
        {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Rome"}'}},
        {"id": "call_2", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Oslo"}'}},
    ]
    assert answer["metadata"]["execution_time_seconds"] == 9.0, "a run that waits is timed until now"


def test_a_second_answer_of_a_run_has_its_own_id_and_shows_its_own_part() -> None:
    answer = told(stories.CALLS_ANSWERED)
    assert answer["id"] == f"chatcmpl-{RUN}-2"
    [choice] = answer["choices"]
    assert choice["message"] == {"role": "assistant", "content": "Sun in Rome, snow in Oslo.", "refusal": None}
    assert choice["finish_reason"] == "stop"
    assert answer["metadata"]["iterations"] == 2, "of the run, over its pauses"


def test_words_before_a_call_are_joined_by_a_blank_line() -> None:
    [choice] = told(stories.COMMENTARY)["choices"]
    assert choice["message"]["content"] == "I will ask the researcher.\n\nNow the weather."
    assert [call["id"] for call in choice["message"]["tool_calls"]] == ["call_1"], "never a delegation"


@pytest.mark.parametrize(
    ("story", "reason"),
    [
        (stories.PLAIN, "stop"),
        (stories.FINAL_WRITER, "stop"),
        (stories.CUT_SHORT, "length"),
        (stories.FILTERED, "content_filter"),
        (stories.CLIENT_CALLS, "tool_calls"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_why_it_ended(story: Story, reason: str) -> None:
    assert told(story)["choices"][0]["finish_reason"] == reason


def test_marks_of_web_pages_are_citations_in_the_whole_text() -> None:
    message = told(stories.CITED)["choices"][0]["message"]
    [citation] = message["annotations"]
    place = citation["url_citation"]
    assert message["content"][place["start_index"] : place["end_index"]] == "【1†web】"
    assert (place["url"], place["title"]) == ("https://tea.example/old", "web")


def test_the_conversation_is_called_as_its_client_calls_it() -> None:
    run = stories.accepted(conversation="my chat/7")
    answer = told(Story("named", run, stories.PLAIN.events))
    assert answer["conversation_id"] == "my chat/7"
    assert answer["metadata"]["thread_id"] == f"thread_{CONVERSATION}"


def test_what_is_shown_is_what_is_counted() -> None:
    assert shown(stories.PLAIN.end) == Message("assistant", "Hello, world.")
    calls = (
        ToolCall("call_1", "get_weather", '{"city":"Rome"}'),
        ToolCall("call_2", "get_weather", '{"city":"Oslo"}'),
    )
    assert shown(stories.CLIENT_CALLS.end) == Message("assistant", "", tool_calls=calls)
