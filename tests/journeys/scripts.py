"""What the scripted upstream plays: an echo, and a small team that plans by the request's words."""

from __future__ import annotations

import re
from typing import Any

from tests.journeys.stage import spoken
from tests.replies import Reply, transfer
from tests.upstream import Body, agent_of

FINDINGS = "Found: frameworks became teams of agents 【1†notes】."
ANALYSIS = "Two trends stand out: teams and tools."
REPORT = "# Report\n\nAgents work in teams, and they use tools."

_PLANS = (("research", "researcher"), ("analy", "analyst"), ("report", "writer"), ("story", "writer"))
_SAID = {"researcher": FINDINGS, "analyst": ANALYSIS, "writer": REPORT}


def echo(text: str) -> str:
    """An answer that says whose it is; with `replying`, a script."""
    return f"You said {text}."


def told(*texts: str) -> list[tuple[str, str]]:
    """The prompt of a conversation with an echo, in which the user has said all this: only the last has no answer yet."""
    *before, last = texts
    turns = [pair for text in before for pair in (("user", text), ("assistant", echo(text)))]
    return [*turns, ("user", last)]


def team(body: Body) -> Reply:
    """Researcher, analyst and writer one after the other, each if the request asks for it; then the answer.

    The writer's text is the answer. Everything else comes from the messages alone: what is not in them is not known.
    """
    agent = agent_of(body)
    return _lead(spoken(body)) if agent == "supervisor" else Reply(_SAID[agent])


def _lead(messages: list[tuple[str, Any]]) -> Reply:
    newest = max(at for at, (role, _) in enumerate(messages) if role == "user")
    request, outputs = str(messages[newest][1]), [content for role, content in messages[newest:] if role == "tool"]
    waiting = _agents(request)[len(outputs) :]
    if waiting:
        final = {"final": True} if waiting == ["writer"] else {}
        return Reply(calls=[transfer(waiting[0], request, **final)])
    return Reply("\n\n".join(map(str, outputs)) or _from_memory(request, messages[:newest]))


def _agents(request: str) -> list[str]:
    return list(dict.fromkeys(agent for word, agent in _PLANS if word in request.lower()))


def _from_memory(request: str, earlier: list[tuple[str, Any]]) -> str:
    names = [found[1] for _, text in earlier if (found := re.search(r"My name is (\w+)", str(text)))]
    answers = [str(text) for role, text in earlier if role == "assistant"]
    if "name?" in request:
        return f"Your name is {names[-1]}." if names else "You have not told me."
    if "findings" in request:
        return f"In short: {answers[-1]}" if answers else "There are none."
    return "Hello, I am the team."
