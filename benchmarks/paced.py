"""Many streams open at the same time, each at a reader's pace."""

from __future__ import annotations

import asyncio
from typing import Any

from benchmarks.bench import chat, question
from benchmarks.client import TIMEOUT, Answer, Connection, Target, Unanswered, connect
from benchmarks.processes import Product
from benchmarks.profiles import PACE


class Paced:
    """So many streams of the profile `paced`, which come one after the other over the first interval, so that they
    don't tick together. Inside the block, all of them are open."""

    def __init__(self, target: Target, streams: int) -> None:
        self._target, self._streams = target, streams
        self._connections: list[Connection] = []
        self._answers: list[asyncio.Future[Answer]] = []

    async def __aenter__(self) -> Paced:
        try:
            self._connections = [await connect(self._target) for _ in range(self._streams)]
            for connection in self._connections:
                request = self._target.request(chat(question(), stream=True))
                self._answers.append(connection.send(request))
                await asyncio.sleep(PACE / self._streams)
            await self._speaking()
        except BaseException:
            self.drop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self.drop()

    @property
    def tokens(self) -> int:
        """What all of them have received so far."""
        return sum(connection.tokens for connection in self._connections)

    def drop(self) -> None:
        """Hang up on all of them at once."""
        for connection in self._connections:
            connection.close()
        for answer in self._answers:
            answer.cancel()
        self._connections, self._answers = [], []

    async def cpu_per_token(self, product: Product, seconds: float) -> float:
        """Microseconds of the product's CPU per token, over so many seconds. Raises `Unanswered` where a stream ends."""
        tokens, cpu = self.tokens, product.cpu()
        await self._pass(seconds)
        spent, came = product.cpu() - cpu, self.tokens - tokens
        if not came:
            raise Unanswered("no token came from any stream")
        return spent / came * 1_000_000

    async def _speaking(self) -> None:
        """Each has received a token."""
        spoken = asyncio.gather(*(connection.spoken.wait() for connection in self._connections))
        try:
            await self._pass(TIMEOUT, spoken)
            if not spoken.done():
                raise Unanswered(f"no token within {TIMEOUT:g} seconds on some of {self._streams} streams")
        finally:
            spoken.cancel()

    async def _pass(self, seconds: float, until: asyncio.Future[Any] | None = None) -> None:
        """Let time pass, or less where something happens before; raises what ends a stream meanwhile."""
        waited = [*self._answers, *([] if until is None else [until])]
        done, _ = await asyncio.wait(waited, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for ended in done - {until}:
            ended.result()
            raise Unanswered("a stream ended before its time")
