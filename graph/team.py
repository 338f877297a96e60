"""The team as a LangGraph graph: a supervisor, and the agents it sends calls to.

A run enters the graph where it branches; what has one way to go is done without it (docs/decisions/0011).

Nodes emit events; tokens go past the graph. The supervisor's node starts and ends by `step`, so that a fresh run, a
resumed one and one that was taken over enter the same way. No conditional edge stands behind a `Send` target: it would
dispatch its siblings again.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any, Literal, TypedDict

from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command, Send

from graph import delegation, turn
from graph import events as ev
from graph.context import Context
from graph.items import Answer, Call, Item
from graph.state import Ask, Do, End, Move, Wait, Write, step


class State(TypedDict):
    """The run's items, in the order of dispatch."""

    items: Annotated[list[Item], operator.add]


class Sent(TypedDict):
    """What a `Send` target gets: its call, and the items as they stood."""

    call: Call
    items: list[Item]


Team = CompiledStateGraph[State, Context, State, State]


@cache
def build_team() -> Team:
    """The compiled graph; one for the whole process."""
    graph: StateGraph[State, Context, State, State] = StateGraph(State, context_schema=Context)
    graph.add_node("supervisor", _supervisor)
    graph.add_node("worker", _worker)
    graph.add_node("answerer", _answerer)
    graph.add_edge(START, "supervisor")
    graph.add_edge("worker", "supervisor")
    return graph.compile()


async def run_team(team: Team, context: Context, items: Sequence[Item]) -> None:
    """Let the team work on from these items until `step` says that it ended, or waits for the client."""
    left = await _straight_on(context, list(items))
    if left is None:
        return
    config: RunnableConfig = {"recursion_limit": 2 * context.limits.max_iterations + 6}
    async for _ in team.astream({"items": left}, config, context=context, stream_mode=[]):
        pass  # nodes emit past the graph; `ainvoke` streams values that nobody reads, a tenth of the graph's cost


async def _straight_on(context: Context, items: list[Item]) -> list[Item] | None:
    """Make single moves, one after the other, as the nodes would: a turn, or one call answered. Returns the items where
    the graph is needed, for several calls at once or a final writer; None when there is nothing more to do."""
    while True:
        match step(items):
            case Ask():
                items = [*items, *await turn.take(context, items)]
            case Do((call,)):
                items = [*items, await delegation.answer(context, call, items)]
            case Wait() | End():
                return None
            case Do() | Write():
                return items


async def _supervisor(
    state: State, runtime: Runtime[Context]
) -> Command[Literal["supervisor", "worker", "answerer", "__end__"]]:
    """The entry agent: the supervisor, or the one agent that works alone."""
    context, items = runtime.context, state["items"]
    move = step(items)
    if isinstance(move, Ask):
        said = await turn.take(context, items)
        items = [*items, *said]
        return Command(update={"items": said}, goto=_goto(step(items), items))
    if isinstance(move, Wait):
        await context.record(ev.ActionRequired(tuple(call.id for call in move.calls)))
    return Command(goto=_goto(move, items))


async def _worker(state: Sent, runtime: Runtime[Context]) -> dict[str, list[Answer]]:
    """An agent or a server tool, answering one call."""
    return {"items": [await delegation.answer(runtime.context, state["call"], state["items"])]}


async def _answerer(state: Sent, runtime: Runtime[Context]) -> Command[Literal["supervisor", "__end__"]]:
    """The writer, whose text is the answer. If it fails before its first word the supervisor goes on."""
    said = await turn.write(runtime.context, state["call"], state["items"])
    return Command(update={"items": said}, goto=_goto(step([*state["items"], *said]), []))


def _goto(move: Move, items: list[Item]) -> Any:
    match move:
        case Ask():
            return "supervisor"
        case Do(calls):
            return [Send("worker", Sent(call=call, items=items)) for call in calls]
        case Write(call):
            return [Send("answerer", Sent(call=call, items=items))]
        case Wait() | End():
            return END
