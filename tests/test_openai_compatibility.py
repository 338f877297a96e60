"""The samples of the OpenAI compatibility guide, as users copy them: `pytest tests/test_openai_compatibility.py -v`.

Each runs twice against the real server over HTTP: with the offline model, and with the team on a scripted upstream. Where
a sample of the guide can't work on today's official client, the comment says what to write instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import openai
import pytest
from langchain_openai import ChatOpenAI
from openai import OpenAI

from agents.models.port import Message
from graph.tokens import open_tokenizer
from tests.journeys import scripts
from tests.journeys.server import Server
from tests.journeys.stage import Stage

pytest_plugins = ["tests.journeys.fixtures"]

pytestmark = pytest.mark.xdist_group("journeys-talk")


@pytest.fixture(params=["offline", "scripted"])
def server(request: pytest.FixtureRequest, stage: Stage) -> Server:
    stage.play(scripts.team)
    chosen: Server = request.getfixturevalue(request.param)
    return chosen


@pytest.fixture
def base_url(server: Server) -> str:
    """`http://localhost:8001/v1` in the guide."""
    return f"{server.url}/v1"


@pytest.fixture
def client(server: Server) -> Any:
    return server.client(api_key="dummy")


def test_use_with_the_openai_python_sdk(client: OpenAI) -> None:
    response = client.chat.completions.create(
        model="cortex-flow",
        messages=[
            {"role": "system", "content": "You are a helpful assistant"},
            {"role": "user", "content": "Research the latest AI agent frameworks"},
        ],
    )
    assert response.choices[0].message.content
    assert "【1†" in response.choices[0].message.content


def test_use_with_streaming(client: OpenAI, capsys: pytest.CaptureFixture[str]) -> None:
    stream = client.chat.completions.create(
        model="cortex-flow", messages=[{"role": "user", "content": "Create a report on AI trends"}], stream=True
    )
    for chunk in stream:
        if chunk.choices[0].delta.content:
            print(chunk.choices[0].delta.content, end="")
    assert capsys.readouterr().out.startswith("# ")


def test_a_short_story(client: OpenAI) -> None:
    stream = client.chat.completions.create(
        model="cortex-flow", messages=[{"role": "user", "content": "Write a short story"}], stream=True
    )
    pieces = [chunk.choices[0].delta.content for chunk in stream if chunk.choices[0].delta.content]
    assert "".join(pieces).strip()


def test_list_models(client: OpenAI) -> None:
    models = client.models.list()
    assert [model.id for model in models.data] == [
        "cortex-flow",
        "cortex-flow-supervisor",
        "cortex-flow-researcher",
        "cortex-flow-analyst",
        "cortex-flow-writer",
    ]
    assert {(model.object, model.owned_by) for model in models} == {("model", "cortex-flow")}
    assert client.models.retrieve("cortex-flow").created == models.data[0].created


def test_the_whole_response(client: OpenAI) -> None:
    response: Any = client.chat.completions.create(
        model="cortex-flow",
        messages=[
            {"role": "system", "content": "You are a helpful assistant"},
            {"role": "user", "content": "What are AI agents?"},
        ],
        temperature=0.7,
        max_tokens=2000,
        stream=False,
        extra_body={"conversation_id": "optional-conv-id"},
    )
    assert re.fullmatch(r"chatcmpl-\w+", response.id)
    assert (response.object, response.model) == ("chat.completion", "cortex-flow")
    assert isinstance(response.created, int)
    (choice,) = response.choices
    assert (choice.index, choice.finish_reason, choice.message.role) == (0, "stop", "assistant")
    assert response.usage.total_tokens == response.usage.prompt_tokens + response.usage.completion_tokens
    assert response.conversation_id == "optional-conv-id"
    assert set(response.metadata) >= {"execution_time_seconds", "agents_used", "iterations"}


def test_maintaining_context_by_sending_the_history(client: OpenAI, new_id: Callable[[], str]) -> None:
    conversation_id = new_id()
    # `conversation_id=...` is an unknown keyword of every official client: it travels in `extra_body`.
    response1 = client.chat.completions.create(
        model="cortex-flow",
        messages=[{"role": "user", "content": "My name is Alice"}],
        extra_body={"conversation_id": conversation_id},
    )
    response2 = client.chat.completions.create(
        model="cortex-flow",
        messages=[
            {"role": "user", "content": "My name is Alice"},
            {"role": "assistant", "content": response1.choices[0].message.content},
            {"role": "user", "content": "What is my name?"},
        ],
        extra_body={"conversation_id": conversation_id},
    )
    assert response2.choices[0].message.content == "Your name is Alice."


def test_maintaining_context_by_sending_the_new_turn(client: OpenAI, new_id: Callable[[], str]) -> None:
    same = {"conversation_id": new_id()}
    client.chat.completions.create(
        model="cortex-flow", messages=[{"role": "user", "content": "My name is Alice"}], extra_body=same
    )
    response = client.chat.completions.create(
        model="cortex-flow", messages=[{"role": "user", "content": "What is my name?"}], extra_body=same
    )
    assert response.choices[0].message.content == "Your name is Alice."


def test_auto_generated_conversation_ids(client: OpenAI) -> None:
    def hello() -> Any:
        return client.chat.completions.create(model="cortex-flow", messages=[{"role": "user", "content": "Hello"}])

    first, second = hello(), hello()
    assert re.fullmatch(r"conv_[0-9A-Za-z]{24}", first.conversation_id)
    assert first.conversation_id != second.conversation_id


def test_raw_sse_format(server: Server) -> None:
    body = {"model": "cortex-flow", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
    answer = server.wire().ask(json=body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-cache"
    frames = answer.body.decode().split("\n\n")
    assert frames.pop() == ""
    assert all(frame.startswith("data: ") and "\n" not in frame for frame in frames)
    *chunks, done = answer.events
    assert done == "[DONE]"
    first, *middle, last = [chunk["choices"][0] for chunk in chunks]
    assert (first["delta"], first["finish_reason"]) == ({"role": "assistant"}, None)
    assert all(set(choice["delta"]) == {"content"} and choice["finish_reason"] is None for choice in middle)
    assert (last["delta"], last["finish_reason"]) == ({}, "stop")
    assert len({(chunk["id"], chunk["created"], chunk["model"], chunk["object"]) for chunk in chunks}) == 1
    assert chunks[0]["object"] == "chat.completion.chunk"


def test_every_supported_parameter(client: OpenAI) -> None:
    response = client.chat.completions.create(
        model="cortex-flow",
        messages=[{"role": "user", "content": "Hello"}],
        temperature=0.7,
        max_tokens=100,
        stream=False,
        top_p=1.0,
        n=1,
        stop=["###"],
        presence_penalty=0.0,
        frequency_penalty=0.0,
        user="user_123",
        extra_body={"conversation_id": None},
    )
    assert response.choices[0].finish_reason == "stop"
    assert response.choices[0].message.content


def test_langchain_integration(base_url: str) -> None:
    # The guide's `langchain.chat_models.ChatOpenAI` lives in the package langchain-openai today.
    llm: Any = ChatOpenAI
    llm = llm(model="cortex-flow", openai_api_base=base_url, openai_api_key="dummy")
    response = llm.invoke("Tell me about AI agents")
    assert response.content
    assert response.response_metadata["finish_reason"] == "stop"


class CortexChatbot:
    """The guide's own chatbot; only `extra_body` is new."""

    def __init__(self, base_url: str) -> None:
        self.client = OpenAI(base_url=base_url, api_key="dummy")
        self.conversation_id = None

    def chat(self, user_message: str) -> str:
        """Send message and get response."""
        response: Any = self.client.chat.completions.create(
            model="cortex-flow",
            messages=[{"role": "user", "content": user_message}],
            extra_body={"conversation_id": self.conversation_id},
        )
        # Store conversation ID for next message
        self.conversation_id = response.conversation_id
        return str(response.choices[0].message.content)


