"""Teams and tools that somebody gives to a server."""

from __future__ import annotations

from typing import Any

import pytest

from agents import TEAM, Agent
from agents.tools import TOOLS
from servers.settings import AGENTS
from servers.team import Team, team_of

ACCOUNTANT = Agent("accountant", "Knows the ledger.", "Account.", ("ledger", "python"))


def ledger(year: int) -> str:
    """What was spent in a year."""
    return f"{year}: 7"


def test_nothing_given_is_the_built_in_team() -> None:
    assert team_of(None) == Team()
    assert Team().agents == TEAM
    assert Team().crew(TOOLS).names == AGENTS


def test_a_team_of_ones_own() -> None:
    leads = Agent("supervisor", "Leads.", "Lead.")
    team = team_of([ACCOUNTANT, leads], [ledger], {"accountant": "openai:gpt-4o", "supervisor": "offline"})
    crew = team.crew(TOOLS)
    assert crew.names == ("supervisor", "accountant")
    assert crew.leader is leads
    assert set(crew.registered) == {"ledger"}
    assert crew.tools_of(ACCOUNTANT) == {"ledger": team.tools["ledger"], "python": TOOLS["python"]}
    assert team.models["accountant"] == "openai:gpt-4o"


@pytest.mark.parametrize(
    ("agents", "models", "told"),
    [
        ([], None, "at least one agent"),
        ([ACCOUNTANT], None, "'ledger' that is not there; there are: search, python"),
        (None, {"accountant": "offline"}, "no agent 'accountant'"),
    ],
)
def test_what_can_not_work(agents: Any, models: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        team_of(agents, (), models)
