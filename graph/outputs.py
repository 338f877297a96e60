"""Tool outputs among a request's messages, and which of a conversation's messages belong to a run that waited for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from agents.models.port import Message, ToolCall
from graph.conversations import StoredWindow
from graph.errors import OutputsRefused
from graph.history import same_calls
from graph.ids import is_untold, run_of_call
from graph.items import Answer, Call
from graph.run import Run


@dataclass(frozen=True, slots=True)
class Answered:
    """The end of a list that answers calls: the tool messages, and what the user says after them. `asking` is the message
    with the calls, where it stands in the list too."""

    outputs: tuple[Message, ...]
    after: tuple[Message, ...]
    asking: Message | None

    @property
    def by_name(self) -> bool:
        """Whether the outputs name their functions alone: whose call each is has still to be found."""
        ids = [message.tool_call_id or "" for message in self.outputs]
        return all(is_untold(id) and run_of_call(id) is None for id in ids)

    def addressed(self, calls: Sequence[Call]) -> Answered:
        """The same as outputs of these open calls, by name; unchanged where they are none of theirs."""
        ids = {call.name: call.id for call in calls}
        asked = [ToolCall(call.id, call.name, call.arguments) for call in calls]
        if self.asking and not same_calls(self.asking.tool_calls, asked):
            return self
        if not all(message.name in ids for message in self.outputs):
            return self
        outputs = [replace(message, tool_call_id=ids[str(message.name)]) for message in self.outputs]
        return replace(self, outputs=tuple(outputs))


def answered_by(messages: Sequence[Message]) -> Answered | None:
    """The outputs at the end of a list; None where it ends in something else. Raises `OutputsRefused`."""
    _refuse_strangers(messages)
    incoming = [message for message in messages if message.role != "system"]
    start = next((i + 1 for i in range(len(incoming) - 1, -1, -1) if incoming[i].role == "assistant"), 0)
    outputs = [message for message in incoming[start:] if message.role == "tool"]
    if not outputs:
        return None
    if start:
        _refuse_partial(incoming[start - 1], outputs)
    after = tuple(message for message in incoming[start:] if message.role != "tool")
    return Answered(tuple(outputs), after, incoming[start - 1] if start else None)


def _refuse_strangers(messages: Sequence[Message]) -> None:
    """In a list that tells the assistant's part, every output answers a call of it."""
    if not any(message.role == "assistant" for message in messages):
        return
    made = {call.id for message in messages for call in message.tool_calls}
    for index, message in enumerate(messages):
        if message.role == "tool" and message.tool_call_id not in made:
            raise OutputsRefused(
                f"messages[{index}] answers the tool call {message.tool_call_id!r}, which no assistant message has made.",
                param=f"messages[{index}].tool_call_id",
            )


def _refuse_partial(asking: Message, outputs: Sequence[Message]) -> None:
    given = [message.tool_call_id for message in outputs]
    answered = set(given)
    missing = [call.id for call in asking.tool_calls if call.id not in answered]
    if missing:
        raise OutputsRefused(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
            f"These had no response: {', '.join(missing)}.",
            param="messages",
        )
    if len(answered) < len(given):
        raise OutputsRefused("A tool call was answered more than once.", param="messages")


def first_of(messages: Sequence[Message], run_id: str) -> int:
    """Where a run's calls, or the outputs of its calls, begin."""
    for index, message in enumerate(messages):
        ids = [call.id for call in message.tool_calls] if message.role == "assistant" else [message.tool_call_id or ""]
        if any(run_of_call(id) == run_id for id in ids):
            return index
    return len(messages)


def part(stored: StoredWindow, run_id: str) -> tuple[StoredWindow, Sequence[Message]]:
    """What stands before a run's own messages, and these. Nothing comes between them: a turn of somebody else's would
    have ended the run."""
    at = first_of(stored.messages, run_id)
    return replace(stored, messages=stored.messages[:at], tokens=stored.tokens[:at]), stored.messages[at:]


def said_behind(run: Run, own: Sequence[Message]) -> list[tuple[int, Message]]:
    """What the user said behind the outputs of earlier legs, each with the number of the run's items before it."""
    places = {item.call_id: index + 1 for index, item in enumerate(run.items) if isinstance(item, Answer)}
    result: list[tuple[int, Message]] = []
    place = 0
    for message in own:
        if message.role == "tool":
            place = max(place, places.get(message.tool_call_id or "", 0))
        elif message.role == "user":
            result.append((place, message))
    return result
