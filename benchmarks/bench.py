"""What every row works with: the upstream, servers of ours in front of it, and how much to do."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, Final

from benchmarks.client import Target, Unanswered, ask
from benchmarks.cores import Cores
from benchmarks.launch import Launch
from benchmarks.peers.peer import Peer
from benchmarks.processes import Product, ours

_NUMBERS: Final = count(1)


@dataclass(frozen=True, slots=True)
class Fleet:
    """A server that accepts, and the processes that carry its runs with it."""

    door: Product
    workers: Sequence[Product]

    def cpu(self) -> float:
        """Seconds of CPU so far, of all of them."""
        return sum(each.cpu() for each in (self.door, *self.workers))


@dataclass(frozen=True, slots=True)
class Bench:
    """`rounds` values for each figure; `scale` 1 is a full measurement, less is quicker and noisier. `open_streams` are
    the numbers of the row `wide`; `profiles`: a folder for what the sampler sees, which makes the figures worthless;
    `peer` is measured instead of us."""

    upstream: int
    cores: Cores
    rounds: int = 5
    scale: float = 1.0
    open_streams: Sequence[int] = (200, 500, 1000)
    profiles: Path | None = None
    peer: Peer | None = None

    def of(self, peer: Peer) -> Bench:
        """The same for a peer."""
        return replace(self, peer=peer)

    def many(self, full: int, least: int = 1) -> int:
        """A number of things to do, at this scale."""
        return max(least, round(full * self.scale))

    def direct(self, profile: str) -> Target:
        """The upstream itself, playing a profile."""
        return Target(self.upstream, f"/{profile}/v1")

    @asynccontextmanager
    async def started(self, profile: str | None = None, **settings: str) -> AsyncIterator[Product]:
        """A fresh server that listens, with an empty store, in front of the upstream; without a profile, on the offline
        model (a peer, which has none: on the upstream's first). Its port and its announcement are all that is there for
        sure."""
        async with _up(self._launch(profile, settings), self.cores.product) as product:
            yield product

    @asynccontextmanager
    async def product(self, profile: str | None, **settings: str) -> AsyncIterator[Product]:
        """The same, when everything is loaded that a request needs."""
        async with self.started(profile, **settings) as product:
            await product.opened()
            if self.profiles:
                product.begin_profile()
            yield product

    @asynccontextmanager
    async def fleet(self, profile: str, workers: int, **settings: str) -> AsyncIterator[Fleet]:
        """A server that leaves its runs to so many workers, all ready; without workers it carries them itself. They have all
        cores, as the databases have: what they take is CPU, and how fast they are says less."""
        cores = self.cores.product | self.cores.others
        rest = {**settings, "WORKER": "false"} if workers else settings
        async with AsyncExitStack() as stack:
            door = await stack.enter_async_context(_up(self._launch(profile, rest), cores))
            await door.opened()
            launch = self._launch(profile, settings, worker=True)
            fleet = Fleet(door, [await stack.enter_async_context(_up(launch, cores)) for _ in range(workers)])
            if self.profiles:
                for each in (fleet.door, *fleet.workers):
                    each.begin_profile()
            yield fleet

    def _launch(self, profile: str | None, settings: Mapping[str, str], *, worker: bool = False) -> Launch:
        url = f"http://127.0.0.1:{self.upstream}/{profile or 'chat64'}/v1"
        if self.peer is not None:
            return self.peer.launch(url)
        model = {} if profile is None else {"LLM_MODEL": "openai:scripted", "OPENAI_BASE_URL": url}
        return ours({**model, **settings}, self.profiles, worker=worker)

    async def tally(self, hung_up: int = 0, asked: int = 0) -> dict[str, Any]:
        """What the upstream has been asked since the last time; waits until so many clients have left it early, and so many
        calls have come."""
        target = self.direct("")
        told: dict[str, Any] = (await ask(target, target.get(f"/tally?hung_up={hung_up}&asked={asked}"))).json()
        return told


@asynccontextmanager
async def _up(launch: Launch, cores: frozenset[int]) -> AsyncIterator[Product]:
    """A process of its own, in a folder of its own, as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="cortex-flow-bench-") as folder:
        product = Product(Path(folder), launch)
        try:
            await product.start(cores)
            yield product
        except Unanswered as unanswered:
            unanswered.add_note(product.log)
            raise
        finally:
            await product.stop()


def chat(text: str, **fields: Any) -> dict[str, Any]:
    """A chat request with one message of the user."""
    return {"model": "cortex-flow", "messages": [{"role": "user", "content": text}], **fields}


def question() -> str:
    """A user's words, each time others: nothing that is known of a text may help."""
    return f"Number {next(_NUMBERS)}: what should we look at first, when we plan a week of work for a small team?"
