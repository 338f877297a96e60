"""The room that thinks: prompts, tools, models. To add an agent, write one file and name it here."""

from agents.agent import Agent
from agents.analyst import ANALYST
from agents.researcher import RESEARCHER
from agents.supervisor import SUPERVISOR
from agents.writer import WRITER

TEAM: tuple[Agent, ...] = (RESEARCHER, ANALYST, WRITER)

__all__ = ["ANALYST", "RESEARCHER", "SUPERVISOR", "TEAM", "WRITER", "Agent"]
