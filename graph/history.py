"""How a chat request's messages are compared with the stored conversation: a pure function of both.

A client may resend the whole history, send only what is new, edit, regenerate, or trim its list at the front. Messages
are compared in *units*: what they say without what clients change on the way (white space, key order, empty messages,
neighbouring assistant texts sent as one). Each unit has a digest, and a chain value over all units up to it.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal

import orjson

from agents.models.port import FilePart, ImagePart, Message, TextPart, ToolCall
from graph.attachments import reference
from graph.ids import is_untold

Digest = str
START: Digest = ""


@dataclass(frozen=True, slots=True)
class Unit:
    """One or more neighbouring messages that count as one."""

    messages: tuple[Message, ...]
    digest: Digest

    @property
    def assistant(self) -> bool:
        return self.messages[0].role == "assistant"


@dataclass(frozen=True, slots=True)
class Match:
    """How incoming units relate to stored ones.

    - `extend`, `append`, `window`: all that is stored stays; `outputs`: they answer calls that were made there.
    - `branch`: what is stored beyond `keep` units leaves the active branch.
    - `new` counts the incoming units, from the end, that are not stored yet.
    """

    kind: Literal["extend", "outputs", "append", "window", "branch"]
    keep: int
    new: int

    @property
    def prompt_is_stored(self) -> bool:
        """Whether the prompt must be read from the store; else the client's own list is the prompt."""
        return self.kind in ("append", "outputs")


def units(messages: Iterable[Message]) -> list[Unit]:
    """A list's units. System messages belong to the request alone, and empty messages say nothing: both are left out."""
    groups: list[list[Message]] = []
    speaker = ""
    for message in messages:
        if message.role == "system" or not _says_something(message):
            continue
        if message.role == speaker == "assistant":
            groups[-1].append(message)
        else:
            groups.append([message])
        speaker = message.role
    return [Unit(tuple(group), _digest(group)) for group in groups]


def chain(previous: Digest, digests: Iterable[Digest]) -> Iterator[Digest]:
    """The chain values after each digest."""
    for digest in digests:
        previous = _hash(previous + digest)
        yield previous


def match(incoming: Sequence[Unit], count: int, head: Digest) -> Match | None:
    """The rules that need nothing but the conversation's head (its `count` of units and their chain); None = `compare`."""
    if count == 0 or (len(incoming) >= count and chains(incoming[:count])[-1][1] == head):
        return Match("extend", count, len(incoming) - count)
    if not any(unit.assistant for unit in incoming):
        kind: Literal["outputs", "append"] = "append"
        if any(unit.messages[0].role == "tool" for unit in incoming):
            kind = "outputs"
        return Match(kind, count, len(incoming))
    return None


def compare(incoming: Sequence[Unit], count: int, stored: Sequence[tuple[Digest, Digest]]) -> Match:
    """The rules for lists that diverge. `stored` are (digest, chain) of the newest units, oldest first; where they do not
    reach back to the start, no common prefix lies before them."""
    common = _common_prefix(incoming, count, stored)
    overlaps = _overlaps([unit.digest for unit in incoming], [digest for digest, _ in stored])
    first = next((index for index, unit in enumerate(incoming) if unit.assistant), len(incoming))
    found = [(length, offset + length) for offset, length in enumerate(overlaps) if length > first]
    window = max((length for length, end in found if end == len(stored)), default=0)
    if window > common:
        return Match("window", count, len(incoming) - window)
    if common:
        return Match("branch", common, len(incoming) - common)
    if not found:
        return Match("branch", 0, len(incoming))
    length, end = max(found)
    return Match("branch", count - len(stored) + end, len(incoming) - length)


def replacing(incoming: Sequence[Unit], count: int, stored: Sequence[tuple[Digest, Digest]]) -> Match:
    """The rule for a list that says it is everything: what is stored behind the common start leaves the branch."""
    common = _common_prefix(incoming, count, stored)
    return Match("branch", common, len(incoming) - common)


def chains(incoming: Iterable[Unit]) -> list[tuple[Digest, Digest]]:
    """(digest, chain) of each unit of a list that begins a conversation."""
    digests = [unit.digest for unit in incoming]
    return list(zip(digests, chain(START, digests), strict=True))


def same_calls(one: Iterable[ToolCall], other: Iterable[ToolCall]) -> bool:
    """Whether two messages make the same calls, as far as a client can tell."""
    return list(map(_call, one)) == list(map(_call, other))


def _common_prefix(incoming: Sequence[Unit], count: int, stored: Sequence[tuple[Digest, Digest]]) -> int:
    """The longest k such that the first k units of both are the same."""
    known = chains(incoming)
    first = count - len(stored)
    for index in range(min(len(stored), len(known) - first) - 1, -1, -1):
        if known[first + index][1] == stored[index][1]:
            return first + index + 1
    return 0


def _overlaps(start: Sequence[Digest], stored: Sequence[Digest]) -> list[int]:
    """For each place in `stored`, how much of the list's start stands there (the Z function: linear, whatever repeats)."""
    both = [*start, None, *stored]
    same, left, right = [0] * len(both), 0, 0
    for place in range(1, len(both)):
        length = min(right - place, same[place - left]) if place < right else 0
        while place + length < len(both) and both[length] == both[place + length]:
            length += 1
        same[place] = length
        if place + length > right:
            left, right = place, place + length
    return same[len(start) + 1 :]


def _says_something(message: Message) -> bool:
    return message.role != "assistant" or bool(message.tool_calls or message.text.strip() or list(_others(message)))


def _digest(group: Sequence[Message]) -> Digest:
    answered = _known_id(group[0].tool_call_id)
    if len(group) == 1 and isinstance(group[0].content, str) and not group[0].tool_calls:  # nearly always
        return _hash(orjson.dumps([group[0].role, _text(group[0]), (), (), answered]))
    texts = [text for text in map(_text, group) if text]
    others = [other for message in group for other in _others(message)]
    calls = [_call(call) for message in group for call in message.tool_calls]
    return _hash(orjson.dumps([group[0].role, " ".join(texts), others, calls, answered]))


def _text(message: Message) -> str:
    return " ".join(message.text.split())


def _others(message: Message) -> Iterator[list[Any]]:
    if isinstance(message.content, str):
        return
    for part in message.content:
        match part:
            case ImagePart(url):
                yield ["image", reference(url)]
            case FilePart(filename, data, file_id):
                yield ["file", filename, data and reference(data), file_id]
            case TextPart():
                pass


def _call(call: ToolCall) -> list[Any]:
    try:
        arguments = orjson.dumps(orjson.loads(call.arguments or "{}"), option=orjson.OPT_SORT_KEYS).decode()
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):  # no JSON, or nested too deep
        arguments = call.arguments
    return [_known_id(call.id), call.name, arguments]


def _known_id(id: str | None) -> str | None:
    return None if id is None or is_untold(id) else id


def _hash(data: str | bytes) -> Digest:
    raw = data.encode() if isinstance(data, str) else data
    return b2a_base64(blake2b(raw, digest_size=12).digest(), newline=False).decode()
