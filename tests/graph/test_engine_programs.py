"""Runs that run programs: whose names and files outlive a pause, a crash of the process, and nothing else."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from graph import events as ev
from graph.intake import Output
from graph.request import CodeInterpreter
from graph.run import Run
from tests.graph.doubles import Gate, Reply, Script, call, delegate, say
from tests.graph.house import TENANT, WEATHER, House, house

PYTHON = CodeInterpreter()
DEFINE = call(("python", {"code": "x = 7\nopen('/mnt/data/out.txt', 'w').write('made')"}))
USE = call(("python", {"code": "print(open('/mnt/data/out.txt').read())\nx"}))
ASK = call(("weather", {"place": "Rome"}))
LINK = "sandbox:/mnt/data/out.txt"


async def outputs_of(house: House, run: Run) -> list[str]:
    """What the tools of the server have answered."""
    journal = await house.engine.journal(TENANT, run.id)
    return [event.output for event in journal if isinstance(event, ev.CallAnswered) and event.by == "server"]


async def paused(house: House) -> Run:
    run = await house.pause(durable=True, interpreter=PYTHON)
    assert (await outputs_of(house, run))[0].endswith(f"{LINK})")
    return run


async def resumed(house: House, run: Run) -> Run:
    await house.engine.resume(TENANT, run.id, [Output(each, "sun") for each in run.required])
    return await house.engine.finished(TENANT, run.id)


async def test_names_and_files_outlive_a_pause() -> None:
    async with house(Script(supervisor=[DEFINE, ASK, USE, say(f"See {LINK}.")])) as here:
        run = await resumed(here, await paused(here))
        assert (await outputs_of(here, run))[1] == "made\n7"
        assert run.answer is not None
        [mark] = run.answer.annotations
        assert (mark.mark, mark.path, mark.start) == (LINK, True, 4)


async def test_files_outlive_the_process_and_the_model_hears_of_the_rest(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'store.db'}"
    async with house(Script(supervisor=[DEFINE, ASK]), store=store) as before:
        run = await paused(before)
    script = Script(supervisor=[USE, say(f"See {LINK}.")])
    async with house(script, store=store) as after:
        run = await resumed(after, await after.get(run.id))
        told = (await outputs_of(after, run))[1]
        assert told.startswith("(This program began afresh")
        assert "made\n" in told
        assert "NameError: name 'x' is not defined" in told
        assert run.answer is not None
        assert [mark.mark for mark in run.answer.annotations] == [LINK]


async def test_the_analyst_and_the_entry_agent_share_a_session() -> None:
    script = Script(supervisor=[DEFINE, delegate(analyst="go on"), say("Done.")], analyst=[USE, say("7")])
    async with house(script) as here:
        run = await here.ask("Go.", interpreter=PYTHON)
        [worked] = [
            event
            for event in run.journal or await here.engine.journal(TENANT, run.id)
            if isinstance(event, ev.AgentFinished)
        ]
        assert [each.output for each in worked.calls if each.kind == "tool"] == ["made\n7"]
    assert all("python" in asked.tools for asked in script.asked)


async def test_without_code_interpreter_the_entry_agent_has_no_programs() -> None:
    script = Script(supervisor=[say("Done.")])
    async with house(script) as here:
        await here.ask("Go.", tools=(WEATHER,))
    assert "python" not in script.asked[0].tools


@pytest.mark.parametrize("agent", ["supervisor", "analyst"])
async def test_a_cancel_ends_a_program_at_once(agent: str) -> None:
    gate = Gate()
    endless: Reply = [gate, *call(("python", {"code": "while True:\n    pass"}))]
    script = Script(**{"supervisor": [delegate(analyst="go")], agent: [endless]})
    async with house(script) as here:
        run = await here.start("Go.", durable=True, conversation="talk", interpreter=PYTHON)
        await gate.reached.wait()
        gate.open.set()
        await asyncio.sleep(0.2)
        async with asyncio.timeout(3):  # the program would have taken five seconds
            await here.engine.cancel(TENANT, run.id)
            assert (await here.engine.finished(TENANT, run.id)).status == "cancelled"
