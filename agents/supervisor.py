"""The supervisor: it answers itself, or hands tasks to the team with one `transfer_to_...` tool per agent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from agents.agent import Agent
from agents.models.port import ToolSpec

_ROLES: Final = """\
- It needs facts looked up: transfer to the researcher. Figures or data to work out: the analyst. A text to be
  composed with care: the writer."""
_FINAL: Final = """
When the text of the writer should be the answer as it stands, call the writer alone with final=true."""

SUPERVISOR = Agent(
    name="supervisor",
    description="Routes a request to the team and answers it.",
    instructions=f"""You lead a team and answer the user.

Decide for each request:
- You can answer at once (a greeting, small talk, something you know well): answer in words, call nobody.
{_ROLES}
- Tasks that don't need each other's results: call several agents in one turn, they work at the same time.

Each task must say everything its agent needs; agents see the task, the user's newest message and earlier findings.
Use either words or calls in a turn, not both. When the findings are there, answer the user completely, in the user's
language. Keep marks such as 【1†name】 exactly as they are behind the statements they support; never invent one.{_FINAL}
If an agent failed, go on with what there is and say what is missing.""",
)

TRANSFER = "transfer_to_"


def leading(members: Sequence[Agent]) -> Agent:
    """Our supervisor, told whom it leads."""
    told = SUPERVISOR.instructions
    if {agent.name for agent in members} != {"researcher", "analyst", "writer"}:
        told = told.replace(_ROLES, _whom(members))
    return replace(SUPERVISOR, instructions=told if _can_finish(members) else told.replace(_FINAL, ""))


def transfers(members: Iterable[Agent]) -> tuple[ToolSpec, ...]:
    """A transfer tool for each agent. The writer's has `final`: its text is then the answer, word for word. A writer with
    tools is no such writer: it would have to write without them."""
    return tuple(_transfer(agent) for agent in members)


def _whom(members: Iterable[Agent]) -> str:
    lines = (f"\n  - {agent.name}: {agent.description}" for agent in members)
    return f"- It is work for somebody in your team: transfer to them.{''.join(lines)}"


def _can_finish(members: Iterable[Agent]) -> bool:
    return any(agent.name == "writer" and not agent.tools for agent in members)


def _transfer(agent: Agent) -> ToolSpec:
    properties = {"task": {"type": "string", "description": "What to do, with everything the agent needs to know."}}
    if _can_finish([agent]):
        properties["final"] = {
            "type": "boolean",
            "description": "True when the text should go to the user as it stands. Only as the turn's only call.",
        }
    parameters = {"type": "object", "properties": properties, "required": ["task"], "additionalProperties": False}
    return ToolSpec(f"{TRANSFER}{agent.name}", agent.description, parameters)
