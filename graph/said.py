"""What a request and its run have said, as the conversation log keeps it."""

from __future__ import annotations

from agents.models.port import Message, ToolCall
from graph import events as ev
from graph.ids import new_id
from graph.intake import Intake
from graph.items import Message as MessageItem
from graph.messages import StoredMessage
from graph.run import Run


def received(intake: Intake, run: Run) -> list[StoredMessage]:
    """The request's own messages, as they are stored. Calls and outputs are hidden from lists of messages."""
    now = run.created_at if intake.version == 0 else ev.now_ms()
    return [
        StoredMessage(new_id(), message, now, hidden=message.role == "tool" or bool(message.tool_calls))
        for message in intake.tail
    ]


def answered(run: Run, first_item: int, *, waiting: bool) -> list[StoredMessage]:
    """What this leg has said: its texts, and the calls that the client has to answer."""
    now = ev.now_ms()
    said = [spoken(run.id, item, now) for item in run.items[first_item:] if isinstance(item, MessageItem)]
    if waiting:
        calls = tuple(ToolCall(call.id, call.name, call.arguments) for call in run.open_calls)
        said.append(
            StoredMessage(new_id(), Message("assistant", "", tool_calls=calls), now, run_id=run.id, hidden=True)
        )
    return said


def spoken(run_id: str, item: MessageItem, at: int) -> StoredMessage:
    return StoredMessage(
        item.id,
        Message("assistant", item.text),
        at,
        run_id=run_id,
        agent=item.agent,
        phase=item.phase,
        status=item.status,
        annotations=item.annotations,
        refusal=item.refusal,
    )
