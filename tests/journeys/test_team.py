"""The team at work: who is asked, in which order, what at the same time, and whose words reach the user."""

from __future__ import annotations

from typing import Any

import pytest

from agents.models.port import Message
from graph.tokens import open_tokenizer
from tests.journeys.chats import Chat, contents, meanwhile
from tests.journeys.server import Server
from tests.journeys.stage import Stage, lines, spoken
from tests.upstream import Reply, by_agent, in_order, transfer

pytestmark = pytest.mark.xdist_group("journeys-talk")

ROUTES: list[tuple[list[str], int]] = [
    (["researcher"], 2),
    (["analyst"], 2),
    (["writer"], 2),
    (["researcher", "writer"], 3),
    (["researcher", "analyst"], 3),
    (["researcher", "analyst", "writer"], 4),
    (["writer", "analyst", "researcher"], 4),
]


@pytest.fixture
def chat(scripted: Server) -> Chat:
    return Chat(scripted)


def secret(agent: str) -> str:
    return f"<<what the {agent} reports>>"


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("question", ["Hello!", "Ciao, come va?"])
def test_a_direct_answer_is_one_call(chat: Chat, stage: Stage, question: str, streaming: bool) -> None:
    stage.play("Hello, what can I do?")
    say = chat.streamed if streaming else chat.text
    assert say(question) == "Hello, what can I do?"
    assert stage.agents == ["supervisor"]
    assert stage.prompt == [("user", question)]


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(("route", "iterations"), ROUTES)
def test_one_agent_after_the_other(
    chat: Chat, stage: Stage, route: list[str], iterations: int, streaming: bool
) -> None:
    stage.play(by_agent(supervisor=_leading(route), **{agent: [secret(agent)] for agent in route}))
    if streaming:
        *chunks, last = chat.stream("Do it all")
        answer, metadata = "".join(contents(chunks)), last.metadata
    else:
        response = chat.say("Do it all")
        answer, metadata = response.choices[0].message.content, response.metadata
    assert answer == "Everything is done."
    assert (metadata["agents_used"], metadata["iterations"]) == (route, iterations)
    steps = [each for agent in route for each in ("supervisor", agent)]
    assert stage.agents == [*steps, "supervisor"]
    assert [content for role, content in stage.prompt if role == "tool"] == [secret(agent) for agent in route]


def test_later_agents_know_what_earlier_ones_found(chat: Chat, stage: Stage) -> None:
    stage.play(by_agent(supervisor=_leading(["researcher", "analyst"]), researcher=[secret("r")], analyst=["Fine."]))
    chat.say("Compare the two")
    analyst = next(request.body for request in stage.requests if request.agent == "analyst")
    ((role, told),) = spoken(analyst)
    assert role == "user"
    assert "Compare the two" in told
    assert secret("r") in told
    assert "The analyst's part" in told


@pytest.mark.parametrize("streaming", [False, True])
def test_independent_agents_work_at_the_same_time(chat: Chat, stage: Stage, streaming: bool) -> None:
    first, second = stage.hold(), stage.hold()
    both = Reply(calls=[transfer("researcher", "Look."), transfer("analyst", "Compute.")])
    script = by_agent(
        supervisor=lines(both, "Both are done."),
        researcher=[Reply(secret("researcher"), hold=first)],
        analyst=[Reply(secret("analyst"), hold=second)],
    )
    stage.play(script)
    say = chat.streamed if streaming else chat.text
    with meanwhile(lambda: say("Research and analyse")) as (answer,):
        stage.wait_requests(3)
        assert (stage.open, sorted(stage.agents[1:])) == (2, ["analyst", "researcher"])
        second.release()  # who was called last has finished first: the supervisor reads them in the order of its calls
        first.release()
        assert answer.result() == "Both are done."
    assert stage.max_open == 2
    assert [content for role, content in stage.prompt if role == "tool"] == [secret("researcher"), secret("analyst")]


