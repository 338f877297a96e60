"""The offline model behind the port: which role it plays, and its reply as a stream of pieces."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import Any

from agents.models.json_format import is_json, schema_of
from agents.models.offline.analyst import PYTHON, analyse
from agents.models.offline.prompt import Prompt, read
from agents.models.offline.reply import Reply, Say, Use
from agents.models.offline.researcher import FILE_SEARCH, SEARCH, research
from agents.models.offline.schema import Filler
from agents.models.offline.supervisor import at_once, lead
from agents.models.offline.tables import tool_of
from agents.models.offline.writer import write
from agents.models.port import (
    CallPart,
    Finish,
    Message,
    ModelRefused,
    Params,
    Piece,
    Text,
    TextPart,
    ToolSpec,
    Usage,
    Used,
)
from agents.supervisor import TRANSFER

_WORDS_PER_BATCH = 3
_LONG = 8_000
_CHARACTERS_PER_TOKEN = 4


class OfflineModel:
    """A deterministic model without key or network. It plays its role by rules, and says that it does.

    The role follows from what it is offered: transfers make it the supervisor, `search` the researcher, `python` the
    analyst; with neither it answers or, given a task, writes. Raises `ModelRefused` when the newest user message holds
    anything but text.
    """

    name = "offline"
    fingerprint = "offline"
    gives_logprobs = False

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], params: Params
    ) -> AsyncGenerator[Sequence[Piece], None]:
        """The reply, a few words at a time; all at once when nobody watches."""
        _refuse_other_than_text(messages)
        reply = await _think(messages, tools, params)
        batches = list(_batches(reply, _calls_before(messages)))
        if not params.stream:
            batches = [[piece for batch in batches for piece in batch]]
        for batch in batches:
            yield batch
            await asyncio.sleep(0)
        yield [
            Finish("stop" if isinstance(reply, Say) else "tool_calls"),
            Used(_usage(messages, tools, batches), self.name),
        ]

    async def close(self) -> None:
        """There is nothing to close."""


async def _think(messages: Sequence[Message], tools: Sequence[ToolSpec], params: Params) -> Reply:
    """The reply. Reading a long prompt takes a while, and is done off the event loop."""
    if sum(len(message.text) for message in messages) < _LONG:
        return _respond(messages, tools, params)
    return await asyncio.to_thread(_respond, messages, tools, params)


def _respond(messages: Sequence[Message], tools: Sequence[ToolSpec], params: Params) -> Reply:
    prompt = read(messages)
    reply = _in_role(prompt, tools, params)
    return Say(_formed(reply.text, prompt, params)) if isinstance(reply, Say) else reply


def _in_role(prompt: Prompt, tools: Sequence[ToolSpec], params: Params) -> Reply:
    offered = {tool.name for tool in tools}
    forced = params.tool_choice not in (None, "auto", "none")
    if forced or any(TRANSFER in name for name in offered):
        return lead(prompt, tools, params)
    code = tool_of(tools) or next((tool for tool in tools if tool.name == PYTHON), None)
    own = SEARCH if SEARCH in offered else code.name if code else None
    files = next((name for name in FILE_SEARCH if name in offered), None)
    if own is None:
        return lead(prompt, tools, params) if prompt.task is None else write(prompt)
    others = [tool for tool in tools if tool.name not in (own, files)]
    return _alone(prompt, others, params) or (research(prompt, files) if own == SEARCH else analyse(prompt, code))


def _alone(prompt: Prompt, client: Sequence[ToolSpec], params: Params) -> Reply | None:
    """What an agent that talks with the user itself says before it sets to work; None when there is work to do."""
    if prompt.task is not None:
        return None
    reply = lead(prompt, client, params) if client else None
    if isinstance(reply, tuple) or (reply is not None and any(prompt.used(tool.name) for tool in client)):
        return reply
    said = None if prompt.done else at_once(prompt)
    return Say(said) if said is not None else None


def _formed(text: str, prompt: Prompt, params: Params) -> str:
    """The text in the form that `response_format` asks for."""
    if not is_json(params.response_format):
        return text
    schema = schema_of(params.response_format)
    if schema is None:
        return _json({"answer": text})
    return _json(Filler(prompt.request, text, schema).value("answer", schema))


def _batches(reply: Reply, calls_before: int) -> Iterator[list[Piece]]:
    if isinstance(reply, Say):
        words = re.findall(r"\s*\S+(?:\s+\Z)?|\s+", reply.text)
        for start in range(0, len(words), _WORDS_PER_BATCH):
            yield [Text("".join(words[start : start + _WORDS_PER_BATCH]))]
        return
    for index, use in enumerate(reply):
        yield from _call(index, use, f"call_{calls_before + index + 1}")


def _call(index: int, use: Use, call_id: str) -> Iterator[list[Piece]]:
    arguments = _json(dict(use.arguments))
    half = len(arguments) // 2
    yield [CallPart(index, arguments[:half], call_id, use.name)]
    yield [CallPart(index, arguments[half:])]


def _json(value: Any) -> str:
    """JSON of whatever came out of a client's schema, numbers of any size among it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _refuse_other_than_text(messages: Sequence[Message]) -> None:
    newest = next((message for message in reversed(messages) if message.role == "user"), None)
    if (
        newest
        and not isinstance(newest.content, str)
        and not all(isinstance(part, TextPart) for part in newest.content)
    ):
        raise ModelRefused(
            "The offline model reads text only, no images and no files. Set LLM_MODEL to connect a model that does.",
            status=400,
            param="messages",
        )


def _calls_before(messages: Sequence[Message]) -> int:
    return sum(len(message.tool_calls) for message in messages)


def _usage(messages: Sequence[Message], tools: Sequence[ToolSpec], batches: Sequence[Sequence[Piece]]) -> Usage:
    """Four characters are a token."""
    written = sum(len(piece.text) for batch in batches for piece in batch if isinstance(piece, Text))
    written += sum(len(piece.arguments) for batch in batches for piece in batch if isinstance(piece, CallPart))
    given = sum(len(message.text) + sum(len(call.arguments) for call in message.tool_calls) for message in messages)
    given += sum(len(tool.name) + len(tool.description or "") for tool in tools)
    return Usage(-(-given // _CHARACTERS_PER_TOKEN), -(-written // _CHARACTERS_PER_TOKEN), estimated=True)
