"""Our supervisor: what it is told of those whom it leads, and how it hands work over."""

from __future__ import annotations

from dataclasses import replace

from agents import ANALYST, RESEARCHER, SUPERVISOR, TEAM, WRITER, Agent
from agents.supervisor import leading, transfers

ACCOUNTANT = Agent("accountant", "Knows the ledger.", "You are the accountant.")
ARMED = replace(WRITER, tools=("search",))


def test_the_team_needs_no_description() -> None:
    assert leading(TEAM) == SUPERVISOR


def test_others_are_described() -> None:
    told = leading((ACCOUNTANT, WRITER)).instructions
    assert "- accountant: Knows the ledger." in told
    assert "researcher" not in told
    assert "final=true" in told
    assert told.startswith("You lead a team")


def test_without_a_writer_nothing_is_said_about_one() -> None:
    assert "final" not in leading((ACCOUNTANT,)).instructions
    assert "final" in SUPERVISOR.instructions


def test_a_writer_that_needs_tools_cannot_have_the_last_word() -> None:
    assert "final=true" not in leading((RESEARCHER, ANALYST, ARMED)).instructions
    [plain, with_tools] = transfers([WRITER, ARMED])
    assert plain.parameters is not None
    assert with_tools.parameters is not None
    assert "final" in plain.parameters["properties"]
    assert "final" not in with_tools.parameters["properties"]