def test_one_agent_may_have_several_tasks_at_once(chat: Chat, stage: Stage) -> None:
    holds = [stage.hold() for _ in range(3)]
    tasks = ["north", "south", "east"]
    supervisor = lines(Reply(calls=[transfer("researcher", task) for task in tasks]), "Done.")
    stage.play(by_agent(supervisor=supervisor, researcher=[Reply("Found.", hold=hold) for hold in holds]))
    with meanwhile(lambda: chat.say("Look everywhere")) as (answer,):
        stage.wait_requests(4)
        assert stage.open == 3
        for hold in holds:
            hold.release()
        assert answer.result().metadata["agents_used"] == ["researcher"]
    asked = [str(spoken(request.body)[0][1]) for request in stage.requests if request.agent == "researcher"]
    assert sorted(task for task in tasks for text in asked if text.endswith(task)) == sorted(tasks)


@pytest.mark.parametrize("streaming", [False, True])
def test_the_final_writer_has_the_last_word(chat: Chat, stage: Stage, streaming: bool) -> None:
    supervisor = lines(Reply(calls=[transfer("researcher")]), Reply(calls=[transfer("writer", "Write.", final=True)]))
    stage.play(by_agent(supervisor=supervisor, researcher=[secret("researcher")], writer=["The text, as it stands."]))
    say = chat.streamed if streaming else chat.text
    assert say("Write about tea") == "The text, as it stands."
    assert stage.agents == ["supervisor", "researcher", "supervisor", "writer"]


def test_a_final_writer_beside_others_is_not_final(chat: Chat, stage: Stage) -> None:
    both = Reply(calls=[transfer("writer", "Write.", final=True), transfer("analyst")])
    stage.play(by_agent(supervisor=lines(both, "The supervisor's answer."), writer=["A draft."], analyst=["Numbers."]))
    assert chat.text("Write and analyse") == "The supervisor's answer."


def test_words_before_a_call_are_shown_as_a_paragraph(chat: Chat, stage: Stage) -> None:
    def script() -> Any:
        supervisor = lines(Reply("I will ask.", calls=[transfer("researcher")]), "Here it is.")
        return by_agent(supervisor=supervisor, researcher=[secret("researcher")])

    stage.play(script())
    assert chat.text("Find it") == "I will ask.\n\nHere it is."
    stage.play(script())
    assert chat.streamed("Find it") == "I will ask.\n\nHere it is."


def test_a_json_answer_is_pure_json(chat: Chat, stage: Stage) -> None:
    supervisor = lines(Reply("I will ask.", calls=[transfer("researcher")]), '{"ok": true}')
    stage.play(by_agent(supervisor=supervisor, researcher=["Found."]))
    assert chat.streamed("Find it", response_format={"type": "json_object"}) == '{"ok": true}'
    assert stage.requests[0].body["response_format"] == {"type": "json_object"}


def test_an_agent_alone(chat: Chat, stage: Stage) -> None:
    stage.play("Tea is a drink.")
    response = chat.say("What is tea?", model="cortex-flow-researcher")
    assert response.choices[0].message.content == "Tea is a drink."
    assert response.model == "cortex-flow-researcher"
    assert response.metadata["agents_used"] == ["researcher"]
    assert stage.agents == ["researcher"]
    assert {tool["function"]["name"] for tool in stage.requests[0].body["tools"]} == {"search"}


def test_the_team_on_a_model_that_the_request_names(chat: Chat, stage: Stage) -> None:
    for name in ("openai:special", "openai/special"):
        stage.play("Special.")
        response = chat.say("Hi", model=name)
        assert (response.model, response.choices[0].message.content) == (name, "Special.")
        assert stage.requests[0].body["model"] == "special"


def test_sampling_reaches_the_calls_that_make_the_answer(chat: Chat, stage: Stage) -> None:
    stage.play(by_agent(supervisor=[Reply(calls=[transfer("researcher")]), "Done."], researcher=["Found."]))
    chat.say("Go", temperature=0.3, top_p=0.9, presence_penalty=0.5, frequency_penalty=-0.5, seed=7, user="u1")
    asked = {"temperature": 0.3, "top_p": 0.9, "presence_penalty": 0.5, "frequency_penalty": -0.5, "seed": 7}
    supervisor, researcher, last = [request.body for request in stage.requests]
    assert supervisor.items() >= {**asked, "user": "u1"}.items()
    assert last.items() >= asked.items()
    assert "temperature" not in researcher


@pytest.mark.parametrize("streaming", [False, True])
def test_stop_and_max_tokens_hold_on_the_answer(chat: Chat, stage: Stage, streaming: bool) -> None:
    say = chat.streamed if streaming else chat.text
    stage.play("one two three END four five")
    assert say("Count", stop=["END"]) == "one two three "
    stage.play("one two three four five six")
    assert say("Count", max_tokens=3) == "one two three"


