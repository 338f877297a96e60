"""What a request and its run have said, as the conversation log keeps it."""

from __future__ import annotations

from collections.abc import Sequence

from agents.models.port import Message, ToolCall
from graph import events as ev
from graph.ids import new_id
from graph.intake import Intake
from graph.items import Message as MessageItem
from graph.items import Turn
from graph.messages import IncompleteReason, StoredMessage
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
    said = [spoken(run, item, now, now) for item in run.items[first_item:] if isinstance(item, MessageItem)]
    return [*said, asked(run, now)] if waiting else said


def asked(run: Run, at: int) -> StoredMessage:
    """The calls that a run waits for, as a message of the assistant's."""
    calls = tuple(ToolCall(call.id, call.name, call.arguments) for call in run.open_calls)
    return StoredMessage(new_id(), Message("assistant", "", tool_calls=calls), at, run_id=run.id, hidden=True)


def outputs(run: Run, events: Sequence[ev.Durable]) -> list[StoredMessage]:
    """What the client has answered to a run's calls."""
    return [
        StoredMessage(new_id(), Message("tool", output, tool_call_id=id), at, run_id=run.id, hidden=True)
        for id, output, at in _client_answers(events)
    ]


def spoken(run: Run, item: MessageItem, began: int, ended: int) -> StoredMessage:
    """A text of the run."""
    return StoredMessage(
        item.id,
        Message("assistant", item.text),
        began,
        run_id=run.id,
        agent=item.agent,
        phase=item.phase,
        status=item.status,
        annotations=item.annotations,
        incomplete_reason=_why(run, item) if item.status == "incomplete" else None,
        ended_at=ended if ended != began else None,
        assistant_id=run.request.assistant_id,
        refusal=item.refusal,
        images=item.images,
    )


def _client_answers(events: Sequence[ev.Durable]) -> list[tuple[str, str, int]]:
    return [(e.call_id, e.output, e.at) for e in events if isinstance(e, ev.CallAnswered) and e.by == "client"]


def _why(run: Run, item: MessageItem) -> IncompleteReason:
    """Why a text was not finished: by its own turn, else by how the run has ended."""
    turn = next((each for each in run.items if isinstance(each, Turn) and each.message_id == item.id), None)
    if turn is not None:
        return "content_filter" if turn.finish == "content_filter" else "max_tokens"
    match run.status:
        case "cancelled" | "cancelling":
            return "run_cancelled"
        case "expired":
            return "run_expired"
        case _:
            return "run_failed"
