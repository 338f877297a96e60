"""The sessions of runs: kept between programs, bounded in number, and begun afresh where they were lost."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agents.tools.port import Made, ToolOutput
from agents.tools.sandbox.monty import MONTY
from agents.tools.sandbox.port import Written
from graph.events import now_ms
from graph.files import File, Files
from graph.ids import bare_file_id, new_id
from graph.interpreter import outputs
from graph.interpreter.inputs import inputs_of
from graph.interpreter.outputs import Owner, keep
from graph.interpreter.places import Place, remove_left_over
from graph.interpreter.sessions import RunPrograms, Sessions
from graph.request import CodeFile, CodeInterpreter
from graph.storage import open_storage

TENANT = "acme"
AFRESH = "(This program began afresh"


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, which nobody else uses."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
async def files() -> AsyncIterator[Files]:
    storage = open_storage("memory://")
    await storage.open()
    yield Files(storage)
    await storage.close()


@pytest.fixture
async def sessions(files: Files) -> AsyncIterator[Sessions]:
    sessions = Sessions(MONTY, files, most=2, idle=0.05)
    yield sessions
    await sessions.close()


async def uploaded(files: Files, name: str, content: bytes) -> CodeFile:
    async with files.incoming(TENANT) as incoming:
        await incoming.take(content)
        file = File(new_id(), name, "assistants", len(content), incoming.blob, now_ms())
        await files.keep(incoming, file)
    return CodeFile(file.id, name, len(content))


def leg(sessions: Sessions, run: str = "run", fence: int = 1, *given: CodeFile, **fields: object) -> RunPrograms:
    inputs = inputs_of(CodeInterpreter(given), [])
    return RunPrograms(sessions, Owner(TENANT, run), fence, inputs, **fields)  # type: ignore[arg-type]


def entries(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def in_place(temporary: Path) -> list[str]:
    """What is in the one folder of this process."""
    [place] = temporary.iterdir()
    return entries(place)


async def bytes_of(files: Files, id: str) -> bytes:
    file = await files.get(TENANT, bare_file_id(id) or "")
    return b"".join([chunk async for chunk in await files.content(TENANT, file)])


async def test_the_programs_of_a_run_share_names_and_files(sessions: Sessions, files: Files, temporary: Path) -> None:
    run, other = leg(sessions, "one", 1, await uploaded(files, "a.txt", b"given")), leg(sessions, "other")
    assert await run.run("x = open('/mnt/data/a.txt').read()") == ToolOutput(
        "(The program printed nothing and ends with no value.)"
    )
    several = await asyncio.gather(run.run("x += '1'"), run.run("x += '2'"), other.run("x"))
    assert "NameError" in several[2].text
    assert (await run.run("x")).text == "given12"
    assert len(in_place(temporary)) == 2  # the lock, and the run that was given a file
    await sessions.over("one", paused=False)
    assert in_place(temporary) == ["lock"]
    await sessions.close()
    assert entries(temporary) == []


async def test_what_programs_write_are_files_of_the_tenant_and_each_is_there_once(
    sessions: Sessions, files: Files
) -> None:
    known: list[Made] = []
    code = "open('/mnt/data/out.txt', 'w').write('made')"
    run = leg(sessions, know=known.append)
    output = await run.run(code)
    assert output.text.endswith("by these words: sandbox:/mnt/data/out.txt)")
    assert output.made == tuple(known)
    assert await bytes_of(files, known[0].file_id) == b"made"
    await sessions.over("run", paused=False)
    again = await leg(sessions, fence=2, know=known.append).run(code)  # an agent that was interrupted does it again
    assert again.made == output.made
    assert len(await files.all(TENANT).read("asc", None, None, 10)) == 1
    changed = await leg(sessions, fence=2).run("open('/mnt/data/out.txt', 'w').write('other')")
    assert changed.made[0].file_id != output.made[0].file_id
    assert await bytes_of(files, changed.made[0].file_id) == b"other"


async def test_a_takeover_begins_afresh_with_the_files(sessions: Sessions, files: Files) -> None:
    given = await uploaded(files, "a.txt", b"given")
    first = await leg(sessions, "run", 1, given).run("x = 1\nopen('/mnt/data/a.txt', 'w').write('written over')")
    await sessions.close()
    taken = leg(sessions, "run", 2, given, restored=first.made, begun=True)
    output = await taken.run("open('/mnt/data/a.txt').read()")
    assert output.text.splitlines() == [
        f"{AFRESH}: the names that earlier programs had defined were lost. Their files are still there.)",
        "written over",
    ]
    assert AFRESH not in (await taken.run("1")).text


async def test_the_session_that_was_used_longest_ago_makes_room(sessions: Sessions) -> None:
    runs = [leg(sessions, str(number)) for number in range(3)]
    for number, run in enumerate(runs):
        await run.run(f"x = {number}\nopen('/mnt/data/a.txt', 'w').write('{number}')")
    assert (await runs[2].run("x")).text == "2"
    lost = await runs[0].run("x")
    assert lost.text.startswith(AFRESH)
    assert "NameError" in lost.text
    assert (await runs[0].run("open('/mnt/data/a.txt').read()")).text == "0"


async def test_more_runs_than_sessions_work_one_after_the_other(sessions: Sessions) -> None:
    told = await asyncio.gather(*(leg(sessions, str(number)).run(f"{number}") for number in range(8)))
    assert [each.text for each in told] == [str(number) for number in range(8)]


async def test_a_pause_is_survived_for_a_while(sessions: Sessions, temporary: Path) -> None:
    await leg(sessions).run("x = 1\nopen('/mnt/data/a.txt', 'w').write('a')")
    await sessions.over("run", paused=True)
    assert (await leg(sessions, fence=2).run("x")).text == "1"
    await sessions.over("run", paused=True)
    async with asyncio.timeout(10):
        while in_place(temporary) != ["lock"]:  # noqa: ASYNC110 - nobody says that it has gone
            await asyncio.sleep(0.01)
    assert "NameError" in (await leg(sessions, fence=3).run("x")).text


async def test_what_another_process_may_have_changed_is_forgotten(sessions: Sessions) -> None:
    await leg(sessions).run("x = 1")
    await sessions.over("run", paused=True)
    assert (await leg(sessions, fence=4, begun=True).run("x")).text.startswith(AFRESH)


async def test_a_cancel_ends_the_program_and_its_run_s_session_can_go(sessions: Sessions) -> None:
    run = leg(sessions)
    await run.run("x = 1")
    endless = asyncio.create_task(run.run("while True:\n    pass"))
    assert (await asyncio.wait([endless], timeout=0.2))[0] == set()
    endless.cancel()
    async with asyncio.timeout(3):
        await asyncio.wait([endless])
        assert (await run.run("x")).text.startswith(AFRESH)
        await sessions.over("run", paused=False)


async def test_a_file_that_is_gone_is_told(sessions: Sessions, files: Files) -> None:
    given = await uploaded(files, "a.txt", b"given")
    await files.delete(TENANT, given.id)
    output = await leg(sessions, "run", 1, given).run("1")
    assert output.text == "1\n(These files are no longer there: a.txt.)"


async def test_what_is_kept_is_bounded(files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outputs, "MOST_FILES", 3)
    monkeypatch.setattr(outputs, "LARGEST", 4)
    secret = tmp_path / "secret"
    secret.write_bytes(b"s")
    (tmp_path / "link").symlink_to(secret)
    os.mkfifo(tmp_path / "pipe")
    for name, content in (("small", b"1234"), ("large", b"12345"), ("more", b"")):
        (tmp_path / name).write_bytes(content)
    names = ["small", "large", "more", "left", "out"]
    made, notes = await keep(files, Owner(TENANT, "run"), [Written(name, tmp_path / name) for name in names])
    assert [each.name for each in made] == ["small", "more"]
    assert notes == [
        "large is not kept for the user: it has more than 0 MB.",
        "Of these files the first 3 are kept for the user, not left, out.",
    ]
    made, notes = await keep(files, Owner(TENANT, "run"), [Written(name, tmp_path / name) for name in ("link", "pipe")])
    assert (made, notes) == ([], ["link is no file that could be kept.", "pipe is no file that could be kept."])


async def test_an_image_is_known_by_its_bytes(sessions: Sessions) -> None:
    code = (
        "open('/mnt/data/a.bin', 'wb').write(b'\\x89PNG\\r\\n\\x1a\\n....')\nopen('/mnt/data/b.png', 'w').write('none')"
    )
    assert [(made.name, made.image) for made in (await leg(sessions).run(code)).made] == [
        ("a.bin", True),
        ("b.png", False),
    ]


async def test_what_a_dead_process_has_left_is_removed(temporary: Path) -> None:
    living, dead = Place(), temporary / "cortex-flow-code-dead"
    mine = living.folder()
    (dead / "run").mkdir(parents=True)
    (dead / "lock").touch()
    remove_left_over()
    assert entries(temporary) == [mine.name]
    living.remove()
    assert entries(temporary) == []
