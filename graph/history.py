"""How a chat request's messages are compared with the stored conversation: a pure function of both.

A client may resend the whole history, send only what is new, edit, regenerate, or trim its list at the front. Messages
are compared in *units*: what they say without what clients change on the way (white space, key order, empty messages,
neighbouring assistant texts sent as one). Each unit has a digest, and a chain value over all units up to it.
"""

from __future__ import annotations

import hashlib
from base64 import b85encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from agents.models.port import FilePart, ImagePart, Message, TextPart, ToolCall
from graph.attachments import reference

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
        return self.kind in ("append", "window", "outputs")


def units(messages: Iterable[Message]) -> list[Unit]:
    """A list's units. System messages belong to the request alone, and empty messages say nothing: both are left out."""
    groups: list[list[Message]] = []
    for message in messages:
        if message.role == "system" or not _says_something(message):
            continue
        if message.role == "assistant" and groups and groups[-1][-1].role == "assistant":
            groups[-1].append(message)
        else:
            groups.append([message])
    return [Unit(tuple(group), _digest(group)) for group in groups]


def chain(previous: Digest, digests: Iterable[Digest]) -> Iterator[Digest]:
    """The chain values after each digest."""
    for digest in digests:
        previous = _hash(previous + digest)
        yield previous


def match(incoming: Sequence[Unit], count: int, head: Digest) -> Match | None:
    """The rules that need nothing but the conversation's head (its `count` of units and their chain); None = `compare`."""
    chains = list(chain(START, (unit.digest for unit in incoming[:count])))
    if count == 0 or (len(incoming) >= count and chains[count - 1] == head):
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
    window = _window(incoming, [digest for digest, _ in stored])
    if window > common:
        return Match("window", count, len(incoming) - window)
    if common:
        return Match("branch", common, len(incoming) - common)
    return _inside(incoming, count, [digest for digest, _ in stored])


def _common_prefix(incoming: Sequence[Unit], count: int, stored: Sequence[tuple[Digest, Digest]]) -> int:
    """The longest k such that the first k units of both are the same."""
    chains = list(chain(START, (unit.digest for unit in incoming)))
    first = count - len(stored)
    for index in range(len(stored) - 1, -1, -1):
        k = first + index + 1
        if k <= len(chains) and chains[k - 1] == stored[index][1]:
            return k
    return 0


def _window(incoming: Sequence[Unit], stored: Sequence[Digest]) -> int:
    """The longest start of the incoming list that ends at the newest stored unit and holds an assistant message."""
    digests = [unit.digest for unit in incoming]
    for length in range(min(len(digests), len(stored)), 0, -1):
        if digests[:length] == list(stored[len(stored) - length :]) and _has_assistant(incoming[:length]):
            return length
    return 0


def _inside(incoming: Sequence[Unit], count: int, stored: Sequence[Digest]) -> Match:
    """The longest start of the incoming list found anywhere inside the newest stored units; else all of it is new."""
    digests = [unit.digest for unit in incoming]
    best, end = 0, 0
    for offset in range(len(stored)):
        length = _same(digests, stored[offset:])
        if length > best and _has_assistant(incoming[:length]):
            best, end = length, offset + length
    if best:
        return Match("branch", count - len(stored) + end, len(incoming) - best)
    return Match("branch", 0, len(incoming))


def _same(left: Sequence[Digest], right: Sequence[Digest]) -> int:
    length = 0
    for a, b in zip(left, right, strict=False):
        if a != b:
            break
        length += 1
    return length


def _has_assistant(incoming: Sequence[Unit]) -> bool:
    return any(unit.assistant for unit in incoming)


def _says_something(message: Message) -> bool:
    return (
        message.role != "assistant"
        or bool(message.tool_calls)
        or bool(_text(message))
        or not isinstance(message.content, str)
    )


def _digest(group: Sequence[Message]) -> Digest:
    texts = [text for text in map(_text, group) if text]
    others = [other for message in group for other in _others(message)]
    calls = [_call(call) for message in group for call in message.tool_calls]
    return _hash(orjson.dumps([group[0].role, " ".join(texts), others, calls, group[0].tool_call_id]))


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
    except orjson.JSONDecodeError:
        arguments = call.arguments
    return [call.id, call.name, arguments]


def _hash(data: str | bytes) -> Digest:
    raw = data.encode() if isinstance(data, str) else data
    return b85encode(hashlib.blake2b(raw, digest_size=12).digest()).decode()
