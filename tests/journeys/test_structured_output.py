"""Answers in JSON, and refusals, as the helpers of the official client and of LangChain read them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_openai import ChatOpenAI
from openai import BadRequestError
from pydantic import BaseModel

from tests.journeys.chats import Chat, user
from tests.journeys.server import Server
from tests.journeys.stage import Stage
from tests.upstream import Reply, by_agent, in_order, transfer

pytestmark = [
    pytest.mark.xdist_group("journeys-talk"),
    # The client's types say that `metadata` holds strings alone; ours holds what the guide promises.
    pytest.mark.filterwarnings("ignore:Pydantic serializer warnings"),
]

NewId = Callable[[], str]
GOOD = '{"city": "Rome", "degrees": 21}'


class Weather(BaseModel):
    """The weather of a city."""

    city: str
    degrees: int


WEATHER = Weather(city="Rome", degrees=21)


@pytest.fixture
def chat(scripted: Server) -> Chat:
    return Chat(scripted)


def parse(chat: Chat, *messages: Any, **fields: Any) -> Any:
    said = messages or (user("Weather in Rome?"),)
    return chat.client.chat.completions.parse(
        model="cortex-flow", messages=list(said), response_format=Weather, **fields
    ).choices[0]


def final(chat: Chat) -> tuple[list[str], Any]:
    """What a stream tells, and what stands at its end."""
    asked: Any = [user("Weather in Rome?")]
    with chat.client.chat.completions.stream(model="cortex-flow", messages=asked, response_format=Weather) as stream:
        kinds = [*dict.fromkeys(str(event.type) for event in stream if event.type != "chunk")]
        return kinds, stream.get_final_completion().choices[0]


@pytest.mark.parametrize("said", [[GOOD], [f"```json\n{GOOD}\n```"], ["It is warm.", GOOD]])
def test_parse(chat: Chat, stage: Stage, said: list[str]) -> None:
    stage.play(in_order(*said))
    choice = parse(chat)
    assert (choice.message.parsed, choice.message.refusal, choice.finish_reason) == (WEATHER, None, "stop")
    sent = stage.requests[0].body["response_format"]
    assert sent["json_schema"]["schema"]["properties"]["degrees"] == {"title": "Degrees", "type": "integer"}
    assert sent["json_schema"]["strict"] is True


def test_parse_what_can_not_be_brought_into_form(chat: Chat, stage: Stage) -> None:
    stage.play(in_order("It is warm.", '{"city": "Rome"}'))
    choice = parse(chat)
    assert (choice.message.parsed, choice.message.content, choice.finish_reason) == (None, None, "stop")
    assert "degrees" in choice.message.refusal


def test_parse_a_refusal(chat: Chat, stage: Stage) -> None:
    stage.play(Reply(refuses="I won't say."))
    choice = parse(chat)
    assert (choice.message.parsed, choice.message.content, choice.message.refusal) == (None, None, "I won't say.")


def test_stream(chat: Chat, stage: Stage) -> None:
    stage.play(in_order("It is warm.", GOOD))
    kinds, choice = final(chat)
    assert kinds == ["content.delta", "content.done"]
    assert (choice.message.parsed, choice.message.content) == (WEATHER, GOOD)


def test_stream_a_refusal(chat: Chat, stage: Stage) -> None:
    stage.play(Reply(refuses="I won't say."))
    kinds, choice = final(chat)
    assert kinds == ["refusal.delta", "refusal.done"]
    assert (choice.message.parsed, choice.message.content, choice.message.refusal) == (None, None, "I won't say.")


def test_a_refusal_without_a_format_is_streamed_as_it_comes(chat: Chat, stage: Stage) -> None:
    stage.play(Reply(refuses="I won't say."))
    deltas = [chunk.choices[0].delta for chunk in chat.stream("Tell me.")]
    assert "".join(delta.refusal for delta in deltas if delta.refusal) == "I won't say."
    assert not any(delta.content for delta in deltas)


def test_a_refusal_in_a_history_that_is_resent(chat: Chat, stage: Stage, new_id: NewId) -> None:
    stage.play(Reply(refuses="I won't say."))
    id = new_id()
    refused = chat.say("Tell me.", id=id).choices[0].message.model_dump(exclude_none=True)
    assert refused == {"role": "assistant", "refusal": "I won't say."}
    stage.play("Well.")
    chat.say(user("Tell me."), {**refused, "content": None}, "Please.", id=id)
    expected = [("user", "Tell me."), ("assistant", "I won't say."), ("user", "Please.")]
    assert stage.prompt == expected
    chat.say("Again.", id=id)
    assert stage.prompt == [*expected, ("assistant", "Well."), ("user", "Again.")]


def test_a_refusal_as_a_part_of_a_message(chat: Chat, stage: Stage, new_id: NewId) -> None:
    stage.play(Reply(refuses="I won't say."))
    id = new_id()
    chat.say("Tell me.", id=id)
    part = {"role": "assistant", "content": [{"type": "refusal", "refusal": "I won't say."}]}
    chat.say(user("Tell me."), part, "Please.", id=id)
    chat.say("Again.", id=id)
    assert [role for role, _ in stage.prompt] == ["user", "assistant", "user", "assistant", "user"]


def test_the_writer_and_the_supervisor_are_told_of_the_format(chat: Chat, stage: Stage) -> None:
    stage.play(by_agent(supervisor=[Reply(calls=[transfer("writer", "Write it.", final=True)])], writer=["Hm.", GOOD]))
    assert parse(chat).message.parsed == WEATHER
    assert all("response_format" in request.body for request in stage.requests)


def test_a_schema_that_is_of_no_use(chat: Chat, stage: Stage) -> None:
    stage.play(GOOD)
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "objekt"}}}
    for stream in (False, True):
        with pytest.raises(BadRequestError, match="objekt") as raised:
            chat.say("Hi", response_format=wanted, stream=stream)
        assert raised.value.param == "response_format.json_schema.schema"
    assert stage.requests == []


def test_the_offline_model_follows_a_schema(offline: Server) -> None:
    choice = parse(Chat(offline), user("What is the weather in Rome, is it 21 degrees?"))
    assert isinstance(choice.message.parsed, Weather)


class TestLangChain:
    @pytest.fixture
    def llm(self, scripted: Server) -> Any:
        model: Any = ChatOpenAI  # its fields have aliases, which type checkers don't see
        return model(model="cortex-flow", base_url=f"{scripted.url}/v1", api_key="dummy", max_retries=0)

    def test_json_schema(self, llm: Any, stage: Stage) -> None:
        stage.play(in_order("It is warm.", GOOD))
        assert llm.with_structured_output(Weather, method="json_schema").invoke("Rome?") == WEATHER

    def test_json_schema_streamed(self, llm: Any, stage: Stage) -> None:
        stage.play(GOOD)
        assert list(llm.with_structured_output(Weather, method="json_schema").stream("Rome?"))[-1] == WEATHER

    def test_json_mode(self, llm: Any, stage: Stage) -> None:
        stage.play(f"```json\n{GOOD}\n```")
        assert llm.with_structured_output(Weather, method="json_mode").invoke("Rome, as JSON?") == WEATHER

    def test_function_calling(self, llm: Any, stage: Stage) -> None:
        stage.play(Reply(calls=[("Weather", {"city": "Rome", "degrees": 21})]))
        assert llm.with_structured_output(Weather, method="function_calling").invoke("Rome?") == WEATHER

    def test_a_refusal(self, llm: Any, stage: Stage) -> None:
        stage.play(Reply(refuses="I won't say."))
        asked = llm.with_structured_output(Weather, method="json_schema", include_raw=True).invoke("Rome?")
        assert asked["parsed"] is None
        assert asked["raw"].additional_kwargs["refusal"] == "I won't say."
        stage.play("Well.")
        llm.invoke([HumanMessage("Rome?"), AIMessage("", **asked["raw"].model_dump(include={"additional_kwargs"}))])
