"""What the scripted upstream can play, by name: the first part of its URL's path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

from benchmarks.tokens import stamped, tokens
from tests.replies import Reply, transfer
from tests.upstream import agent_of, team_script

Body = dict[str, Any]
Script = Callable[[Body], Reply]

PACE = 0.1  # seconds between two tokens of a paced stream
STAMPED = 30  # tokens of a stream that tells when each was written
BRANCH = 0.2  # seconds that each of the parallel agents takes
TEAM = ("researcher", "analyst", "writer")


def profiles() -> Mapping[str, Script]:
    """Every script: the reply to a request's body."""
    chat, long = Reply(chunks=tokens(64)), Reply(chunks=tokens(200))
    return {
        "chat64": lambda body: chat,
        "stream200": lambda body: long,
        "team": cast(Script, team_script(chat)),  # this one never waits
        "parallel": _parallel(chat),
        "paced": _fixed(Reply(chunks=tokens(3000), delay=PACE)),
        "paced60": _fixed(Reply(chunks=tokens(60), delay=PACE)),
        "stamped": _fixed(Reply(chunks=stamped(STAMPED), delay=PACE)),
    }


def _fixed(reply: Reply) -> Script:
    return lambda body: reply


def _parallel(answer: Reply) -> Script:
    """The supervisor calls all agents in its first turn; each of them takes its time."""
    everybody = Reply(calls=[transfer(agent) for agent in TEAM])
    slow = replace(answer, first_delay=BRANCH)

    def script(body: Body) -> Reply:
        if agent_of(body) != "supervisor":
            return slow
        answered = any(message["role"] == "tool" for message in body["messages"])
        return answer if answered else everybody

    return script
