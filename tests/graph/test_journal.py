"""The journal: entries come back as they were, and a stream that broke anywhere is taken up without a gap or an echo."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, is_dataclass, replace
from functools import reduce
from itertools import accumulate
from typing import Any, Literal, get_args, get_origin, get_type_hints

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.models.port import CallPart, Finish, Message, Piece, Text, Usage
from agents.tools.port import Source
from graph import events as ev
from graph import journal
from graph.items import Annotation, CallKind
from graph.journal import Position, advance, replay, retell_open
from graph.limits import AnswerGate
from graph.recorder import cut_off
from graph.request import RunRequest
from graph.run import Run
from graph.telling import Telling
from graph.tokens import Tokenizer
from graph.vocabularies import FourCharacters
from graph.work import Work

DURABLE = get_args(ev.Durable)
KINDS: dict[str, CallKind] = {"transfer_to_writer": "delegation", "transfer_to_analyst": "delegation", "look": "client"}
TOKENIZER = Tokenizer(FourCharacters)

# ------------------------------------------------------------------------------------------------------------ entries

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
INTS = st.integers(-(2**53), 2**53)


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a type, nested as deep as it goes, of texts and numbers that JSON can hold."""
    plain = {str: TEXTS, int: INTS, bool: st.booleans(), type(None): st.none()}
    if hint in plain:
        return plain[hint]
    if isinstance(hint, type) and is_dataclass(hint):
        return st.builds(hint, **{name: values(each) for name, each in get_type_hints(hint).items()})
    if get_origin(hint) is Literal:
        return st.sampled_from(get_args(hint))
    if get_origin(hint) is tuple:
        return st.lists(values(get_args(hint)[0]), max_size=3).map(tuple)
    return st.one_of(*map(values, get_args(hint)))


@pytest.mark.parametrize("cls", DURABLE, ids=lambda cls: str(cls.__name__))
@settings(derandomize=True, deadline=None, max_examples=25)
@given(data=st.data())
def test_every_event_comes_back_as_it_was(cls: type, data: st.DataObject) -> None:
    event = data.draw(values(cls))
    assert journal.decode(journal.encode(event)) == event


def test_an_entry_says_what_it_is() -> None:
    entry = orjson.loads(journal.encode(ev.RunStarted(2, 1, at=1_700_000_000_000)))
    assert entry == {"e": "RunStarted", "v": 1, "fence": 2, "attempt": 1, "at": 1_700_000_000_000}


def test_everything_that_is_nested_comes_back() -> None:
    source = Source('Größe "7".md', "a\u2028b\u0000c", "https://x.example/?q=ü", "file-1")
    used = Usage(1, 2, 3, 4, estimated=True)
    call = ev.AgentCall("tool", "search", '{"q":"😀"}', "【1†ö】", "error", 1, 2, used)
    events: list[ev.Durable] = [
        ev.MessageCompleted(
            "m", "writer", "e\u0301 😀", "incomplete", "answer", (Annotation(0, 3, "【1†ö】", source),)
        ),
        ev.AgentFinished("c", "researcher", "timeout", used, (call, replace(call, usage=None))),
        ev.CallAnswered("c", "\ufeff\uffff", "ok", "server", (source, source)),
        ev.TurnCompleted("supervisor", None, ("a", "b"), "tool_calls", "m", used),
    ]
    assert [journal.decode(journal.encode(event)) for event in events] == events


def test_characters_that_nobody_can_write_down_do_not_cost_the_entry() -> None:
    call = ev.AgentCall("tool", "python", "{}", "\udfff", "ok", 1, 2)
    for event in (
        ev.CallAnswered("c", "a\ud800b", "ok", "agent", (Source("\ud800", "é"),)),
        ev.AgentFinished("c", "analyst", "ok", Usage(1, 2), (call,)),
    ):
        repr(journal.decode(journal.encode(event))).encode()
    answered = journal.decode(journal.encode(ev.CallAnswered("c", "a\ud800b\U0001f600", "ok", "agent", at=1)))
    assert answered == ev.CallAnswered("c", "a?b\U0001f600", "ok", "agent", at=1)


def test_a_message_is_stored_without_the_text_that_its_document_holds() -> None:
    source = Annotation(0, 1, "x", Source("a"))
    event = ev.MessageCompleted("m", "writer", "text", "completed", "answer", (source,), at=3)
    bare = journal.without_text(event)
    assert bare == ev.MessageCompleted("m", "writer", "", "completed", "answer", (), at=3)
    answered = ev.CallAnswered("c", "out", "ok", "agent")
    assert journal.without_text(answered) is answered


