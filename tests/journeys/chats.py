"""Short ways to say what a test is about: one user's turn, a stream, two clients at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from openai import OpenAI

from tests.journeys.server import Server
from tests.journeys.stage import Stage


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


class Chat:
    """A user who talks with the team through the official client.

    `say` sends one turn (or the messages as they are given) and returns the response, `stream` returns the chunks.
    """

    def __init__(self, server: Server, **options: Any) -> None:
        self.client: OpenAI = server.client(**options)

    def say(self, *said: Any, id: str | None = None, **fields: Any) -> Any:
        return self.client.chat.completions.create(**_request(said, id, fields))

    def stream(self, *said: Any, id: str | None = None, **fields: Any) -> Any:
        return self.client.chat.completions.create(**_request(said, id, {"stream": True, **fields}))

    def text(self, *said: Any, id: str | None = None, **fields: Any) -> str:
        """The answer's words."""
        return str(self.say(*said, id=id, **fields).choices[0].message.content)

    def streamed(self, *said: Any, id: str | None = None, **fields: Any) -> str:
        """The answer's words, streamed."""
        return "".join(contents(self.stream(*said, id=id, **fields)))


class Talk:
    """A conversation in which one turn went well before things go wrong."""

    def __init__(self, chat: Chat, stage: Stage, id: str) -> None:
        self._chat, self._stage, self.id = chat, stage, id
        stage.play("Yes.")
        chat.say("before", id=id)

    def is_as_before(self) -> None:
        """Nothing of the failed turn is remembered, and the next one works."""
        self._stage.play("Yes.")
        self._chat.say("after", id=self.id)
        assert self._stage.prompt == [("user", "before"), ("assistant", "Yes."), ("user", "after")]


def _request(said: tuple[Any, ...], id: str | None, fields: dict[str, Any]) -> dict[str, Any]:
    messages = [user(each) if isinstance(each, str) else each for each in said]
    extra = {**({"conversation_id": id} if id is not None else {}), **fields.pop("extra_body", {})}
    return {"model": "cortex-flow", "messages": messages, "extra_body": extra, **fields}


def contents(chunks: Iterable[Any]) -> Iterator[str]:
    """The pieces of text in a stream."""
    for chunk in chunks:
        if chunk.choices and chunk.choices[0].delta.content:
            yield chunk.choices[0].delta.content


def until(pieces: Iterator[str], text: str) -> str:
    """Read on until exactly this has come."""
    said = ""
    while said != text:
        said += next(pieces)
    return said


@contextmanager
def meanwhile(*works: Callable[[], Any]) -> Iterator[list[Future[Any]]]:
    """What clients do at the same time, each in a thread. All are awaited at the end."""
    with ThreadPoolExecutor(len(works)) as pool:
        yield [pool.submit(work) for work in works]
