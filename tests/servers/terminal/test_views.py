"""A run as a terminal shows it."""

from __future__ import annotations

from collections.abc import Iterable
from io import StringIO

import pytest

from agents.models.port import Usage
from graph import events as ev
from servers.terminal.views import Alive, Lines, View, printable

EVENTS: list[ev.Event] = [
    ev.MessageStarted("m1", "supervisor"),
    ev.TextDelta("m1", "I will ask."),
    ev.AgentStarted("c1", "researcher", "find\nit", at=1_000),
    ev.AgentFinished(
        "c1", "researcher", "ok", Usage(10, 5), (ev.AgentCall("tool", "search", "", "", "ok", 0, 0),), at=2_500
    ),
    ev.MessageStarted("m2", "supervisor"),
    ev.TextDelta("m2", "Here "),
    ev.TextDelta("m2", "it is."),
]


def show(view: View, events: Iterable[ev.Event]) -> None:
    for event in events:
        view.show(event)
    view.close()


def test_lines_keep_the_answer_apart_from_the_work() -> None:
    out, err = StringIO(), StringIO()
    show(Lines(out, err), EVENTS)
    assert out.getvalue() == "I will ask.\n\nHere it is.\n"
    assert err.getvalue().splitlines() == [
        "researcher: find it",
        "researcher: ok after 1.5 s, 15 tokens, used search",
    ]


def test_nothing_said_prints_nothing() -> None:
    out = StringIO()
    show(Lines(out, StringIO()), [])
    assert out.getvalue() == ""


def test_the_table_shows_each_row_once(capsys: pytest.CaptureFixture[str]) -> None:
    out = StringIO()
    view = Alive(out)
    for event in EVENTS[:3]:
        view.show(event)
    assert view.__rich__().row_count == 1
    for event in EVENTS[3:]:
        view.show(event)
    assert view.__rich__().row_count == 0
    view.close()
    assert out.getvalue() == "I will ask.\n\nHere it is.\n"
    assert capsys.readouterr().out.count("find it") >= 1


def test_an_answer_can_not_steer_the_terminal() -> None:
    assert printable("a\x1b[31mb\u202ec\nd\te") == "a[31mbc\nd\te"
