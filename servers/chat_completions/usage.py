"""What an answer cost, and what the team did for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from agents.models.port import Usage
from agents.tools.port import Made
from graph.items import Answer
from graph.run import Run


@dataclass(frozen=True, slots=True)
class Tokens:
    """The request's messages as sent, and the answer as shown (all its choices): both can be checked with tiktoken."""

    prompt: int
    completion: int


def together(runs: Sequence[Run]) -> Run:
    """The run that speaks for all choices of an answer: the first, with the agents and the usage of all."""
    first, *others = runs
    if not others:
        return first
    agents = dict.fromkeys(agent for run in runs for agent in run.agents_used)
    spent: dict[str, Usage] = {}
    for run in runs:
        for agent, used in run.usage_by_agent.items():
            spent[agent] = spent.get(agent, Usage()) + used
    return replace(first, agents_used=tuple(agents), usage_by_agent=spent)


def usage(tokens: Tokens, run: Run) -> dict[str, Any]:
    """OpenAI's `usage`, with all its details, and the agents again: LangChain keeps unknown keys here alone."""
    return {
        "prompt_tokens": tokens.prompt,
        "completion_tokens": tokens.completion,
        "total_tokens": tokens.prompt + tokens.completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
        "agents_used": list(run.agents_used),
    }


def metadata(run: Run, at: int) -> dict[str, Any]:
    """What the team did, since the run's start; `at` is now, in epoch milliseconds."""
    began = run.created_at if run.started_at is None else run.started_at
    told: dict[str, Any] = {
        "agents_used": list(run.agents_used),
        "iterations": run.iterations,
        "execution_time_seconds": max(0, (run.ended_at or at) - began) / 1000,
        "usage_total": _spent(run.usage_total),
        "usage_by_agent": {agent: _spent(used) for agent, used in run.usage_by_agent.items()},
        "run_id": f"run_{run.id}",
        "thread_id": f"thread_{run.conversation_id}",
    }
    if made := _made(run):
        told["files"] = [{"id": each.file_id, "name": each.name} for each in made]
    if run.truncated_messages:
        told["truncated_messages"] = run.truncated_messages
    return told


def _made(run: Run) -> list[Made]:
    """The files that programs have made; of those of one name, the newest."""
    made = (each for item in run.items if isinstance(item, Answer) for each in item.made)
    return list({each.name: each for each in made}.values())


def _spent(used: Usage) -> dict[str, int]:
    return {
        "prompt_tokens": used.prompt_tokens,
        "completion_tokens": used.completion_tokens,
        "total_tokens": used.total_tokens,
    }
