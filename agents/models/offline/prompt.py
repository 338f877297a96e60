"""A prompt as the offline model reads it: the newest request, what was said before, what has been done since."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agents.briefing import FINDINGS, REQUEST, TASK, Finding
from agents.models.port import Message

MAX_CHARACTERS = 20_000

_HEADING = re.compile(
    rf"^(?:(?P<request>{re.escape(REQUEST)})|{re.escape(FINDINGS)}(?P<agent>\S+)|(?P<task>{re.escape(TASK)}))$", re.M
)


@dataclass(frozen=True, slots=True)
class Done:
    """A call made since the newest request, with its output."""

    name: str
    arguments: str
    output: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """`task` is None where the request comes from the user and not from the supervisor."""

    request: str
    earlier: tuple[Message, ...] = ()
    done: tuple[Done, ...] = ()
    task: str | None = None
    findings: tuple[Finding, ...] = ()

    def outputs(self, name: str) -> list[str]:
        """What the calls of a tool have brought, in order."""
        return [done.output for done in self.done if done.name == name]

    def used(self, name: str) -> bool:
        """Whether a tool has been called since the newest request."""
        return any(done.name == name for done in self.done)


def read(messages: Sequence[Message]) -> Prompt:
    """Take a prompt apart. One without any user message has an empty request; of a message that is longer than
    `MAX_CHARACTERS`, the beginning is read."""
    messages = [_shortened(message) for message in messages]
    newest = max((at for at, message in enumerate(messages) if message.role == "user"), default=-1)
    text = messages[newest].text.strip() if newest >= 0 else ""
    begin = _begin(messages, max(newest, 0))
    earlier = tuple(message for message in messages[:begin] if message.role != "system")
    request, findings, task = _brief(text)
    return Prompt(request, earlier, _done(messages[begin:]), task, findings)


def _shortened(message: Message) -> Message:
    text = message.text
    return message if len(text) <= MAX_CHARACTERS else replace(message, content=text[:MAX_CHARACTERS])


def _begin(messages: Sequence[Message], newest: int) -> int:
    """Where the run begins: calls that the newest user message follows without an answer between them are its own."""
    begin = newest
    while begin and (messages[begin - 1].role == "tool" or messages[begin - 1].tool_calls):
        begin -= 1
    return begin


def _done(messages: Sequence[Message]) -> tuple[Done, ...]:
    outputs = {message.tool_call_id: message.text for message in messages if message.role == "tool"}
    calls = [call for message in messages for call in message.tool_calls]
    return tuple(Done(call.name, call.arguments, outputs.get(call.id, "")) for call in calls)


def _brief(text: str) -> tuple[str, tuple[Finding, ...], str | None]:
    """(request, findings, task) of a text that `agents.briefing.brief` has written; any other text is a request."""
    headings = list(_HEADING.finditer(text))
    if not headings or not headings[-1]["task"] or headings[0].start() != 0:
        return text, (), None
    ends = [heading.start() for heading in headings[1:]] + [len(text)]
    bodies = [(heading, text[heading.end() : end].strip()) for heading, end in zip(headings, ends, strict=True)]
    request = next((body for heading, body in bodies if heading["request"]), "")
    findings = tuple(Finding(heading["agent"], body) for heading, body in bodies if heading["agent"])
    return request, findings, bodies[-1][1]
