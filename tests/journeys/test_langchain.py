"""LangChain's `ChatOpenAI` on the server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI

from graph.tokens import open_tokenizer
from tests.journeys.server import Server
from tests.journeys.stage import Stage, spoken
from tests.upstream import Body, Reply, by_agent, transfer

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