# ---------------------------------------------------------------------------------------------------------- positions


@pytest.mark.parametrize("position", [Position(), Position(3), Position(0, 7), Position(12, 345)])
def test_a_position_is_read_as_it_was_written(position: Position) -> None:
    assert Position.parse(str(position)) == position


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "1",
        "1.",
        ".1",
        "-1.0",
        "1.-1",
        "1.2.3",
        "a.b",
        "1,2",
        " 1.2",
        "1.2\n",
        "+1.2",
        "1e3.0",
        "².0",
        "١.٢",
        "9" * 5000 + ".0",
        "0." + "9" * 5000,
    ],
)
def test_what_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no position"):
        Position.parse(text)


# ------------------------------------------------------------------------------------------------------------ stories


class Teller:
    """Tells a story as the engine does: turns by `Telling`, and everything else one event after the other."""

    def __init__(self) -> None:
        self.events: list[ev.Event] = []
        self.messages = 0
        self.calls = 0

    def __call__(self, *events: ev.Event) -> Teller:
        self.events += events
        return self

    def turn(
        self, *pieces: Piece, agent: str = "supervisor", live: bool = True, behind: Sequence[ev.Event] = ()
    ) -> Teller:
        """A whole turn; `behind` stands between its last part and its end."""
        told = self.telling(agent, live)
        told.tell(pieces)
        told.end_text()
        *parts, completed = told.durable((), Usage(1, 1), "model")
        return self(*parts, *behind, completed)

    def half(self, *pieces: Piece) -> Teller:
        """A turn that is interrupted."""
        self.telling("supervisor", True).tell(pieces)
        return self

    def stopped(self, *terminal: ev.Durable) -> Teller:
        """The end of a run in the middle of a turn, as the engine closes it."""
        return self(*cut_off(work_of(self.events)), *terminal)

    def telling(self, agent: str, live: bool) -> Telling:
        self.messages += 1
        gate = AnswerGate(TOKENIZER)
        return Telling(agent, gate, self.events.append, self.mint, KINDS, live, message_id=f"m{self.messages}")

    def mint(self) -> str:
        self.calls += 1
        return f"c{self.calls}"


def work_of(events: Iterable[ev.Event]) -> Work:
    """The work on a run in which this has happened."""
    run = Run("r", "t", "c", RunRequest("t", (Message("user", "Hi"),)), created_at=0, expires_at=10**15)
    work = Work(run)
    happen(work, events)
    return work


def happen(work: Work, events: Iterable[ev.Event]) -> None:
    for event in events:
        if isinstance(event, ev.Live):
            work.emit(event)
        else:
            work.tell([event])


def look(index: int, *arguments: str, name: str = "look") -> list[Piece]:
    return [CallPart(index, "", "id", name), *(CallPart(index, each) for each in arguments)]


def answered(id: str, by: str = "agent") -> list[ev.Event]:
    if by == "client":
        return [ev.CallAnswered(id, "out", "ok", "client")]
    return [ev.AgentFinished(id, "analyst", "ok", Usage(1, 1)), ev.CallAnswered(id, "out", "ok", "agent")]


def plain() -> Teller:
    return Teller()(ev.RunStarted(1, 0)).turn(Text("Hé"), Text("llo 😀"), Finish("stop"))(ev.RunCompleted())


def held() -> Teller:
    """A JSON answer, told when its turn ends."""
    return Teller()(ev.RunStarted(1, 0)).turn(Text('{"a":'), Text("1}"), live=False)(ev.RunCompleted())


def delegated() -> Teller:
    story = Teller()(ev.RunStarted(1, 0))
    story.turn(
        Text("I ask."),
        *look(0, '{"ta', 'sk":1}', name="transfer_to_analyst"),
        *look(1, '{"x":', name="transfer_to_writer"),
        CallPart(1, "2}"),
    )
    story(ev.AgentStarted("c1", "analyst", "1"), ev.AgentStarted("c2", "writer", "2"))
    story(ev.AgentProgress("c1", "analyst", "hm"), *answered("c2"), ev.AgentProgress("c1", "analyst", "aha"))
    return story(*answered("c1")).turn(Text("So."), Text(" Done."))(ev.RunCompleted())


