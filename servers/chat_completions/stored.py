"""Completions that were asked to be kept (`store`), as they are put away and shown again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from graph.completions import Completion, Completions, SentMessage

DELETED: Final = "chat.completion.deleted"


@dataclass(frozen=True, slots=True)
class Keeper:
    """Keeps the completion of one request: its `messages` as they were sent, its `metadata` as the completion's own."""

    completions: Completions
    tenant: str
    messages: Sequence[Mapping[str, Any]]
    metadata: Mapping[str, str]

    async def keep(self, completion: Mapping[str, Any]) -> None:
        """Write the completion, as its answer says it. What the team did is told as `run`, since `metadata` is the
        client's."""
        body = {name: value for name, value in completion.items() if name != "metadata"} | {
            "run": completion["metadata"]
        }
        await self.completions.keep(
            self.tenant, completion["id"], completion["model"], body, self.messages, self.metadata
        )


def shown_completion(stored: Completion) -> dict[str, Any]:
    """A stored completion on the wire."""
    return {**stored.body, "metadata": stored.metadata}


def shown_message(sent: SentMessage) -> dict[str, Any]:
    """A message of a stored completion on the wire: what was sent, its parts apart from its text."""
    content = sent.fields.get("content")
    parts = content if isinstance(content, list) else None
    given = {name: value for name, value in sent.fields.items() if value is not None}
    return {
        "refusal": None,
        "name": None,
        **given,
        "id": sent.id,
        "content": content if parts is None else None,
        "content_parts": parts,
    }


def deleted(id: str) -> dict[str, Any]:
    """What is left of a completion."""
    return {"object": DELETED, "id": id, "deleted": True}
