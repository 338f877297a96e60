"""A fleet whose processes are killed one after the other, and whose database is killed too: nothing is lost, nothing is done twice."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest

from graph import events as ev
from graph import journal
from graph.runs import log_of
from graph.storage import Storage, open_storage
from servers.context import DEFAULT_TENANT
from tests import backends
from tests.backends.own import Database, own
from tests.journeys.crowd import Client, Told, path_of
from tests.journeys.fixtures import thinking_with
from tests.journeys.fleet import Site
from tests.journeys.server import Server
from tests.journeys.stage import Stage
from tests.replies import Call, Reply, transfer
from tests.upstream import Body, agent_of

pytestmark = [pytest.mark.xdist_group("fleet"), pytest.mark.timeout(400)]

SHARED = tuple(sorted(backends.GROUNDS.keys() & {"postgresql", "redis"}))
STREAMED, POLLED, TURNS, CHATS = 50, 50, 2, 10  # conversations, and how often each is asked
KILLS, EVERY, DEAD = 8, 2.5, 2  # how many, seconds between two, at a time
RESTART_AFTER = 1  # kills
AWAY = 1.0  # seconds
SLOW = 0.12  # seconds for each word
KINDS = ("an answer", "an agent", "two agents", "a tool")
TOOL = {"type": "function", "function": {"name": "weather"}}

_TASK = re.compile(r"task (\d+)\.")


def play(body: Body) -> Reply:
    """The team at work on a task, slowly."""
    messages = body["messages"]
    number = task_of(body)
    kind, agent = KINDS[number % len(KINDS)], agent_of(body)
    if agent != "supervisor":
        return Reply(f"{agent} found what was to be found of it", delay=SLOW)
    newest = max(at for at, message in enumerate(messages) if message["role"] == "user")
    outputs = [message["content"] for message in messages[newest:] if message["role"] == "tool"]
    if kind == "an answer" or outputs:
        return Reply(answer(number), delay=SLOW)
    calls: Mapping[str, Sequence[Call]] = {
        "an agent": [transfer("researcher", f"Do task {number}.")],
        "two agents": [transfer("researcher", f"Do task {number}."), transfer("analyst", f"Do task {number}.")],
        "a tool": [("weather", {})],
    }
    return Reply(calls=calls[kind], delay=SLOW)


def task_of(body: Body) -> int:
    return int(_TASK.findall(orjson.dumps(body["messages"]).decode())[-1])


def question(number: int) -> str:
    return f"This is task {number}."


def answer(number: int) -> str:
    return f"Answer {number}: it took some time, but here is all that was asked for"


@dataclass
class Talk:
    """A conversation: its thread, its runs in order, and what their streams have told."""

    numbers: Sequence[int]
    thread: str = ""
    runs: list[Any] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)


@pytest.mark.parametrize("scheme", SHARED)
async def test_whoever_is_killed(scheme: str, tmp_path: Path, stage: Stage) -> None:
    """200 runs, 50 of them streamed at any time, some chats beside them; three replicas and three workers, of which one is killed
    every few seconds; the database is killed in between."""
    stage.play(play)
    with own(scheme) as database, ExitStack() as stack:
        environment = {**thinking_with(stage), "BLOB_URL": str(tmp_path / "blobs"), "STORAGE_URL": database.url}
        replicas, workers = await asyncio.to_thread(fleet, Site(tmp_path, environment, stack))
        random = Random(scheme)
        async with Client(replicas, random) as client:
            away, over = asyncio.Event(), asyncio.Event()
            trouble = asyncio.create_task(make_trouble([*replicas, *workers], database, random, away, over))
            talks, chats = await everything(client, away)
            over.set()
            await trouble
            await check_threads(client, talks)
            for chat in chats:
                assert await texts(client, chat.thread) == said_of(chat.numbers)
        check_streams(talks)
        await check_journals(database.url, talks, stage)
        for process in (*replicas, *workers):
            faults = re.findall(r".*(?:Traceback| ERROR (?!servers.api storage failed)|never retrieved).*", process.log)
            assert not faults


def fleet(site: Site) -> tuple[list[Server], list[Server]]:
    """Three replicas, one of which carries no runs and one few, and three workers."""
    replicas = [site.server("--no-worker"), site.server(MAX_CONCURRENT_RUNS="20"), site.server()]
    return replicas, [site.worker(MAX_CONCURRENT_RUNS="30") for _ in range(3)]


async def make_trouble(
    processes: Sequence[Server], database: Database, random: Random, away: asyncio.Event, over: asyncio.Event
) -> None:
    """Until all is over, a process dies every few seconds, and is started again at once; so does the database, once. Where
    starting takes long, no more die than `DEAD` at a time."""
    alive, room = list(processes), asyncio.Semaphore(DEAD)

    async def replaced(process: Server) -> None:
        await asyncio.to_thread(process.start)
        alive.append(process)
        room.release()

    async with asyncio.TaskGroup() as group:
        for number in range(KILLS):
            with suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), EVERY)
            await room.acquire()
            if over.is_set():
                break
            victim = alive.pop(random.randrange(len(alive)))
            await asyncio.to_thread(victim.kill)
            group.create_task(replaced(victim))
            if number == RESTART_AFTER:
                away.set()
                group.create_task(restarted(database))


async def restarted(database: Database) -> None:
    await asyncio.to_thread(database.kill)
    await asyncio.sleep(AWAY)
    await asyncio.to_thread(database.start)


async def everything(client: Client, away: asyncio.Event) -> tuple[list[Talk], list[Talk]]:
    assistant = (await client.ask("POST", "/v1/assistants", {"model": "cortex-flow", "tools": [TOOL]}))["id"]
    numbers = iter(range(1000))
    talks = [Talk([next(numbers) for _ in range(TURNS)]) for _ in range(STREAMED + POLLED)]
    chats = [Talk([len(KINDS) * next(numbers) for _ in range(TURNS)]) for _ in range(CHATS)]
    async with asyncio.TaskGroup() as group:
        for n, talk in enumerate(talks):
            group.create_task((streamed if n < STREAMED else polled)(client, assistant, talk, away))
        for chat in chats:
            group.create_task(chatted(client, chat, away))
    return talks, chats


async def turns(talk: Talk, away: asyncio.Event) -> AsyncGenerator[int, None]:
    """What is asked, one after the other. The last is asked when the database goes away, and not before."""
    for number in talk.numbers[:-1]:
        yield number
    await away.wait()
    yield talk.numbers[-1]


async def streamed(client: Client, assistant: str, talk: Talk, away: asyncio.Event) -> None:
    async for number in turns(talk, away):
        told = Told()
        talk.told.append(told)
        await client.stream(*asked(assistant, talk, number), told)
        talk.thread = told.run["thread_id"]
        while not told.over:
            await client.stream(f"{path_of(told.run)}/submit_tool_outputs", outputs(told.run), told)
        talk.runs.append(told.run)


async def polled(client: Client, assistant: str, talk: Talk, away: asyncio.Event) -> None:
    async for number in turns(talk, away):
        run = await client.ask("POST", *asked(assistant, talk, number))
        talk.thread = run["thread_id"]
        while run["status"] in ("queued", "in_progress", "requires_action"):
            if run["status"] == "requires_action":
                await client.ask("POST", f"{path_of(run)}/submit_tool_outputs", outputs(run))
            await asyncio.sleep(0.5)
            run = await client.ask("GET", path_of(run))
        talk.runs.append(run)


async def chatted(client: Client, talk: Talk, away: asyncio.Event) -> None:
    async for number in turns(talk, away):
        said = [{"role": "user", "content": question(number)}]
        body = {"model": "cortex-flow", "messages": said, "conversation_id": f"chat {talk.numbers}"}
        told = await client.ask("POST", "/v1/chat/completions", body)
        assert told["choices"][0]["message"]["content"] == answer(number)
        talk.thread = told["metadata"]["thread_id"]


def asked(assistant: str, talk: Talk, number: int) -> tuple[str, dict[str, Any]]:
    """Where the next run of a conversation is asked for, and how."""
    said = [{"role": "user", "content": question(number)}]
    if talk.thread:
        return f"/v1/threads/{talk.thread}/runs", {"assistant_id": assistant, "additional_messages": said}
    return "/v1/threads/runs", {"assistant_id": assistant, "thread": {"messages": said}}


def outputs(run: Any) -> dict[str, Any]:
    calls = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    return {"tool_outputs": [{"tool_call_id": call["id"], "output": "sun"} for call in calls]}


async def check_threads(client: Client, talks: Sequence[Talk]) -> None:
    """Each run has ended well; of each request came one run, one question and one answer."""
    for talk in talks:
        ends = [(run["status"], run["last_error"]) for run in talk.runs]
        assert ends == [("completed", None)] * len(talk.numbers)
        listed = (await client.ask("GET", f"/v1/threads/{talk.thread}/runs?order=asc"))["data"]
        assert [(run["id"], run["status"]) for run in listed] == [(run["id"], "completed") for run in talk.runs]
        assert await texts(client, talk.thread) == said_of(talk.numbers)


def said_of(numbers: Sequence[int]) -> list[str]:
    return [text for number in numbers for text in (question(number), answer(number))]


async def texts(client: Client, thread: str) -> list[str]:
    listed = await client.ask("GET", f"/v1/threads/{thread}/messages?order=asc&limit=100")
    return [message["content"][0]["text"]["value"] for message in listed["data"]]


def check_streams(talks: Sequence[Talk]) -> None:
    """What a stream has told piece by piece, broken off or not, is what is kept."""
    for talk in talks:
        for number, told in zip(talk.numbers, talk.told, strict=bool(talk.told)):
            assert told.ends == ["thread.run.completed"], told
            assert list(told.whole.values()) == [answer(number)], told
            assert {id: told.texts[id] for id in told.whole} == told.whole, told


async def check_journals(url: str, talks: Sequence[Talk], stage: Stage) -> None:
    """One end for each run, and no agent was asked once it had finished."""
    asked_for = Counter((request.agent, task_of(request.body)) for request in stage.requests)
    async with opened(url) as storage:
        for talk in talks:
            for number, run in zip(talk.numbers, talk.runs, strict=True):
                entries = await storage.read(DEFAULT_TENANT, log_of(run["id"].removeprefix("run_")))
                events = [journal.decode(body) for _, body in entries]
                ends = [event for event in events if isinstance(event, ev.RunCompleted)]
                assert (len(ends), events[-1]) == (1, ends[0]), events
                for agent, most in legs(events).items():
                    assert 1 <= asked_for[agent, number] <= most, (number, agent, events)


def legs(events: Sequence[ev.Event]) -> Mapping[str, int]:
    """The legs of a run in which each agent was at work, until it had finished: it may have been asked in each."""
    found: dict[str, int] = {}
    open_calls: dict[str, str] = {}
    for event in events:
        match event:
            case ev.AgentStarted(call_id, agent):
                open_calls[call_id], found[agent] = agent, 1
            case ev.AgentFinished(call_id):
                del open_calls[call_id]
            case ev.RunStarted():
                for agent in open_calls.values():
                    found[agent] += 1
    assert not open_calls, events
    return found


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Storage]:
    storage = open_storage(url, "memory://")
    await storage.open()
    try:
        yield storage
    finally:
        await storage.close()
