"""Rows of who works on what."""

from __future__ import annotations

from functools import reduce

from agents.models.port import Usage
from graph import events as ev
from servers.terminal.board import WORKING, Board

STARTED: list[ev.Event] = [
    ev.AgentStarted("c1", "researcher", "find it", at=1_000),
    ev.AgentStarted("c2", "analyst", "work it out", at=1_200),
]


def board(*events: ev.Event) -> Board:
    return reduce(Board.after, events, Board())


def test_agents_stand_in_the_order_in_which_they_began() -> None:
    rows = list(board(*STARTED).rows.values())
    assert [(row.agent, row.task, row.status) for row in rows] == [
        ("researcher", "find it", WORKING),
        ("analyst", "work it out", WORKING),
    ]


def test_the_board_is_busy_until_the_last_has_ended() -> None:
    first = ev.AgentFinished("c1", "researcher", "ok", Usage(10, 5), at=2_500)
    assert board(*STARTED, first).busy
    assert not board(*STARTED, first, ev.AgentFinished("c2", "analyst", "timeout", Usage(), at=3_000)).busy


def test_a_row_tells_time_tokens_and_tools() -> None:
    used = (
        ev.AgentCall("tool", "search", "{}", "", "ok", 1_000, 1_100),
        ev.AgentCall("model", "offline", "", "", "ok", 1_100, 2_500),
    )
    row = board(*STARTED, ev.AgentFinished("c1", "researcher", "ok", Usage(10, 5), used, at=2_500)).rows["c1"]
    assert (row.status, row.tokens, row.tools, row.seconds(9_999)) == ("ok", 15, ("search",), 1.5)


def test_who_still_works_is_measured_by_now() -> None:
    assert board(*STARTED).rows["c2"].seconds(2_200) == 1.0


def test_the_writer_whose_text_is_the_answer_is_counted_by_its_turn() -> None:
    events: list[ev.Event] = [
        ev.AgentStarted("c3", "writer", "write it", at=1_000),
        ev.AgentFinished("c3", "writer", "ok", Usage(), at=2_000),
        ev.TurnCompleted("writer", "m", (), "stop", "offline", Usage(20, 30), at=2_000),
    ]
    assert board(*events).rows["c3"].tokens == 50


def test_a_lone_agent_shows_its_tools_as_rows() -> None:
    events: list[ev.Event] = [
        ev.CallCompleted("c4", "search", '{"query": "x"}', "server", at=1_000),
        ev.CallAnswered("c4", "found", "ok", "server", at=1_300),
    ]
    row = board(*events).rows["c4"]
    assert (row.agent, row.status, row.seconds(0)) == ("search", "ok", 0.3)


def test_texts_and_client_calls_make_no_rows() -> None:
    events: list[ev.Event] = [ev.TextDelta("m", "Hi"), ev.CallCompleted("c5", "get_weather", "{}", "client", at=1)]
    assert board(*events).rows == {}
