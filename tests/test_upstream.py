"""The scripted upstream itself, mostly through the official client."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from agents import RESEARCHER, SUPERVISOR, TEAM
from agents.supervisor import transfers
from tests.upstream import Reply, Script, Upstream, agent_of, by_agent, profile, transfer

ROOT = Path(__file__).parents[1]
PROMPT: Any = [{"role": "user", "content": "Hi"}]
TRANSFERS: Any = [
    {"type": "function", "function": {"name": tool.name, "parameters": tool.parameters}} for tool in transfers(TEAM)
]


@asynccontextmanager
async def client_of(script: Script | Reply | str) -> AsyncIterator[tuple[AsyncOpenAI, Upstream]]:
    async with (
        Upstream(script) as upstream,
        AsyncOpenAI(base_url=upstream.url, api_key="k", max_retries=0) as client,
    ):
        yield client, upstream


async def test_a_plain_answer() -> None:
    async with client_of(Reply("one two", reasoning="Hm.")) as (client, upstream):
        completion = await client.chat.completions.create(model="m", messages=PROMPT)
    assert completion.choices[0].message.content == "one two"
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage is not None
    assert completion.usage.total_tokens == 12
    (request,) = upstream.requests
    assert request.body == {"model": "m", "messages": PROMPT}
    assert request.headers["Authorization"] == "Bearer k"
    assert (upstream.open, upstream.max_open, upstream.closed_early) == (0, 1, 0)


@pytest.mark.parametrize("include_usage", [True, False])
async def test_a_streamed_answer(include_usage: bool) -> None:
    async with client_of(Reply("one two three")) as (client, _):
        stream = await client.chat.completions.create(
            model="m", messages=PROMPT, stream=True, stream_options={"include_usage": include_usage}
        )
        chunks = [chunk async for chunk in stream]
    assert [c.choices[0].delta.content for c in chunks if c.choices and c.choices[0].delta.content] == [
        "one",
        " two",
        " three",
    ]
    assert [chunk.usage is not None for chunk in chunks][-1] is include_usage


@pytest.mark.parametrize("stream", [True, False])
async def test_calls(stream: bool) -> None:
    async with client_of(Reply(calls=[("find", {"q": "a"}), ("find", "{oops")])) as (client, _):
        if stream:
            async with client.chat.completions.stream(model="m", messages=PROMPT) as events:
                completion: Any = await events.get_final_completion()
        else:
            completion = await client.chat.completions.create(model="m", messages=PROMPT)
    calls = completion.choices[0].message.tool_calls
    assert [call.function.arguments for call in calls] == ['{"q":"a"}', "{oops"]
    assert completion.choices[0].finish_reason == "tool_calls"


async def test_the_text_as_it_is_to_be_split() -> None:
    assert Reply("abcdef", chunks=2).pieces() == ["abc", "def"]
    assert Reply(chunks=["a", "b"]).pieces() == ["a", "b"]
    assert Reply("a  b").pieces() == ["a", " ", " b"]
    assert Reply().pieces() == []


async def test_a_refusal() -> None:
    async with client_of(Reply(status=429, error="slow", headers={"Retry-After": "3"})) as (client, _):
        with pytest.raises(openai.RateLimitError, match="slow") as raised:
            await client.chat.completions.create(model="m", messages=PROMPT)
    assert raised.value.response.headers["Retry-After"] == "3"


async def test_holding_and_leaving() -> None:
    async with client_of(Reply("one two", hold=asyncio.Event())) as (client, upstream):
        stream = await client.chat.completions.create(model="m", messages=PROMPT, stream=True)
        async for chunk in stream:
            if chunk.choices[0].delta.content == "one":
                break
        assert upstream.open == 1
        await stream.close()
        await upstream.wait_closed(1)
        await upstream.wait_idle()


async def test_an_error_in_the_stream() -> None:
    async with client_of(Reply("one", error="broken")) as (client, _):
        stream = await client.chat.completions.create(model="m", messages=PROMPT, stream=True)
        with pytest.raises(openai.APIError, match="broken"):
            [chunk async for chunk in stream]


async def test_an_unknown_route() -> None:
    async with client_of("Hello.") as (client, _):
        with pytest.raises(openai.NotFoundError, match="/v1/models"):
            await client.models.list()


async def test_a_team_plays_by_agent() -> None:
    script = by_agent(supervisor=[Reply(calls=[transfer("researcher", "Look.")]), "Done."], researcher=["Found."])
    async with client_of(script) as (client, upstream):
        say: Any = client.chat.completions.create
        first = await say(model="m", messages=PROMPT, tools=TRANSFERS)
        researcher = [{"role": "system", "content": RESEARCHER.instructions}, *PROMPT]
        second = await say(model="m", messages=researcher)
        last = await say(model="m", messages=[{"role": "system", "content": SUPERVISOR.instructions}, *PROMPT])
        with pytest.raises(openai.BadRequestError, match="at its end"):
            await say(model="m", messages=researcher)
        with pytest.raises(openai.BadRequestError, match="no stranger"):
            await say(model="m", messages=PROMPT)
    assert first.choices[0].message.tool_calls[0].function.arguments == '{"task":"Look."}'
    assert (second.choices[0].message.content, last.choices[0].message.content) == ("Found.", "Done.")
    assert [request.agent for request in upstream.requests[:3]] == ["supervisor", "researcher", "supervisor"]


def test_each_agent_is_recognised_by_its_prompt() -> None:
    for agent in (SUPERVISOR, *TEAM):
        assert agent_of({"messages": [{"role": "system", "content": agent.instructions}]}) == agent.name


def test_a_run_of_the_team_is_told_by_its_prompt_alone() -> None:
    script = profile("team", 0.0, 0.0)
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Hi"}]
    for agent in ("researcher", "analyst", "writer"):
        reply: Any = script({"messages": messages, "tools": TRANSFERS})
        assert f"transfer_to_{agent}".encode() in reply.whole("m")
        messages.append({"role": "tool", "content": "ok"})
    answer: Any = script({"messages": messages, "tools": TRANSFERS})
    assert b'"content":" word0 word1' in answer.whole("m")
    assert len(answer.pieces()) == 64


async def test_beside_a_benchmark() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.upstream", "--profile", "stream200"), stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    try:
        assert process.stdout is not None
        url = (await process.stdout.readline()).decode().strip()
        async with AsyncOpenAI(base_url=url, api_key="k", max_retries=0) as client:
            completion = await client.chat.completions.create(model="m", messages=PROMPT)
        assert completion.usage is not None
        assert completion.usage.completion_tokens == 200
    finally:
        process.terminate()
        await process.wait()


async def test_a_script_that_fails_says_so() -> None:
    def script(body: dict[str, Any]) -> Reply:
        raise ValueError("oops")

    async with client_of(script) as (client, _):
        with pytest.raises(openai.BadRequestError, match="oops"):
            await client.chat.completions.create(model="m", messages=PROMPT)
