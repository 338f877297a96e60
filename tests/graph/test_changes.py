"""Changes of what others change at the same time."""

from __future__ import annotations

import pytest

from graph.changes import begun_anew
from graph.errors import ConversationBusy
from graph.storage.memory import MemoryStorage
from graph.storage.port import TRIES, Put, Storage


class Counter:
    """A number in a store. `others` is how many count between a look and the commit."""

    def __init__(self, storage: Storage, others: int) -> None:
        self._storage, self._others = storage, others

    @begun_anew("counter")
    async def up(self) -> int:
        """Count one."""
        found = await self._storage.get("t", "counter", "c")
        number, version = (int(found.body), found.version) if found else (0, 0)
        if self._others:
            self._others -= 1
            await self._storage.commit("t", Put("counter", "c", b"%d" % (number + 1), parent="", expect=version))
        await self._storage.commit("t", Put("counter", "c", b"%d" % (number + 1), parent="", expect=version))
        return number + 1


async def test_who_was_slower_sees_what_the_others_have_done() -> None:
    assert await Counter(MemoryStorage("memory://"), others=3).up() == 4


async def test_who_is_always_slower_is_told_what_is_busy() -> None:
    with pytest.raises(ConversationBusy, match=r"^The counter is being changed by too many requests"):
        await Counter(MemoryStorage("memory://"), others=TRIES).up()


async def test_one_try_less_is_enough() -> None:
    assert await Counter(MemoryStorage("memory://"), others=TRIES - 1).up() == TRIES


async def test_other_errors_are_not_tried_again() -> None:
    class Broken:
        calls = 0

        @begun_anew("thing")
        async def change(self) -> None:
            self.calls += 1
            raise ValueError("no conflict")

    broken = Broken()
    with pytest.raises(ValueError, match="no conflict"):
        await broken.change()
    assert broken.calls == 1
