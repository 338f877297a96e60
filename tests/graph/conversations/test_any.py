"""Any conversation: a client that chats in every way there is, and what the log holds of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.models.port import Message
from graph import history
from graph.conversations import Head
from graph.request import History
from graph.storage import open_storage
from tests.graph.conversations.logs import Log, everything, said, user


@dataclass
class Client:
    """A client that chats in every way there is, with what the log should hold afterwards."""

    data: st.DataObject
    log: Log
    distinct: bool
    seen: list[Message] = field(default_factory=list)
    ever: set[str] = field(default_factory=set)
    made: int = 0

    async def chat(self, turns: int) -> None:
        for _ in range(turns):
            await self.step()

    async def step(self) -> None:
        mode: History = "auto"
        match self.data.draw(st.sampled_from(self.styles())):
            case "resend":
                sent, expected = self.resend(), self.seen
            case "new":
                sent = [self.word("u")]
                expected = self.seen
            case "trim":
                start = self.data.draw(st.sampled_from(self.beginnings()))
                sent, expected = [*self.seen[start:], self.word("u")], self.seen
            case "edit":
                keep = self.data.draw(st.integers(1, len(self.seen) - 1))
                sent, expected = [*self.seen[:keep], self.word("u")], self.seen[:keep]
            case "regenerate":
                sent, expected = self.seen[:-1], self.seen[:-1]
            case _:
                keep = self.data.draw(st.integers(0, len(self.seen)))
                sent, expected, mode = [*self.seen[:keep], self.word("u")], self.seen[:keep], "full"
        if mode == "auto" and not any(message.role == "assistant" for message in sent):
            sent, expected = [self.word("u")], self.seen  # users' messages alone are new, whatever they say
        await self.turn(sent, expected, mode)

    def styles(self) -> Sequence[str]:
        """Lists without an assistant message can't be told from new turns: `history: full` says what they are."""
        styles = ["resend", "new", "full"]
        if len(self.seen) > 2:
            styles += ["trim", "edit", "regenerate"]
        return styles

    def beginnings(self) -> Sequence[int]:
        """Where a trimmed list may begin: words and the words that follow them are one message to a client."""
        roles = [message.role for message in self.seen]
        return [index for index in range(1, len(roles)) if roles[index - 1 : index + 1] != ["assistant"] * 2]

    def resend(self) -> Sequence[Message]:
        return [*self.seen, *(self.word("u") for _ in range(self.data.draw(st.integers(1, 2))))]

    def word(self, letter: str) -> Message:
        self.made += 1
        text = f"{letter}{self.made}" if self.distinct else self.data.draw(st.sampled_from(["yes", "no"]))
        return user(text) if letter == "u" else said(text)

    async def turn(self, sent: Sequence[Message], expected: Sequence[Message], mode: History) -> None:
        answer = [self.word("a") for _ in range(self.data.draw(st.integers(1, 2)))]
        head = await self.log.turn("chat", sent, *answer, mode=mode)
        await self.log.sound(head)
        tail = [message for message in sent if not any(message is each for each in self.seen)]
        self.seen = [*expected, *tail, *answer]
        active = [each.message for each in await self.log.active(head.id)]
        if self.distinct:
            assert active == self.seen
        else:
            self.repeats(sent, answer, active)
        await self.nothing_is_lost(head)

    def repeats(self, sent: Sequence[Message], answer: Sequence[Message], active: list[Message]) -> None:
        """Where texts repeat, a trimmed list may be found at another place: it ends as the client's does all the same."""
        units, mine = history.units(active), history.units([*sent, *answer])
        assert [unit.digest for unit in units[-len(mine) :]] == [unit.digest for unit in mine][-len(units) :]
        self.seen = active

    async def nothing_is_lost(self, head: Head) -> None:
        """Every message that was ever stored stands in the active branch or in a side branch, once."""
        active = await self.log.active(head.id)
        self.ever |= {each.id for each in active}
        found = [each.id for each in active]
        for branch in await everything(self.log.storage, "t", "branch", head.id):
            moved = await everything(self.log.storage, "t", "message", f"{head.id}/{branch.id}")
            assert orjson.loads(branch.body)["message_count"] == len(moved)
            found += [document.id for document in moved]
        assert sorted(found) == sorted(self.ever)


@settings(derandomize=True, deadline=None, max_examples=120)
@given(st.data(), st.booleans())
def test_any_conversation_is_stored_as_its_client_sees_it(data: st.DataObject, distinct: bool) -> None:
    async def story() -> None:
        log = Log(open_storage("memory://"))
        await Client(data, log, distinct).chat(data.draw(st.integers(1, 10)))

    asyncio.run(story())
