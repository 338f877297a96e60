"""A message as the conversation log keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import orjson

from agents.models.port import FilePart, ImagePart, Message, Part, Role, TextPart, ToolCall
from agents.tools.port import Source
from graph.compact import compact
from graph.items import Annotation, MessageStatus, Phase
from graph.storage.port import Document, Put

IncompleteReason = Literal["content_filter", "max_tokens", "run_cancelled", "run_expired", "run_failed"]


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """`hidden` messages are a client's calls and their outputs: part of every prompt, of no list of messages.

    `tokens` counts the message for the window. `digest` and `chain` stand on the last message of each unit (see
    `graph.history`); None means that the next message belongs to the same unit. A `refusal` has its words as text. `at` is when
    it began, `ended_at` when it was whole, if that is another time; epoch milliseconds. `attachments` and `metadata` are the
    client's own; `images` are files that are shown with it and no part of any prompt.
    """

    id: str
    message: Message
    at: int
    run_id: str | None = None
    agent: str | None = None
    phase: Phase | None = None
    status: MessageStatus = "completed"
    hidden: bool = False
    tokens: int = 0
    digest: str | None = None
    chain: str | None = None
    annotations: tuple[Annotation, ...] = ()
    refusal: bool = False
    incomplete_reason: IncompleteReason | None = None
    ended_at: int | None = None
    assistant_id: str | None = None
    attachments: tuple[Mapping[str, Any], ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    images: tuple[str, ...] = ()

    def closing(self, digest: str | None, chain: str | None) -> StoredMessage:
        """The same message as the last one of its unit; with None, as one that is not."""
        return replace(self, digest=digest, chain=chain)


def put(stored: StoredMessage, parent: str, version: int) -> Put:
    """The write of a message's document. Its id and its run are the document's own id and label."""
    fields = to_dict(stored)
    del fields["id"]
    fields.pop("run_id", None)
    return Put("message", stored.id, orjson.dumps(fields), parent=parent, label=stored.run_id, expect=version)


def decode(document: Document) -> StoredMessage:
    return from_dict({"id": document.id, "run_id": document.label, **orjson.loads(document.body)})


def to_dict(stored: StoredMessage) -> dict[str, Any]:
    """A message as plain values. What has its default is left out."""
    message = stored.message
    fields = {
        "id": stored.id,
        "role": message.role,
        "content": _content_out(message.content),
        "name": message.name,
        "calls": [[call.id, call.name, call.arguments] for call in message.tool_calls],
        "tool_call_id": message.tool_call_id,
        "at": stored.at,
        "run_id": stored.run_id,
        "agent": stored.agent,
        "phase": stored.phase,
        "status": stored.status if stored.status != "completed" else None,
        "hidden": stored.hidden,
        "tokens": stored.tokens,
        "digest": stored.digest,
        "chain": stored.chain,
        "annotations": [compact(each) for each in stored.annotations],
        "refusal": stored.refusal,
        "incomplete_reason": stored.incomplete_reason,
        "ended_at": stored.ended_at,
        "assistant_id": stored.assistant_id,
        "attachments": list(stored.attachments),
        "metadata": dict(stored.metadata),
        "images": list(stored.images),
    }
    return {key: value for key, value in fields.items() if value}


def from_dict(fields: Mapping[str, Any]) -> StoredMessage:
    """Read `to_dict` back."""
    role: Role = fields["role"]
    message = Message(
        role,
        _content_in(fields.get("content", "")),
        fields.get("name"),
        tuple(ToolCall(*call) for call in fields.get("calls", ())),
        fields.get("tool_call_id"),
    )
    return StoredMessage(
        fields["id"],
        message,
        fields.get("at", 0),
        run_id=fields.get("run_id"),
        agent=fields.get("agent"),
        phase=fields.get("phase"),
        status=fields.get("status", "completed"),
        hidden=fields.get("hidden", False),
        tokens=fields.get("tokens", 0),
        digest=fields.get("digest"),
        chain=fields.get("chain"),
        annotations=tuple(_annotation(each) for each in fields.get("annotations", ())),
        refusal=fields.get("refusal", False),
        incomplete_reason=fields.get("incomplete_reason"),
        ended_at=fields.get("ended_at"),
        assistant_id=fields.get("assistant_id"),
        attachments=tuple(fields.get("attachments", ())),
        metadata=fields.get("metadata", {}),
        images=tuple(fields.get("images", ())),
    )


def _annotation(fields: Mapping[str, Any]) -> Annotation:
    return Annotation(**{**fields, "source": Source(**fields["source"])})


_PARTS: dict[str, type[Part]] = {"text": TextPart, "image": ImagePart, "file": FilePart}
_KINDS = {cls: kind for kind, cls in _PARTS.items()}


def _content_out(content: str | tuple[Part, ...]) -> Any:
    if isinstance(content, str):
        return content
    return [{"kind": _KINDS[type(part)], **asdict(part)} for part in content]


def _content_in(content: Any) -> str | tuple[Part, ...]:
    if isinstance(content, str):
        return content
    return tuple(
        _PARTS[part["kind"]](**{key: value for key, value in part.items() if key != "kind"}) for part in content
    )