def paused() -> Teller:
    """Words and two calls of the client's, one without arguments; the second leg answers."""
    story = Teller()(ev.RunStarted(1, 0)).turn(Text("Wait."), *look(0, '{"c', '":1}'), *look(1))
    story(ev.ActionRequired(("c1", "c2")), ev.RunStarted(2, 0), *answered("c1", "client"), *answered("c2", "client"))
    return story.turn(Text("It is"), Text(" warm."))(ev.RunCompleted())


def written() -> Teller:
    """The writer's text is the answer."""
    story = Teller()(ev.RunStarted(1, 0)).turn(*look(0, '{"final":true}', name="transfer_to_writer"))
    story(ev.AgentStarted("c1", "writer", "t"))
    behind: list[ev.Event] = [
        ev.CallAnswered("c1", "m2", "ok", "agent"),
        ev.AgentFinished("c1", "writer", "ok", Usage()),
    ]
    return story.turn(Text("Once "), Text("upon"), agent="writer", behind=behind)(ev.RunCompleted())


def cancelled() -> Teller:
    story = Teller()(ev.RunStarted(1, 0)).half(Text("Hal"), Text("f a "))
    return story.stopped(ev.CancelRequested(), ev.RunCancelled())


def failed_in_a_call() -> Teller:
    story = Teller()(ev.RunStarted(1, 0)).half(Text("Wait."), *look(0, '{"c'), *look(1, "{}"))
    return story.stopped(ev.RunFailed("upstream_error", "away"))


def taken_over() -> Teller:
    """The first owner dies in mid-sentence; the second one begins the turn again, with other words."""
    story = Teller()(ev.RunStarted(1, 0)).half(Text("Half"), Text(" a sentence and a cal"), *look(0, '{"a'))
    return story(ev.RunStarted(2, 1)).turn(Text("Whole."), *look(0, "{}"))(ev.ActionRequired(("c2",)))


STORIES = [plain, held, delegated, paused, written, cancelled, failed_in_a_call, taken_over]


def by_letter(events: Iterable[ev.Event]) -> list[ev.Event]:
    """The same story in deltas of one code point, so that it can be cut inside any of them."""
    result: list[ev.Event] = []
    for event in events:
        match event:
            case ev.TextDelta(id, text):
                result += [ev.TextDelta(id, each) for each in text]
            case ev.CallDelta(id, arguments):
                result += [ev.CallDelta(id, each) for each in arguments]
            case _:
                result.append(event)
    return result


@dataclass
class Reader:
    """One who reads a stream, and notes what it said: the parts in their order, and the durable events."""

    parts: dict[str, str] = field(default_factory=dict)
    void: dict[str, str] = field(default_factory=dict)
    durable: list[ev.Durable] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    fence: int = 0

    def read(self, event: ev.Event) -> None:
        match event:
            case ev.MessageStarted(id) | ev.CallStarted(id):
                assert id not in self.parts, f"{id} starts twice"
                self.parts[id] = ""
                self.open.append(id)
            case ev.TextDelta(id, text) | ev.CallDelta(id, text):
                assert self.open[-1] == id, f"{id} is told behind another part"
                assert text
                self.parts[id] += text
            case ev.AgentProgress():
                pass
            case _:
                self.note(event)

    def note(self, event: ev.Durable) -> None:
        self.durable.append(event)
        match event:
            case ev.MessageCompleted(id, _, text) | ev.CallCompleted(id, _, text):
                self.complete(id, text)
            case ev.RunStarted(fence) if fence > self.fence:
                self.fence = fence
                self.void.update({id: self.parts.pop(id) for id in self.open})
                self.open.clear()

    def complete(self, id: str, text: str) -> None:
        assert self.parts.get(id) == text, f"{id} was told as {self.parts.get(id)!r}, and is {text!r}"
        self.open.remove(id)


def read(*streams: Iterable[ev.Event]) -> Reader:
    reader = Reader()
    for stream in streams:
        for event in stream:
            reader.read(event)
    return reader


def told_again(work: Work, after: Position) -> list[ev.Event]:
    """What a follower who comes back gets first."""
    events: list[ev.Event] = []
    rest = replay(work.journal, after)
    while True:
        try:
            events.append(next(rest))
        except StopIteration as end:
            return [*events, *retell_open(work.open_parts, end.value)]


@pytest.fixture(params=STORIES, ids=lambda story: str(story.__name__))
def story(request: pytest.FixtureRequest) -> list[ev.Event]:
    events: list[ev.Event] = by_letter(request.param().events)
    return events


