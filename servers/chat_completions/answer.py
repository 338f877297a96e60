"""An answer on its way to its client: in one piece, or as it is made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from agents.models.port import Message
from graph.errors import NotFound, RunEnded
from graph.events import now_ms
from graph.journal import Position
from graph.request import RunRequest
from graph.run import Run
from servers.chat_completions.choices import Choices, side_by_side
from servers.chat_completions.chunks import Chunks
from servers.chat_completions.conversation import as_header, named
from servers.chat_completions.encode import completion, shown
from servers.chat_completions.schema import ChatRequest
from servers.chat_completions.stored import Keeper
from servers.chat_completions.stream import AnswerStream, Settle
from servers.chat_completions.usage import Tokens, together
from servers.context import context_of
from servers.errors import CLIENT_GONE, of_run
from servers.json_body import answer
from servers.leaving import client_left
from servers.service import Service
from servers.sse import EventStream


class Answer:
    """An answer on its way to the client. `runs`, one for each choice, are as they were accepted: they say where this answer
    begins. `keeper` has stored the completion before its end goes out."""

    def __init__(self, service: Service, asked: RunRequest, runs: Sequence[Run], keeper: Keeper | None = None) -> None:
        self._service, self._asked, self._runs, self._keeper = service, asked, runs, keeper
        self._first_item = len(runs[0].items)
        self._headers = {"x-conversation-id": as_header(named(runs[0]))}

    async def whole(self, request: Request) -> Response:
        """The answer in one piece, when it is there."""
        counting = asyncio.create_task(self._service.tokenizer.counted(self._asked.messages))
        async with self._attended(request) as gone:
            runs = await self._finished()
        if error := next(filter(None, map(of_run, runs)), None):
            if gone():
                return Response(status_code=CLIENT_GONE)
            raise error
        tokens = await self._tokens(runs, counting)
        body = self._completion(runs, tokens)
        if self._keeper:
            await self._keeper.keep(body)
        headers = {**self._headers, "x-agents-used": ", ".join(together(runs).agents_used)}
        return answer(body, headers)

    async def streamed(self, request: Request, body: ChatRequest) -> Response:
        """The answer as it is made."""
        stream = self._stream(include_usage=bool(body.stream_options and body.stream_options.include_usage))
        try:
            async with self._attended(request):
                await stream.begin()
        except BaseException:
            await stream.leave()
            raise

        async def left() -> None:
            context_of(request.scope).failed = not stream.answered
            await stream.leave()

        gone = self._cancel if context_of(request.scope).recorded else None
        return EventStream(stream.frames(), left, self._headers, gone=gone)

    def _stream(self, *, include_usage: bool) -> AnswerStream[Any]:
        engine, settle = self._service.engine, self._settler(include_usage)
        followed = [engine.follow(run.tenant, run.id, Position(run.journal_length, 0)) for run in self._runs]
        if len(self._runs) > 1:
            choices = Choices(self._runs, include_usage=include_usage, fingerprint=self._fingerprint)
            return AnswerStream(engine, side_by_side(followed), choices, settle)
        chunks = Chunks(self._runs[0], include_usage=include_usage, fingerprint=self._fingerprint)
        return AnswerStream(engine, followed[0], chunks, settle)

    async def _finished(self) -> Sequence[Run]:
        """The runs, when all have ended or wait for their client."""
        engine = self._service.engine
        if len(self._runs) == 1:
            return (await engine.finished(self._runs[0].tenant, self._runs[0].id),)
        return await asyncio.gather(*(engine.finished(run.tenant, run.id) for run in self._runs))

    def _settler(self, include_usage: bool) -> Settle:
        wanted = include_usage or self._keeper is not None
        counting = asyncio.create_task(self._service.tokenizer.counted(self._asked.messages)) if wanted else None

        async def settle(runs: Sequence[Run]) -> Tokens | None:
            tokens = await self._tokens(runs, counting) if counting else None
            if tokens and self._keeper:
                await self._keeper.keep(self._completion(runs, tokens))
            return tokens

        return settle

    def _completion(self, runs: Sequence[Run], tokens: Tokens) -> dict[str, Any]:
        return completion(
            runs[0],
            tokens,
            at=now_ms(),
            first_item=self._first_item,
            fingerprint=self._fingerprint,
            siblings=runs[1:],
        )

    async def _tokens(self, runs: Sequence[Run], counting: Awaitable[list[int]]) -> Tokens:
        """What the request had and what the choices have, as tiktoken counts them."""
        answers = [shown(run, self._first_item) for run in runs]
        *counted, empty = await self._service.tokenizer.counted([*answers, Message("assistant")])
        prompt = self._service.tokenizer.count_messages(()) + sum(await counting)
        return Tokens(prompt, sum(counted) - empty * len(runs))

    @property
    def _fingerprint(self) -> str | None:
        return self._service.models.for_agent(self._asked.agent, self._asked.model).fingerprint

    @asynccontextmanager
    async def _attended(self, request: Request) -> AsyncIterator[Callable[[], bool]]:
        """While this waits, a client that leaves cancels its run, and with it those beside it."""

        async def attend() -> None:
            await client_left(request.receive)
            await self._cancel()

        attending = asyncio.create_task(attend())
        try:
            yield attending.done
        finally:
            attending.cancel()

    async def _cancel(self) -> None:
        """Stop the work, unless it is done already."""
        with suppress(RunEnded, NotFound):
            await self._service.engine.cancel(self._runs[0].tenant, self._runs[0].id)
