"""`kill -9` of the process: what was written is whole, and goes on."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from graph.storage import open_storage
from tests.graph.doubles import Script, say
from tests.graph.house import TENANT, house

ROOT = Path(__file__).parents[2]

PRELUDE = """
import asyncio, sys
from graph.storage import open_storage
from tests.graph.doubles import *
from tests.graph.house import *

async def main():
    storage = open_storage(sys.argv[1])
    await storage.open(claim=True)
    async with house(script, store=storage) as here:
        await work(here)
"""
IN_MID_TURN = """
gate, agent = Gate(), Gate()
script = Script(
    supervisor=[say("first answer"), delegate("I ask.", researcher="a", analyst="b"), [[Text("half an ans")], gate]],
    researcher=[say("found")],
    analyst=[[agent]],
)

async def work(here):
    await here.ask("first question", conversation="chat")
    durable = await here.start("durable question", conversation="durable", durable=True)
    async for batch in here.engine.follow(TENANT, durable.id):
        if any(type(event).__name__ == "CallAnswered" for event in batch):
            break
    await agent.reached.wait()
    await here.start("second question", conversation="chat", watched=True)
    await gate.reached.wait()
    print(durable.id, flush=True)
    await asyncio.Event().wait()
"""
ONE_TURN_AFTER_THE_OTHER = """
script = Script(supervisor=[say(f"answer {number}") for number in range(100_000)])

async def work(here):
    for number in range(100_000):
        await here.ask(f"question {number}", conversation="chat")
        print(number, flush=True)
"""


@asynccontextmanager
async def process(code: str, url: str) -> AsyncIterator[Process]:
    """Another process with an engine at work, killed at the end."""
    program = f"{PRELUDE}{code}\nasyncio.run(main())"
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", program, url, cwd=ROOT, stdout=PIPE)
    try:
        yield child
    finally:
        with suppress(ProcessLookupError):  # the test has done so
            child.kill()
        await child.communicate()


async def line(child: Process) -> str:
    assert child.stdout
    return (await child.stdout.readline()).decode().strip()


async def test_a_kill_in_mid_turn(kept: str) -> None:
    async with process(IN_MID_TURN, kept) as child:
        run_id = await line(child)
    storage = open_storage(kept)
    await storage.open(claim=True)
    script = Script(supervisor=[say("Done.")], analyst=[say("worked out")])
    async with house(script, store=storage) as here:
        ended = await here.engine.finished(TENANT, run_id)
        assert (ended.status, ended.fence, ended.attempts) == ("completed", 2, 1)
        assert script.agents == ["analyst", "supervisor"]
        assert script.asked[-1].talk[-2:] == [("tool", "found"), ("tool", "worked out")]
        assert await here.log("chat") == [("user", "first question"), ("assistant", "first answer")]
        script.add(supervisor=[say("second answer")])
        assert (await here.ask("second question", conversation="chat")).status == "completed"
        assert [text for _, text in await here.log("chat")][-2:] == ["second question", "second answer"]
    await storage.close()


async def test_a_kill_between_any_two_writes(kept: str) -> None:
    async with process(ONE_TURN_AFTER_THE_OTHER, kept) as child:
        while int(await line(child)) < 20:
            pass
        child.kill()
        assert child.stdout
        told = 20 + len((await child.stdout.read()).split())
    storage = open_storage(kept)
    await storage.open(claim=True)
    script = Script(supervisor=[say("one more")])
    async with house(script, store=storage) as here:
        log = [text for _, text in await here.log("chat")]
        assert len(log) in (2 * (told + 1), 2 * (told + 2))  # the last turn may have been written and not told
        assert log == [text for n in range(len(log) // 2) for text in (f"question {n}", f"answer {n}")]
        assert (await here.ask("question", conversation="chat")).status == "completed"
    await storage.close()
