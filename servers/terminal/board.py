"""Who works on what: a run's events as rows. Pure: it neither prints nor looks at the clock."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from agents.models.port import Usage
from graph import events as ev

WORKING = "works"


@dataclass(frozen=True, slots=True)
class Row:
    """An agent and its task. `status` is `works`, or how it ended; times are epoch milliseconds."""

    agent: str
    task: str
    started_at: int
    status: str = WORKING
    ended_at: int | None = None
    tokens: int = 0
    tools: tuple[str, ...] = ()

    def seconds(self, now: int) -> float:
        """How long it has worked."""
        return ((self.ended_at or now) - self.started_at) / 1000


@dataclass(frozen=True, slots=True)
class Board:
    """The rows of a run, in the order in which work began."""

    rows: dict[str, Row] = field(default_factory=dict)

    @property
    def busy(self) -> bool:
        """Whether somebody is at work."""
        return any(row.status == WORKING for row in self.rows.values())

    def after(self, event: ev.Event) -> Board:
        """The board after an event."""
        match event:
            case ev.AgentStarted(call_id, agent, task, at):
                return self._with(call_id, Row(agent, task, at))
            case ev.AgentFinished(call_id, _, status, usage, calls, at) if call_id in self.rows:
                tools = tuple(call.name for call in calls if call.kind == "tool")
                return self._ended(call_id, status, usage, tools, at)
            case ev.CallCompleted(call_id, name, arguments, "server", at):
                return self._with(call_id, Row(name, arguments, at))
            case ev.CallAnswered(call_id, _, status, "server", _, at) if call_id in self.rows:
                return self._ended(call_id, status, Usage(), (), at)
            case ev.TurnCompleted(agent, usage=usage):
                return self._counted(agent, usage)
            case _:
                return self

    def _ended(self, call_id: str, status: str, usage: Usage, tools: tuple[str, ...], at: int) -> Board:
        row = self.rows[call_id]
        tokens = row.tokens + usage.total_tokens
        return self._with(call_id, replace(row, status=status, ended_at=at, tokens=tokens, tools=tools))

    def _counted(self, agent: str, usage: Usage) -> Board:
        """A turn that was told after its agent's row had ended: the writer whose text is the answer."""
        last = next((id for id, row in reversed(self.rows.items()) if row.agent == agent), None)
        return self if last is None else self._with(last, replace(self.rows[last], tokens=usage.total_tokens))

    def _with(self, call_id: str, row: Row) -> Board:
        return Board({**self.rows, call_id: row})