def test_custom_chatbot_example(base_url: str) -> None:
    bot = CortexChatbot(base_url)
    with bot.client:
        findings = bot.chat("Research AI agents")
        named = bot.conversation_id
        summary = bot.chat("Summarize the key findings")  # Maintains context
    assert "agents" in findings
    assert "agents" in summary
    assert bot.conversation_id == named


def test_token_counting(client: OpenAI) -> None:
    messages: Any = [{"role": "user", "content": "Hello"}]
    response = client.chat.completions.create(model="cortex-flow", messages=messages)
    tiktoken = open_tokenizer("gpt-4")
    assert response.usage
    assert response.usage.prompt_tokens == tiktoken.count_messages([Message("user", "Hello")]) == 8
    assert response.usage.completion_tokens == tiktoken.count(response.choices[0].message.content or "")
    assert response.usage.total_tokens == response.usage.prompt_tokens + response.usage.completion_tokens


def test_error_handling(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as raised:
        client.chat.completions.create(model="invalid-model", messages=[{"role": "user", "content": "Hello"}])
    assert raised.value.body == {
        "message": "The model 'invalid-model' does not exist here.",
        "type": "invalid_request_error",
        "param": "model",
        "code": "model_not_found",
    }
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="cortex-flow", messages=[])
    assert (refused.value.type, refused.value.param) == ("invalid_request_error", "messages")


def test_multi_agent_transparency(client: OpenAI) -> None:
    response: Any = client.chat.completions.create(
        model="cortex-flow", messages=[{"role": "user", "content": "Research and analyze AI trends"}]
    )
    assert response.metadata["agents_used"] == ["researcher", "analyst"]
    assert response.metadata["iterations"] == 3
    assert response.metadata["execution_time_seconds"] >= 0