def test_the_story_itself_is_sound(story: list[ev.Event]) -> None:
    reader = read(story)
    assert not reader.open
    assert list(accumulate(story, advance, initial=Position()))[-1] == Position(len(reader.durable), 0)


def test_a_stream_cut_anywhere_is_taken_up_at_any_time(story: list[ev.Event]) -> None:
    """Seen up to a cut, then told the rest at some later moment, a turn being open or not, then on to the end."""
    whole = read(story)
    positions = list(accumulate(story, advance, initial=Position()))
    for moment in range(len(story) + 1):
        work = work_of(story[:moment])
        for cut in range(moment + 1):
            reader = read(story[:cut], told_again(work, positions[cut]), story[moment:])
            assert reader.parts == whole.parts
            assert reader.durable == whole.durable
            assert not reader.open


def test_a_stream_cut_anywhere_is_taken_up_from_the_journal_alone(story: list[ev.Event]) -> None:
    whole = read(story)
    stored = [journal.decode(journal.encode(event)) for event in whole.durable]
    for cut, position in enumerate(accumulate(story, advance, initial=Position())):
        reader = read(story[:cut], replay(stored, Position.parse(str(position))))
        assert (reader.parts, reader.durable) == (whole.parts, whole.durable)


def test_what_is_told_again_leads_to_the_place_where_the_stream_is(story: list[ev.Event]) -> None:
    """The positions of a follower who came back are those of one who was there from the start."""
    positions = list(accumulate(story, advance, initial=Position()))
    for moment in range(len(story) + 1):
        work = work_of(story[:moment])
        for cut in range(moment + 1):
            assert reduce(advance, told_again(work, positions[cut]), positions[cut]) == positions[moment]


async def test_following_while_the_turn_is_open(story: list[ev.Event]) -> None:
    """The same through `Work.follow`, which goes on with what happens next."""
    positions = list(accumulate(story, advance, initial=Position()))
    whole = read(story)
    for moment in range(0, len(story), 3):
        for cut in range(0, moment + 1, 2):
            seen = [*story[:cut], *await followed(story, moment, positions[cut])]
            reader = read(seen)
            assert (reader.parts, reader.durable) == (whole.parts, whole.durable)


async def followed(story: Sequence[ev.Event], moment: int, after: Position) -> list[ev.Event]:
    """Join a run at a moment, and hear it out."""
    work = work_of(story[:moment])
    events: list[ev.Event] = []
    async with aclosing(work.follow(after)) as batches:
        if moment > 0 and told_again(work, after):
            events += await anext(batches)
        listener = asyncio.ensure_future(anext(batches))
        await asyncio.sleep(0)  # it waits now
        happen(work, story[moment:])
        work.end()
        events += await listener
        async for batch in batches:
            events += batch
    return events


async def test_one_who_comes_when_all_is_over_hears_it_all(story: list[ev.Event]) -> None:
    work = work_of(story)
    work.end()
    heard = [event async for batch in work.follow(Position()) for event in batch]
    reader, whole = read(heard), read(story)
    assert (reader.parts, reader.durable) == (whole.parts, whole.durable)
    nothing = [batch async for batch in work.follow(Position(len(whole.durable)))]
    assert nothing == []


def test_no_progress_is_told_again() -> None:
    story = delegated().events
    assert any(isinstance(event, ev.AgentProgress) for event in story)
    assert not any(isinstance(event, ev.AgentProgress) for event in told_again(work_of(story), Position()))


def test_a_part_that_was_told_half_is_completed_by_one_delta() -> None:
    story = plain().events
    journalled = [event for event in story if isinstance(event, DURABLE)]
    rest = list(replay(journalled, Position(1, 3)))
    assert rest[0] == ev.TextDelta("m1", "llo 😀")
    assert isinstance(rest[1], ev.MessageCompleted)
    assert next(replay(journalled, Position(1, 9))) == journalled[1]


def test_a_new_owner_begins_the_turn_anew() -> None:
    story = taken_over().events
    journalled = [event for event in story if isinstance(event, DURABLE)]
    rest = list(replay(journalled, Position(1, 5)))
    assert isinstance(rest[0], ev.RunStarted)
    assert rest[1] == ev.MessageStarted("m2", "supervisor")
    assert rest[2] == ev.TextDelta("m2", "Whole.")