def test_a_cut_answer_says_why(chat: Chat, stage: Stage) -> None:
    stage.play("one two three four five six")
    response = chat.say("Count", max_tokens=3)
    assert response.choices[0].finish_reason == "length"
    assert response.usage.completion_tokens == 3
    *_, last = chat.stream("Count", max_tokens=3)
    assert last.choices[0].finish_reason == "length"


def test_a_cut_closes_the_upstream(chat: Chat, stage: Stage) -> None:
    stage.play(Reply("one two STOP three", hold=stage.hold(), chunks=["one two STOP", " three"]))
    assert chat.streamed("Count", stop="STOP") == "one two "
    stage.wait_closed(1)


def test_usage_can_be_checked_with_tiktoken(chat: Chat, stage: Stage) -> None:
    stage.play(by_agent(supervisor=[Reply(calls=[transfer("analyst")]), "Äpfel & 梨: 2 €."], analyst=["x " * 200]))
    messages = [
        {"role": "system", "content": "Be brief. <|endoftext|>"},
        {"role": "user", "content": "Wie viel? 多少?", "name": "Zoë"},
        {"role": "assistant", "content": [{"type": "text", "text": "Wovon?"}]},
        {"role": "user", "content": [{"type": "text", "text": "Obst"}]},
    ]
    usage = chat.say(*messages).usage
    counted = open_tokenizer("gpt-4")
    sent = [
        Message("system", "Be brief. <|endoftext|>"),
        Message("user", "Wie viel? 多少?", name="Zoë"),
        Message("assistant", "Wovon?"),
        Message("user", "Obst"),
    ]
    assert usage.prompt_tokens == counted.count_messages(sent)
    assert usage.completion_tokens == counted.count("Äpfel & 梨: 2 €.")
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert usage.agents_used == ["analyst"]


def test_all_model_calls_are_added_up(chat: Chat, stage: Stage) -> None:
    cost = {"prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 107}
    supervisor = lines(Reply(calls=[transfer("researcher")], usage=cost), Reply("Done.", usage=cost))
    stage.play(by_agent(supervisor=supervisor, researcher=[Reply("Found.", usage=cost)]))
    metadata = chat.say("Go").metadata
    assert metadata["usage_total"] == {"prompt_tokens": 300, "completion_tokens": 21, "total_tokens": 321}
    assert metadata["usage_by_agent"]["supervisor"]["total_tokens"] == 214
    assert metadata["usage_by_agent"]["researcher"] == cost


def test_many_users_at_once_get_their_own_answers(chat: Chat, stage: Stage) -> None:
    def script(body: dict[str, Any]) -> Reply:
        role, text = spoken(body)[-1]
        if role == "user" and text.startswith("Question"):
            return Reply(calls=[transfer("researcher", text)])
        return Reply(f"Found: {text.rpartition('Question ')[2]}" if role == "user" else f"Answer, {text}")

    stage.play(script)
    with meanwhile(*(lambda n=n: chat.text(f"Question {n}") for n in range(12))) as answers:
        assert [answer.result() for answer in answers] == [f"Answer, Found: {n}" for n in range(12)]


def test_the_limit_of_iterations_ends_in_an_answer(chat: Chat, stage: Stage) -> None:
    def script(body: dict[str, Any]) -> Reply:
        if body.get("tools") and stage.agents[-1] == "supervisor":
            return Reply(calls=[transfer("analyst", "Again.")])
        return Reply("Enough." if stage.agents[-1] == "supervisor" else "A finding.")

    stage.play(script)
    response = chat.say("Never end")
    assert response.choices[0].message.content == "Enough."
    assert response.metadata["iterations"] == 8
    assert stage.agents.count("analyst") == 7


def test_a_team_that_has_nothing_to_say_is_asked_again(chat: Chat, stage: Stage) -> None:
    stage.play(in_order(Reply(""), "Now I know."))
    assert chat.text("Well?") == "Now I know."


def _leading(route: list[str]) -> list[Reply | str]:
    return [*(Reply(calls=[transfer(agent, f"The {agent}'s part")]) for agent in route), "Everything is done."]
