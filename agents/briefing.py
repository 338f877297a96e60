"""What an agent gets to read: its instructions, the user's newest words, earlier findings, its task.

The headings are part of the prompt, and what the offline model reads its task by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agents.agent import Agent
from agents.models.port import Message, Part, TextPart

REQUEST = "# The user's request"
FINDINGS = "# Findings of the "
TASK = "# Your task"


@dataclass(frozen=True, slots=True)
class Finding:
    """What an agent of this run has reported."""

    agent: str
    text: str


def brief(
    agent: Agent, task: str, request: str, findings: Sequence[Finding], attached: Sequence[Part] = ()
) -> list[Message]:
    """The prompt of an agent that was given a task. `attached` are the images and files that came with the request."""
    sections = [f"{REQUEST}\n\n{request}"] if request else []
    sections += [f"{FINDINGS}{finding.agent}\n\n{finding.text}" for finding in findings]
    sections.append(f"{TASK}\n\n{task}")
    text = "\n\n".join(sections)
    return [Message("system", agent.instructions), Message("user", (TextPart(text), *attached) if attached else text)]
