"""LangChain's `ChatOpenAI` on the server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_openai import ChatOpenAI

from graph.tokens import open_tokenizer
from tests.journeys.server import Server
from tests.journeys.stage import Stage, spoken
from tests.upstream import Body, Reply, by_agent, in_order, transfer

pytestmark = pytest.mark.xdist_group("journeys-talk")


@pytest.fixture
def llm(scripted: Server) -> Any:
    model: Any = ChatOpenAI  # its fields have aliases, which type checkers don't see
    return model(model="cortex-flow", base_url=f"{scripted.url}/v1", api_key="dummy", max_retries=0, stream_usage=True)


def test_invoke(llm: Any, stage: Stage) -> None:
    stage.play(by_agent(supervisor=[Reply(calls=[transfer("researcher")]), "Tea."], researcher=["Found."]))
    answer = llm.invoke("What do the English drink?")
    assert answer.content == "Tea."
    assert answer.response_metadata["finish_reason"] == "stop"
    assert answer.response_metadata["model_name"] == "cortex-flow"
    assert answer.response_metadata["token_usage"]["agents_used"] == ["researcher"]
    usage = answer.usage_metadata
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert usage["output_tokens"] == open_tokenizer("gpt-4").count("Tea.")


def test_a_history(llm: Any, stage: Stage) -> None:
    stage.play("Your name is Alice.")
    history = [SystemMessage("Be kind."), HumanMessage("I am Alice."), AIMessage("Hello!"), HumanMessage("My name?")]
    assert llm.invoke(history).content == "Your name is Alice."
    assert stage.prompt == [("user", "I am Alice."), ("assistant", "Hello!"), ("user", "My name?")]
    assert "Be kind." in stage.requests[0].body["messages"][0]["content"]


def test_the_servers_memory(llm: Any, stage: Stage, new_id: Callable[[], str]) -> None:
    stage.play("Noted.")
    bound = llm.bind(extra_body={"conversation_id": new_id()})
    bound.invoke("I am Alice.")
    bound.invoke("My name?")
    assert stage.prompt == [("user", "I am Alice."), ("assistant", "Noted."), ("user", "My name?")]


def test_stream(llm: Any, stage: Stage) -> None:
    hold = stage.hold()
    stage.play(Reply(chunks=["One ", "two ", "three."], hold=hold))
    chunks = llm.stream("Count")
    whole = next(chunks)
    while not whole.content:
        whole += next(chunks)
    assert stage.open == 1
    hold.release()
    for chunk in chunks:
        whole += chunk
    assert whole.content == "One two three."
    assert whole.response_metadata["finish_reason"] == "stop"
    assert whole.usage_metadata["output_tokens"] == 4


async def test_ainvoke_and_astream(llm: Any, stage: Stage) -> None:
    stage.play("One two three.")
    assert (await llm.ainvoke("Count")).content == "One two three."
    assert "".join([chunk.content async for chunk in llm.astream("Count")]) == "One two three."
    await llm.root_async_client.close()  # LangChain keeps it, beyond the event loop it belongs to


def test_batch(llm: Any, stage: Stage) -> None:
    def script(body: Body) -> Reply:
        earlier, *_, newest = spoken(body)
        return Reply(f"{newest[1]} after {earlier[1]}")

    stage.play(script)
    talks = [[HumanMessage(f"Hi {n}"), AIMessage("Hello"), HumanMessage(f"question {n}")] for n in range(5)]
    answers = llm.batch(talks)
    assert [answer.content for answer in answers] == [f"question {n} after Hi {n}" for n in range(5)]


def test_tools(llm: Any, stage: Stage) -> None:
    def weather(city: str) -> str:
        """The weather in a city."""
        return f"sun in {city}"

    stage.play(in_order(Reply(calls=[("weather", {"city": "Rome"})]), "Sunny."))
    bound = llm.bind_tools([weather])
    asking = bound.invoke("Weather in Rome?")
    (call,) = asking.tool_calls
    assert (call["name"], call["args"]) == ("weather", {"city": "Rome"})
    output = ToolMessage(weather(**call["args"]), tool_call_id=call["id"])
    assert bound.invoke([HumanMessage("Weather in Rome?"), asking, output]).content == "Sunny."


# The client's types say that `metadata` holds strings alone; ours holds what the guide promises.
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
def test_structured_output(llm: Any, stage: Stage) -> None:
    stage.play('{"city": "Rome", "degrees": 21}')
    schema = {
        "title": "Weather",
        "description": "The weather",
        "type": "object",
        "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
        "required": ["city", "degrees"],
        "additionalProperties": False,
    }
    structured = llm.with_structured_output(schema, method="json_schema")
    assert structured.invoke("Weather in Rome?") == {"city": "Rome", "degrees": 21}
    assert stage.requests[0].body["response_format"]["type"] == "json_schema"
