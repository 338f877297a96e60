"""What the server remembers of a conversation, whichever way its client sends it. The scripted upstream shows the prompt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.journeys.chats import Chat, assistant, meanwhile, user
from tests.journeys.scripts import echo, told
from tests.journeys.server import Server
from tests.journeys.stage import Stage, lines, replying
from tests.upstream import Reply, by_agent, transfer

pytestmark = pytest.mark.xdist_group("journeys-talk")

NewId = Callable[[], str]


@pytest.fixture
def chat(scripted: Server, stage: Stage) -> Chat:
    stage.play(replying(echo))
    return Chat(scripted)


def turn(text: str) -> list[Any]:
    return [user(text), assistant(echo(text))]


def test_only_the_new_turn_is_sent(chat: Chat, stage: Stage, new_id: NewId) -> None:
    id = new_id()
    for text in ("one", "two", "three"):
        chat.say(text, id=id)
    assert stage.prompt == told("one", "two", "three")


def test_the_whole_history_is_sent(chat: Chat, stage: Stage, new_id: NewId) -> None:
    id = new_id()
    chat.say("one", id=id)
    chat.say(*turn("one"), "two", id=id)
    chat.say(*turn("one"), *turn("two"), "three", id=id)
    assert stage.prompt == told("one", "two", "three")
    chat.say("four", id=id)
    assert stage.prompt == told("one", "two", "three", "four")


def test_both_ways_in_one_conversation(chat: Chat, stage: Stage, new_id: NewId) -> None:
    id = new_id()
    chat.say("one", id=id)
    chat.say(*turn("one"), "two", id=id)
    chat.streamed("three", id=id)
    chat.streamed(*turn("one"), *turn("two"), *turn("three"), "four", id=id)
    chat.say("five", id=id)
    assert stage.prompt == told("one", "two", "three", "four", "five")


def test_a_history_that_the_client_has_rewritten_a_little(chat: Chat, stage: Stage, new_id: NewId) -> None:
    id = new_id()
    chat.say("line one\nline two", id=id)
    answer = {"role": "assistant", "content": [{"type": "text", "text": echo("line one\nline two") + "  \n"}]}
    chat.say(user("line one\r\nline two "), {**answer, "refusal": None, "metadata": {"x": 1}}, "more", id=id)
    chat.say("end", id=id)
    assert stage.prompt == told("line one\nline two", "more", "end")


def test_the_same_words_twice_are_two_turns(chat: Chat, stage: Stage, new_id: NewId) -> None:
    id = new_id()
    chat.say("yes", id=id)
    chat.say("yes", id=id)
    chat.say(*turn("yes"), *turn("yes"), "yes", id=id)
    chat.say("yes", id=id)
    assert stage.prompt == told("yes", "yes", "yes", "yes")


def test_an_edit_replaces_what_came_after(chat: Chat, stage: Stage, new_id: NewId) -> None:
    id = new_id()
    for text in ("one", "two", "three"):
        chat.say(text, id=id)
    chat.say(*turn("one"), "TWO", id=id)
    assert stage.prompt == told("one", "TWO")
    chat.say("next", id=id)
    assert stage.prompt == told("one", "TWO", "next")


def test_an_edit_of_the_first_turn(chat: Chat, stage: Stage, new_id: NewId) -> None:
    id = new_id()
    chat.say("one", id=id)
    chat.say("two", id=id)
    chat.say("ONE", id=id, extra_body={"history": "full"})
    assert stage.prompt == told("ONE")
    chat.say("next", id=id)
    assert stage.prompt == told("ONE", "next")


def test_an_answer_is_regenerated(chat: Chat, stage: Stage, new_id: NewId) -> None:
    id = new_id()
    chat.say("one", id=id)
    chat.say("two", id=id)
    stage.play("Another answer.")
    chat.say(*turn("one"), "two", id=id)
    assert stage.prompt == told("one", "two")
    chat.say("three", id=id)
    assert stage.prompt == [*told("one", "two"), ("assistant", "Another answer."), ("user", "three")]


def test_a_list_trimmed_at_the_front(chat: Chat, stage: Stage, new_id: NewId) -> None:
    id = new_id()
    for text in ("one", "two", "three", "four"):
        chat.say(text, id=id)
    chat.say(*turn("three"), *turn("four"), "five", id=id)
    assert stage.prompt[-1] == ("user", "five")
    chat.say("six", id=id)
    assert stage.prompt == told("one", "two", "three", "four", "five", "six")


def test_system_messages_are_the_requests_own(chat: Chat, stage: Stage, new_id: NewId) -> None:
    id = new_id()
    chat.say({"role": "system", "content": "Speak like a pirate."}, "one", id=id)
    assert "Speak like a pirate." in stage.requests[-1].body["messages"][0]["content"]
    chat.say({"role": "developer", "content": "Speak like a judge."}, *turn("one"), "two", id=id)
    assert stage.prompt == told("one", "two")
    assert "Speak like a judge." in stage.requests[-1].body["messages"][0]["content"]
    chat.say("three", id=id)
    assert stage.prompt == told("one", "two", "three")
    assert "Speak like" not in stage.requests[-1].body["messages"][0]["content"]


def test_what_agents_report_is_no_part_of_the_conversation(chat: Chat, stage: Stage, new_id: NewId) -> None:
    id = new_id()
    supervisor = lines(Reply(calls=[transfer("researcher")]), Reply(calls=[transfer("writer", final=True)]), "Yes.")
    stage.play(by_agent(supervisor=supervisor, researcher=["A finding."], writer=["A text."]))
    chat.say("Write", id=id)
    chat.say("Good?", id=id)
    assert stage.prompt == [("user", "Write"), ("assistant", "A text."), ("user", "Good?")]


@pytest.mark.parametrize("size", [100, 200_000], ids=["small", "large"])
def test_images_are_remembered(chat: Chat, stage: Stage, new_id: NewId, size: int) -> None:
    id = new_id()
    stage.play("A cat.")
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * size, "detail": "low"}}
    shown = {"role": "user", "content": [{"type": "text", "text": "What is it?"}, image]}
    chat.say(shown, id=id)
    assert stage.prompt == [("user", shown["content"])]
    chat.say("Sure?", id=id)
    assert stage.prompt == [("user", shown["content"]), ("assistant", "A cat."), ("user", "Sure?")]
    chat.say(shown, assistant("A cat."), "Sure?", assistant("A cat."), "Really?", id=id)
    chat.say("End", id=id)
    assert [role for role, _ in stage.prompt] == ["user", "assistant"] * 3 + ["user"]
    assert stage.prompt[0] == ("user", shown["content"])


@pytest.mark.parametrize(
    "id",
    [
        "user_123_conv_1",
        "my chat/7",
        "  spaces around  ",
        "日本語の会話 🗾",
        "a%20b",
        "a b",
        "../../etc/passwd",
        "'; DROP TABLE documents; --",
        "conv_nobody-knows",
        "x" * 512,
        "null",
    ],
)
def test_any_name_is_a_conversation(chat: Chat, stage: Stage, id: str) -> None:
    first = chat.say("one", id=id)
    assert first.conversation_id == id
    chat.say("two", id=id)
    assert stage.prompt == told("one", "two")


def test_names_that_look_alike_are_different_conversations(chat: Chat, stage: Stage) -> None:
    names = ["Chat-A", "chat-a", "chat-a ", "chat%2Da", "chàt-a", "cha\u0300t-a"]
    for name in names:
        chat.say(f"I am {name!r}", id=name)
        assert len(stage.prompt) == 1


def test_the_name_may_come_in_a_header(scripted: Server, stage: Stage, new_id: NewId) -> None:
    stage.play(replying(echo))
    id = new_id()
    Chat(scripted, default_headers={"X-Conversation-Id": id}).say("one")
    response = Chat(scripted, default_headers={"x-session-id": id}).say("two")
    assert response.conversation_id == id
    assert stage.prompt == told("one", "two")
    both = Chat(scripted, default_headers={"X-Conversation-Id": "somebody else's", "x-session-id": "a third"})
    assert both.say("three", id=id).conversation_id == id
    assert stage.prompt == told("one", "two", "three")
    first = Chat(scripted, default_headers={"X-Conversation-Id": id, "x-session-id": new_id()})
    first.say("four")
    assert stage.prompt == told("one", "two", "three", "four")


@pytest.mark.parametrize("sent", ["日本 語/100%25".encode(), b"%E6%97%A5%E6%9C%AC%20%E8%AA%9E/100%25"])
def test_a_header_holds_any_name(scripted: Server, stage: Stage, sent: bytes) -> None:
    stage.play(replying(echo))
    headers: Any = {"X-Conversation-Id": sent}
    answer = scripted.wire().ask(json={"messages": [user("one")], "history": "full"}, headers=headers)
    assert answer.json["conversation_id"] == "日本 語/100%"
    back = answer.headers["x-conversation-id"]
    again = scripted.wire().ask(json={"messages": [user("two")]}, headers={"X-Conversation-Id": back})
    assert again.json["conversation_id"] == "日本 語/100%"
    assert stage.prompt == told("one", "two")


def test_no_name_is_a_new_conversation(chat: Chat, stage: Stage) -> None:
    first = chat.say("one", extra_body={"conversation_id": None})
    second = chat.say("one")
    third = chat.say("one", id="")
    assert len({each.conversation_id for each in (first, second, third)}) == 3
    assert stage.prompt == told("one")
    chat.say("two", id=first.conversation_id)
    assert stage.prompt == told("one", "two")


def test_a_client_that_keeps_its_own_history_may_use_the_id_later(chat: Chat, stage: Stage) -> None:
    kept = chat.say(*turn("one"), *turn("two"), "three")
    chat.say("four", id=kept.conversation_id)
    assert stage.prompt == told("one", "two", "three", "four")
    chat.say(*turn("one"), *turn("two"), *turn("three"), *turn("four"), "five", id=kept.conversation_id)
    chat.say("six", id=kept.conversation_id)
    assert stage.prompt == told("one", "two", "three", "four", "five", "six")


def test_the_thread_of_a_conversation_is_another_name_of_it(chat: Chat, stage: Stage, new_id: NewId) -> None:
    id = new_id()
    thread = chat.say("one", id=id).metadata["thread_id"]
    assert thread.startswith("thread_")
    for name in (thread, thread.replace("thread_", "conv_"), thread.removeprefix("thread_")):
        chat.say("again", id=name)
    assert stage.prompt == told("one", "again", "again", "again")


def test_the_model_is_honoured_whatever_the_conversation(chat: Chat, stage: Stage, new_id: NewId) -> None:
    id = new_id()
    chat.say("one", id=id)
    chat.say("two", id=id, model="cortex-flow-writer")
    assert stage.agents == ["supervisor", "writer"]
    assert [m["content"] for m in stage.requests[-1].body["messages"][1:]] == ["one", echo("one"), "two"]


def test_user_never_selects_a_conversation(chat: Chat, stage: Stage) -> None:
    chat.say("one", user="same")
    chat.say("two", user="same")
    assert stage.prompt == told("two")


def test_two_at_once_on_one_conversation(chat: Chat, stage: Stage, new_id: NewId) -> None:
    id = new_id()
    chat.say("start", id=id)
    holds = {"left": stage.hold(), "right": stage.hold()}
    stage.play(replying(lambda text: Reply(echo(text), hold=holds.get(text))))
    with meanwhile(lambda: chat.say("left", id=id), lambda: chat.streamed("right", id=id)):
        stage.wait_requests(2)
        assert stage.open == 2
        for hold in holds.values():
            hold.release()
    chat.say("end", id=id)
    assert stage.prompt in (told("start", "left", "right", "end"), told("start", "right", "left", "end"))


def test_many_at_once_on_a_new_conversation(chat: Chat, stage: Stage, new_id: NewId) -> None:
    id = new_id()
    texts = [f"number {n}" for n in range(8)]
    hold = stage.hold()
    stage.play(replying(lambda text: Reply(echo(text), hold=hold)))
    with meanwhile(*(lambda text=text: chat.say(text, id=id) for text in texts)) as answers:
        stage.wait_requests(8)
        hold.release()
        assert {answer.result().conversation_id for answer in answers} == {id}
    stage.play(replying(echo))
    chat.say("end", id=id)
    *turns, last = stage.prompt
    assert last == ("user", "end")
    users = [text for role, text in turns if role == "user"]
    assert sorted(users) == texts
    assert turns == told(*users, "end")[:-1]


def test_a_long_conversation_is_kept_in_order(chat: Chat, stage: Stage, new_id: NewId) -> None:
    id = new_id()
    texts = [f"turn {n}" for n in range(40)]
    for text in texts:
        chat.say(text, id=id)
    assert stage.prompt == told(*texts)
