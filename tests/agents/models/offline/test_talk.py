"""Plain talk, the conversation itself, and side questions: each is one call."""

from __future__ import annotations

import pytest

from agents.models.port import (
    Message,
)
from tests.agents.models.offline.rehearsal import (
    lead,
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Hello", "Hello!"),
        ("hi there!", "Hello!"),
        ("Buongiorno", "Hello!"),
        ("Guten Tag", "Hello!"),
        ("Hello, how are you?", "All is well"),
        ("Thanks a lot, that was good", "You're welcome!"),
        ("Vielen Dank!", "You're welcome!"),
        ("Goodbye", "Goodbye!"),
        ("Who are you?", "offline demonstrator"),
        ("wie heißt du?", "offline demonstrator"),
        ("Say this is a test", "This is a test."),
        ("Reply with exactly: pong", "Pong."),
        ("I like pizza", "noted “I like pizza”"),
        ("The sun shines over the hills", "LLM_MODEL"),
        ("", "LLM_MODEL"),
        ("?!", "LLM_MODEL"),
    ],
)
async def test_plain_talk_is_answered_in_one_call(text: str, said: str) -> None:
    turn = await lead(text)
    assert turn.tool_calls == ()
    assert said in turn.text
    assert turn.finish == "stop"


@pytest.mark.parametrize(
    ("told", "asked", "said"),
    [
        ("My name is Alice", "What is my name?", "Your name is Alice."),
        ("Hi, I'm Bob Dylan.", "Do you remember my name?", "Your name is Bob Dylan."),
        ("Mi chiamo Chiara", "Come mi chiamo?", "Your name is Chiara."),
        ("Ich heiße Jörg", "Wie heiße ich?", "Your name is Jörg."),
        (
            "My favourite colour is green. I live in Turin.",
            "What is my favourite colour?",
            "favourite colour is green.",
        ),
        ("My favourite colour is green. I live in Turin.", "Where do I live?", "“I live in Turin.”"),
        ("Bring me tea", "What did I say?", "You said: “Bring me tea”"),
        ("Bring me tea", "Summarize our conversation", "- Bring me tea"),
    ],
)
async def test_the_conversation_answers_what_was_said_in_it(told: str, asked: str, said: str) -> None:
    turn = await lead(told, Message("assistant", "Very well."), asked)
    assert turn.tool_calls == ()
    assert said in turn.text


async def test_the_newest_of_two_names_counts() -> None:
    assert (await lead("My name is Alice", "Call me Al", "What is my name?")).text == "Your name is Al."


async def test_a_name_that_was_never_told_is_not_made_up() -> None:
    assert "not told me your name" in (await lead("What is my name?")).text


async def test_a_name_is_greeted() -> None:
    assert "Alice" in (await lead("My name is Alice")).text


async def test_its_own_words_are_quoted() -> None:
    assert (await lead("Hello", Message("assistant", "Welcome home."), "What did you say?")).text == (
        "I said: “Welcome home.”"
    )


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (
            '### Task:\nSuggest a title.\n### Output:\nJSON format: { "title": "a title" }\n'
            "<chat_history>\nUSER: What is Cortex Flow?\nASSISTANT: A team.\n</chat_history>",
            '{"title":"Cortex Flow"}',
        ),
        (
            '### Task:\nGenerate tags.\nJSON format: { "tags": ["tag1"] }\n<chat_history>\nUSER: What are AI agents?',
            '{"tags":["Ai","Agents"]}',
        ),
        ("Please generate a concise title for this conversation.", "AI trends"),
    ],
)
async def test_side_questions_of_a_frontend_cost_one_call(request_: str, answer: str) -> None:
    turn = await lead("Research AI trends", Message("assistant", "Done."), request_)
    assert turn.tool_calls == ()
    assert turn.text == answer
