"""`step`, the one rule for what comes next: every row of it, and that a run always comes to its end."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.models.port import FinishReason, Usage
from graph.items import Answer, Call, CallKind, Item, Message, Turn
from graph.state import Ask, Do, End, Move, Wait, Write, agent_name, arguments_of, is_final, newest_turn, step

MAX_TURNS = 6


def call(number: int, kind: CallKind = "delegation", name: str = "transfer_to_researcher", arguments: str = "") -> Call:
    return Call(f"c{number}", name, arguments or '{"task":"look"}', kind)


def writer(number: int, final: str = "true") -> Call:
    return call(number, name="transfer_to_writer", arguments=f'{{"task":"write","final":{final}}}')


def turn(*calls: Call, text: str = "", finish: FinishReason = "stop", agent: str = "supervisor") -> list[Item]:
    """A turn as its commit folds: the text, the calls, then the turn itself."""
    said: list[Item] = [Message("m", agent, text, "completed", "answer")] if text else []
    ids = tuple(each.id for each in calls)
    return [*said, *calls, Turn(agent, "m" if text else None, ids, finish, "model", Usage())]


def answer(each: Call, status: str = "ok") -> Answer:
    return Answer(each.id, "output", "ok" if status == "ok" else "error", "agent")


ONE, TWO = call(1), call(2)
MINE, OTHER = call(3, "client", "get_weather"), call(4, "client", "get_time")
SERVER, UNKNOWN = call(5, "server", "run_code"), call(6, "server", "no_such_tool")
FINAL = writer(7)

ROWS: dict[str, tuple[list[Item], Move]] = {
    "nothing yet": ([], Ask()),
    "loose calls before their turn stood": ([ONE, MINE], Ask()),
    "an answer": (turn(text="Hello."), End()),
    "one delegation": (turn(ONE), Do((ONE,))),
    "two delegations": (turn(ONE, TWO), Do((ONE, TWO))),
    "one of two answered": ([*turn(ONE, TWO), answer(TWO)], Do((ONE,))),
    "all answered": ([*turn(ONE, TWO), answer(TWO), answer(ONE)], Ask()),
    "answered with an error": ([*turn(ONE), answer(ONE, "error")], Ask()),
    "words before a call": (turn(ONE, text="I will ask."), Do((ONE,))),
    "a server tool": (turn(SERVER), Do((SERVER,))),
    "an unknown name": (turn(UNKNOWN), Do((UNKNOWN,))),
    "the final writer alone": (turn(FINAL), Write(FINAL)),
    "the final writer after words": (turn(FINAL, text="The writer will do it."), Write(FINAL)),
    "the final writer in company": (turn(FINAL, ONE), Do((FINAL, ONE))),
    "the final writer, left over in company": ([*turn(FINAL, ONE), answer(ONE)], Do((FINAL,))),
    "the final writer beside a client's call": (turn(FINAL, MINE), Do((FINAL,))),
    "the final writer, failed": ([*turn(FINAL), answer(FINAL, "error")], Ask()),
    "the final writer, done": ([*turn(FINAL), *turn(text="Text.", agent="writer"), answer(FINAL)], End()),
    "the writer, not final": (turn(writer(8, "false")), Do((writer(8, "false"),))),
    "final, but no boolean": (turn(writer(8, '"true"')), Do((writer(8, '"true"'),))),
    "client calls": (turn(MINE, OTHER), Wait((MINE, OTHER))),
    "a client call answered": ([*turn(MINE, OTHER), answer(MINE)], Wait((OTHER,))),
    "client calls answered": ([*turn(MINE, OTHER), answer(OTHER), answer(MINE)], Ask()),
    "mixed: inside first": (turn(MINE, ONE, OTHER), Do((ONE,))),
    "mixed: then the client": ([*turn(MINE, ONE, OTHER), answer(ONE)], Wait((MINE, OTHER))),
    "mixed: all outputs are there": ([*turn(MINE, ONE), answer(ONE), answer(MINE)], Ask()),
    "a second pause lists only what is new": ([*turn(MINE), answer(MINE), *turn(OTHER)], Wait((OTHER,))),
    "an earlier turn is over": ([*turn(ONE), answer(ONE), *turn(TWO)], Do((TWO,))),
    "an empty turn is asked once more": (turn(), Ask()),
    "an empty turn after findings": ([*turn(ONE), answer(ONE), *turn()], Ask()),
    "calls announced, none made": (turn(finish="tool_calls"), Ask()),
    "two empty turns": ([*turn(), *turn()], End()),
    "an empty turn, then words": ([*turn(), *turn(text="Here.")], End()),
    "silence by the filter": (turn(finish="content_filter"), End()),
    "a cut before the first word": (turn(finish="length"), End()),
    "an answer cut short": (turn(text="Half", finish="length"), End()),
    "calls cut short": (turn(ONE, finish="length"), Do((ONE,))),
}


@pytest.mark.parametrize("name", ROWS)
def test_every_row(name: str) -> None:
    items, move = ROWS[name]
    assert step(items) == move


def test_a_renamed_transfer_is_still_the_writer() -> None:
    ours = call(1, name="team_transfer_to_writer", arguments='{"task":"t","final":true}')
    assert step(turn(ours)) == Write(ours)
    assert agent_name(ours.name) == "writer"
    assert agent_name("transfer_to_researcher") == "researcher"
    assert agent_name("search") == "search"


def test_a_client_tool_called_like_the_writer_is_the_clients() -> None:
    theirs = call(1, "client", "transfer_to_writer", '{"final":true}')
    assert not is_final(theirs)
    assert step(turn(theirs)) == Wait((theirs,))


@pytest.mark.parametrize("arguments", ["", "{", "[1]", "null", '"x"', "{}{}", "\ud800", "[" * 2000])
def test_arguments_that_are_no_object_are_empty(arguments: str) -> None:
    broken = Call("c1", "transfer_to_writer", arguments, "delegation")
    assert arguments_of(broken) == {}
    assert step(turn(broken)) == Do((broken,))


class Team:
    """A team that does whatever it is told to, at random, and checks what it is told."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data
        self.items: list[Item] = []
        self.turns = 0
        self.made = 0

    def run(self) -> None:
        """Work until the end; each round adds an answer or a turn, so this many are enough."""
        for _ in range(4 * (MAX_TURNS + 2)):
            move = step(self.items)
            self.check(move)
            if isinstance(move, End):
                return
            self.obey(move)
        pytest.fail("the run does not come to its end")

    def check(self, move: Move) -> None:
        answered = {item.call_id for item in self.items if isinstance(item, Answer)}
        match move:
            case Do(calls) | Wait(calls):
                assert calls
                assert answered.isdisjoint(each.id for each in calls)
                assert all((each.kind == "client") == isinstance(move, Wait) for each in calls)
            case Write(each):
                assert each.id not in answered
            case Ask() | End():
                assert answered == {item.id for item in self.items if isinstance(item, Call)}

    def obey(self, move: Move) -> None:
        match move:
            case Ask():
                self.items += self.take()
            case Do(calls):
                self.items += self.some_answers(calls)
            case Wait(calls):
                self.items += [Answer(each.id, "given", "ok", "client") for each in calls]
            case Write(each):
                self.items += self.write(each)
            case End():
                pass

    def take(self) -> list[Item]:
        """As the engine's turns are: the last one has no tools, and a second empty one is answered from the findings."""
        self.turns += 1
        asked_before = any(isinstance(item, Turn) and not item.call_ids and not item.message_id for item in self.items)
        if self.turns >= MAX_TURNS:
            return turn(text="That is all.")
        kinds = self.data.draw(st.lists(st.sampled_from(["agent", "final", "server", "client"]), max_size=3))
        text = self.data.draw(st.sampled_from(["", "Words."])) or ("Found." if asked_before and not kinds else "")
        return turn(*map(self.new_call, kinds), text=text)

    def new_call(self, kind: str) -> Call:
        self.made += 1
        match kind:
            case "client":
                return call(self.made, "client", "get_weather")
            case "server":
                return call(self.made, "server", "no_such_tool")
            case "final":
                return writer(self.made)
            case _:
                return call(self.made)

    def some_answers(self, calls: Sequence[Call]) -> list[Item]:
        """Some finish, in any order; the others were interrupted, and have to be dispatched again."""
        done = self.data.draw(st.permutations(calls))[: self.data.draw(st.integers(1, len(calls)))]
        return [answer(each, self.data.draw(st.sampled_from(["ok", "error"]))) for each in done]

    def write(self, each: Call) -> list[Item]:
        if self.data.draw(st.booleans()):
            return [answer(each, "error")]
        return [
            Message("m", "writer", "Text.", "completed", "answer"),
            answer(each),
            *turn(agent="writer", text="Text."),
        ]


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.data())
def test_any_team_comes_to_an_end_and_no_call_is_answered_twice(data: st.DataObject) -> None:
    team = Team(data)
    team.run()
    answers = [item.call_id for item in team.items if isinstance(item, Answer)]
    assert len(answers) == len(set(answers))
    last = newest_turn(team.items)
    assert last is not None
    assert not last.call_ids
    assert last.message_id
