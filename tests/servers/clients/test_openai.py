"""OpenAI's client with the server's own argument."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel

from servers.clients import AsyncCortexFlow, CortexFlow
from tests.servers.embedded import made, thinking_with, user
from tests.upstream import Upstream


class Weather(BaseModel):
    city: str


def guide(base_url: str) -> tuple[Any, Any]:
    """The sample of the guide, word for word but for the client's class."""
    with CortexFlow(base_url=base_url, api_key="dummy") as client:
        # First message
        response1 = client.chat.completions.create(
            model="cortex-flow",
            messages=[{"role": "user", "content": "My name is Alice"}],
            conversation_id="user_123_conv_1",  # Custom conversation ID
        )

        # Follow-up message (same conversation)
        response2 = client.chat.completions.create(
            model="cortex-flow",
            messages=[
                {"role": "user", "content": "My name is Alice"},
                {"role": "assistant", "content": response1.choices[0].message.content},
                {"role": "user", "content": "What is my name?"},
            ],
            conversation_id="user_123_conv_1",  # Same ID
        )
        return response1, response2


class CortexChatbot:
    """The guide's too."""

    def __init__(self, client: CortexFlow) -> None:
        self.client = client
        self.conversation_id: str | None = None

    def chat(self, user_message: str) -> str:
        messages = [{"role": "user", "content": user_message}]
        response = self.client.chat.completions.create(
            model="cortex-flow", messages=messages, conversation_id=self.conversation_id
        )
        self.conversation_id = response.conversation_id
        return str(response.choices[0].message.content)


def talk(base_url: str) -> tuple[CortexChatbot, str]:
    with CortexFlow(base_url=base_url, api_key="dummy") as client:
        bot = CortexChatbot(client)
        bot.chat("My name is Alice.")
        return bot, bot.chat("What is my name?")


def streamed(base_url: str) -> list[Any]:
    with CortexFlow(base_url=base_url, api_key="dummy") as client:
        return list(
            client.chat.completions.create(
                model="cortex-flow", messages=[user("Hello!")], stream=True, conversation_id="my chat/7"
            )
        )


def raw(base_url: str) -> Any:
    with CortexFlow(base_url=base_url, api_key="dummy").with_options(max_retries=0) as client:
        completions: Any = client.chat.completions.with_raw_response
        return completions.create(
            model="cortex-flow",
            messages=[user("Hello!")],
            conversation_id="c",
            extra_body={"history": "full"},
        )


async def test_the_guides_sample() -> None:
    async with made() as server:
        first, second = await asyncio.to_thread(guide, server.get_base_url())
    assert first.conversation_id == second.conversation_id == "user_123_conv_1"
    assert "Alice" in second.choices[0].message.content
    assert second.metadata["agents_used"] == []


async def test_the_guides_chatbot() -> None:
    async with made() as server:
        bot, answer = await asyncio.to_thread(talk, server.get_base_url())
    assert bot.conversation_id is not None
    assert "Alice" in answer


async def test_streams_and_raw_answers() -> None:
    async with made() as server:
        chunks = await asyncio.to_thread(streamed, server.get_base_url())
        whole = await asyncio.to_thread(raw, server.get_base_url())
    assert {chunk.conversation_id for chunk in chunks} == {"my chat/7"}
    assert chunks[-1].metadata["iterations"] == 1
    assert whole.headers["x-conversation-id"] == "c"
    assert whole.parse().choices[0].message.content


# The client's types say that `metadata` holds strings alone.
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
async def test_the_asynchronous_one() -> None:
    asked: dict[str, Any] = {"model": "cortex-flow", "messages": [user("Where?")], "conversation_id": "c"}
    async with (
        Upstream('{"city": "Rome"}') as upstream,
        made(**thinking_with(upstream)) as server,
        AsyncCortexFlow(base_url=server.get_base_url(), api_key="dummy") as client,
    ):
        created = await client.chat.completions.create(**asked)
        parsed = await client.chat.completions.parse(**asked, response_format=Weather)
        async with client.chat.completions.stream(**asked, response_format=Weather) as stream:
            final = await stream.get_final_completion()
    assert created.conversation_id == parsed.conversation_id == final.conversation_id == "c"
    assert parsed.choices[0].message.parsed == final.choices[0].message.parsed == Weather(city="Rome")
