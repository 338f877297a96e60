"""A session of the sandbox for each run that runs programs: opened at the first one, closed at the run's end.

A run that waits for its client keeps its session for a while. There is a limit to how many are kept; the one that was used
longest ago goes first, and what its run runs next begins afresh.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from agents.tools.port import Made, ToolOutput
from agents.tools.python import output_of
from agents.tools.sandbox.port import Sandbox, Session
from graph.files import Files
from graph.ids import new_id
from graph.interpreter import inputs as given
from graph.interpreter.inputs import Inputs
from graph.interpreter.outputs import Owner, keep
from graph.interpreter.places import Place, remove_left_over

log = logging.getLogger(__name__)
IDLE_SECONDS: Final = 600.0


@dataclass(slots=True, eq=False)
class _Programs:
    """What is known of a run's programs. `fence` says which leg has run them last, `begun` whether there were any."""

    fence: int
    made: dict[str, Made]
    begun: bool
    folder: Path
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    session: Session | None = None
    used: float = 0.0
    idle: asyncio.TimerHandle | None = None


@dataclass(frozen=True, slots=True)
class RunPrograms:
    """The interpreter of one leg of a run. `restored` are the files that earlier legs have made; `begun`: they have run
    programs. `know` hears of each file that is made."""

    sessions: Sessions
    owner: Owner
    fence: int
    inputs: Inputs
    restored: tuple[Made, ...] = ()
    begun: bool = False
    know: Callable[[Made], None] = lambda made: None

    async def run(self, code: str) -> ToolOutput:
        """Run a program in the run's session, when those before it are done."""
        return await self.sessions.run(self, code)


class Sessions:
    """The sessions of this process. Used by one event loop."""

    def __init__(self, sandbox: Sandbox, files: Files, *, most: int | None = None, idle: float = IDLE_SECONDS) -> None:
        self._sandbox = sandbox
        self._files = files
        self._most = most or sandbox.most
        self._idle = idle
        self._at_work = asyncio.Semaphore(self._most)
        self._place = Place()
        self._runs: dict[str, _Programs] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Remove what processes that have died have left on the disk."""
        await asyncio.to_thread(remove_left_over)

    async def run(self, of: RunPrograms, code: str) -> ToolOutput:
        """Run a program of a run."""
        programs = await self._programs(of)
        async with programs.lock, self._at_work:
            lost = await self._opened(programs, of)
            assert programs.session is not None
            afresh, programs.begun = programs.begun and lost is not None, True
            ran = await programs.session.run(code)
            programs.used = asyncio.get_running_loop().time()
            made, notes = await keep(self._files, of.owner, ran.written)
        for each in made:
            programs.made[each.name] = each
            of.know(each)
        notes = [*([_gone(lost)] if lost else []), *notes]
        return output_of(ran, made, notes, afresh=afresh)

    async def over(self, run_id: str, *, paused: bool) -> None:
        """A leg is over: its session goes, or waits for the next leg where that may come soon."""
        programs = self._runs.get(run_id)
        if programs is None:
            return
        if paused and programs.session is not None:
            programs.idle = asyncio.get_running_loop().call_later(self._idle, self._forget_idle, run_id)
        else:
            self._runs.pop(run_id)
            await self._ending(programs)

    async def close(self) -> None:
        """Close all of them."""
        left, self._runs = list(self._runs.values()), {}
        for programs in left:
            await self._close(programs)
        if self._closing:
            await asyncio.wait(list(self._closing))
        await asyncio.to_thread(self._place.remove)

    async def _programs(self, of: RunPrograms) -> _Programs:
        """What is known of a run's programs. Where another process may have gone on with it meanwhile, that is nothing."""
        run_id = of.owner.run_id
        known = self._runs.get(run_id)
        if known is not None and known.fence not in (of.fence, of.fence - 1):
            self._runs.pop(run_id)
            await self._close(known)
            known = None
        if known is None:
            folder = self._place.folder() / new_id()
            known = self._runs[run_id] = _Programs(
                of.fence, {each.name: each for each in of.restored}, of.begun, folder
            )
        known.fence = of.fence
        if known.idle is not None:
            known.idle.cancel()
            known.idle = None
        return known

    async def _opened(self, programs: _Programs, of: RunPrograms) -> list[str] | None:
        """Open the run's session where there is none: the names of files that are gone meanwhile, else None."""
        if programs.session is not None:
            return None
        await self._make_room()
        files = programs.folder / "files"
        missing = await given.put(
            files, given.with_made(of.inputs.files, programs.made.values()), self._files, of.owner.tenant
        )
        programs.session = await self._sandbox.open(files)
        return missing

    async def _make_room(self) -> None:
        """Close the session that was used longest ago, where there are as many as there may be. No more than that are at
        work, so there is one that is not."""
        idle = [each for each in self._runs.values() if each.session is not None and not each.lock.locked()]
        if sum(each.session is not None for each in self._runs.values()) >= self._most and idle:
            await self._close(min(idle, key=lambda each: each.used))

    def _forget_idle(self, run_id: str) -> None:
        if (programs := self._runs.pop(run_id, None)) is not None:
            self._ending(programs)

    def _ending(self, programs: _Programs) -> asyncio.Task[None]:
        """Close a session, whoever waits for it: `close` does."""
        closing = asyncio.create_task(self._close(programs))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        return closing

    async def _close(self, programs: _Programs) -> None:
        """Close a session and remove its files. What is known of its programs stays."""
        if programs.idle is not None:
            programs.idle.cancel()
        async with programs.lock:
            session, programs.session = programs.session, None
            if session is None:
                return
            try:
                await session.close()
            except Exception:
                log.exception("a session of the sandbox could not be closed")
            await asyncio.to_thread(shutil.rmtree, programs.folder, ignore_errors=True)


def _gone(names: Iterable[str]) -> str:
    return f"These files are no longer there: {', '.join(names)}."
