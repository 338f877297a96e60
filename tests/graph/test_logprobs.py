"""Tokens come with the text that they spell, wherever limits and readers cut it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.models.port import Finish, Logprobs, Piece, Text, TokenLogprob, Used
from graph import events as ev
from graph.errors import InvalidRequest
from graph.journal import Position, decode, encode, replay
from graph.limits import AnswerGate
from graph.logprobs import LogprobQueue, behind
from graph.run import Run
from graph.telling import Telling
from tests.graph.doubles import SPENT, Reply, Script, delegate
from tests.graph.house import TENANT, TOKENIZER, House, house

Cut = TypeVar("Cut", str, bytes)
TEXT = "Hello, Zoë 😀 and all."


def tokens(*spelled: bytes) -> tuple[TokenLogprob, ...]:
    return tuple(TokenLogprob(repr(each), -0.1, each) for each in spelled)


def spelled(told: Sequence[TokenLogprob]) -> bytes:
    return b"".join(token.spelled for token in told)


def weighed(*pieces: str) -> Reply:
    """A reply in words, each with its tokens."""
    said: list[list[Piece]] = [[Logprobs(tokens(piece.encode())), Text(piece)] for piece in pieces]
    return [*said, [Finish("stop"), Used(SPENT)]]


def cut_at(places: Sequence[int], whole: Cut) -> list[Cut]:
    ends = sorted({place % len(whole) for place in places} | {0, len(whole)})
    return [whole[start:end] for start, end in pairwise(ends)]


@given(st.lists(st.integers(0, 60)), st.lists(st.integers(0, 60)))
def test_however_tokens_and_texts_are_cut(token_cuts: list[int], text_cuts: list[int]) -> None:
    """Each token comes with the text that completes it, also where it is a part of a character."""
    whole = TEXT.encode()
    queue = LogprobQueue(tokens(*cut_at(token_cuts, whole)))
    shown, taken = "", b""
    for piece in cut_at(text_cuts, TEXT):
        shown += piece
        taken += spelled(queue.take(piece))
        assert shown.encode().startswith(taken)
    assert taken == whole


def test_a_token_without_bytes_spells_itself() -> None:
    queue = LogprobQueue([TokenLogprob("Zoë", -0.1), TokenLogprob("!", -0.2)])
    assert [token.token for token in queue.take("Zoë")] == ["Zoë"]
    assert [token.token for token in queue.rest()] == ["!"]


def test_what_a_reader_has_seen_is_not_told_again() -> None:
    told = tokens(b"Hel", b"lo")
    assert behind("", told) == told
    assert behind("Hell", told) == told[1:]
    assert behind("Hello", told) == ()


@given(st.lists(st.integers(0, 60)), st.integers(0, 12), st.sampled_from([(), ("all",), ("😀",), ("Hello",)]))
def test_no_token_goes_beyond_what_is_shown(cuts: list[int], limit: int, stop: tuple[str, ...]) -> None:
    live: list[ev.Live] = []
    telling = Telling(
        agent="supervisor",
        gate=AnswerGate(TOKENIZER, limit, stop),
        emit=live.append,
        mint=str,
        kinds={},
        live=True,
        max_tokens=limit,
        logprobs=LogprobQueue(),
    )
    for piece in cut_at(cuts, TEXT):
        if not telling.tell([Logprobs(tokens(*(bytes([byte]) for byte in piece.encode()))), Text(piece)]):
            break
    telling.end_text()
    durable = telling.durable((), SPENT, "m")
    told = [token for event in live if isinstance(event, ev.TextDelta) for token in event.logprobs]
    shown = "".join(event.text for event in live if isinstance(event, ev.TextDelta))
    assert spelled(told).decode() == shown
    completed = [event for event in durable if isinstance(event, ev.MessageCompleted)]
    assert [event.logprobs for event in completed] == ([tuple(told)] if shown else [])


def test_tokens_that_come_late_are_told_at_the_end() -> None:
    live: list[ev.Live] = []
    telling = Telling("a", AnswerGate(TOKENIZER), live.append, str, {}, live=True, logprobs=LogprobQueue())
    telling.tell([Text("Hi")])
    telling.tell([Logprobs(tokens(b"Hi", b"<end>"))])
    telling.end_text()
    telling.durable((), SPENT, "m")
    assert live[1:] == [ev.TextDelta(telling.message_id, "Hi"), ev.TextDelta(telling.message_id, "", tokens(b"Hi"))]


def test_they_are_in_no_journal_and_in_every_replay() -> None:
    event = ev.MessageCompleted("m", "supervisor", "Hello", "completed", "answer", at=1, logprobs=tokens(b"Hel", b"lo"))
    assert b"logprob" not in encode(event)
    assert decode(encode(event)) == ev.MessageCompleted("m", "supervisor", "Hello", "completed", "answer", at=1)
    assert next(replay([event], Position(0, 4))) == ev.TextDelta("m", "lo", tokens(b"lo"))


async def test_who_comes_late_gets_all_of_them() -> None:
    async with house(Script(supervisor=[weighed("Hel", "lo")])) as home:
        run = await home.ask("Hi", watched=True, logprobs=True)
        heard = await home.follow(run.id)
        assert spelled([t for event in heard if isinstance(event, ev.TextDelta) for t in event.logprobs]) == b"Hello"
        assert spelled(run.messages[0].logprobs) == b"Hello"
        stored = await home.engine._stores.runs.load(TENANT, run.id)
        assert stored[0].messages[0].text == "Hello"
        assert not stored[0].messages[0].logprobs


async def test_answers_put_together_here_have_none() -> None:
    found: Reply = [[Text("Rome.")], [Finish("stop"), Used(SPENT)]]
    empty: Reply = [[Logprobs(tokens(b" ")), Text(" ")], [Finish("stop"), Used(SPENT)]]
    script = Script(supervisor=[delegate(researcher="Find it."), empty, empty], researcher=[found])
    async with house(script) as home:
        run = await home.ask("Hi", logprobs=True)
        assert [(message.text, message.logprobs) for message in run.messages] == [("Rome.", ())]


async def test_only_the_newest_runs_are_remembered_with_theirs() -> None:
    async with house(Script(supervisor=[weighed("Hi")] * 20)) as home:
        runs = [await home.ask("Hi", logprobs=True) for _ in range(20)]
        again = [await home.get(run.id) for run in runs]
        assert [bool(run.messages[0].logprobs) for run in again] == [False] * 4 + [True] * 16


@pytest.mark.parametrize(
    ("without", "agent", "refused"),
    [("supervisor", "supervisor", True), ("writer", "supervisor", True), ("writer", "researcher", False)],
)
async def test_every_model_that_can_answer_has_to_give_them(without: str, agent: str, refused: bool) -> None:
    script = Script(supervisor=[weighed("Hi")], researcher=[weighed("Hi")])
    script.without_logprobs = {without}
    async with house(script) as home:
        if not refused:
            assert (await _ask(home, agent)).status == "completed"
            return
        with pytest.raises(InvalidRequest) as raised:
            await _ask(home, agent)
        assert (raised.value.param, raised.value.code) == ("logprobs", "unsupported_value")


async def _ask(home: House, agent: str) -> Run:
    return await home.ask("Hi", agent=agent, logprobs=True)
