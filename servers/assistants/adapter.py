"""The Assistants API as method calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Literal, overload

from servers.app import Inside
from servers.assistants.emitter import Emitter
from servers.calls import Calls, Stream, place
from servers.errors import of_exception
from servers.ids import bare
from servers.in_process import Asked
from servers.objects import WireObject


class RunStream(Stream):
    """The events of a run (`event`, `data`, `id`), up to its end or to its question for tool outputs. The run goes on when
    its reader leaves. `id` and `thread_id` are the run's."""

    def __init__(self, stream: Stream, thread_id: str, run_id: str, *read: WireObject) -> None:
        super().__init__(stream._told, stream._held)
        self.thread_id, self.id = thread_id, run_id
        self._read = list(read)

    async def __anext__(self) -> WireObject:
        return self._read.pop(0) if self._read else await super().__anext__()


class AssistantsAdapter(Calls):
    """OpenAI's Assistants API: ids by position, the fields of the wire as keywords, the wire's objects as results."""

    def __init__(self, inside: Callable[[], Inside]) -> None:
        super().__init__(inside)
        self._telling: set[asyncio.Task[None]] = set()

    async def create_assistant(self, **fields: Any) -> WireObject:
        """A new assistant: `model`, `name`, `instructions`, `tools`, ..., all of them optional."""
        return await self._read("POST", place("assistants"), fields)

    async def list_assistants(self, **query: Any) -> WireObject:
        """A page of the assistants: `limit`, `order`, `after`, `before`."""
        return await self._read("GET", place("assistants"), query=query)

    async def get_assistant(self, assistant_id: str) -> WireObject:
        """An assistant."""
        return await self._read("GET", place("assistants", assistant_id))

    async def update_assistant(self, assistant_id: str, **fields: Any) -> WireObject:
        """Replace the fields that are given."""
        return await self._read("POST", place("assistants", assistant_id), fields)

    async def delete_assistant(self, assistant_id: str) -> WireObject:
        """Delete an assistant. Runs that it has begun go on."""
        return await self._read("DELETE", place("assistants", assistant_id))

    async def create_thread(self, metadata: Mapping[str, str] | None = None, **fields: Any) -> WireObject:
        """A new thread, with `messages` and `tool_resources` where they are given."""
        return await self._read("POST", place("threads"), {"metadata": metadata, **fields})

    async def get_thread(self, thread_id: str) -> WireObject:
        """A thread, whatever dialect has begun it."""
        return await self._read("GET", place("threads", thread_id))

    async def update_thread(self, thread_id: str, **fields: Any) -> WireObject:
        """Replace a thread's `metadata` or `tool_resources`."""
        return await self._read("POST", place("threads", thread_id), fields)

    async def delete_thread(self, thread_id: str) -> WireObject:
        """Delete a thread; a run at work on it is cancelled."""
        return await self._read("DELETE", place("threads", thread_id))

    async def list_branches(self, thread_id: str, **query: Any) -> WireObject:
        """A page of what has left the thread's active branch."""
        return await self._read("GET", place("threads", thread_id, "branches"), query=query)

    async def add_message(self, thread_id: str, **fields: Any) -> WireObject:
        """Say something in a thread: `role`, `content`, `attachments`, `metadata`."""
        return await self._read("POST", place("threads", thread_id, "messages"), fields)

    async def list_messages(self, thread_id: str, **query: Any) -> WireObject:
        """A page of a thread's messages: `limit`, `order`, `after`, `before`, `run_id`, `branch`."""
        return await self._read("GET", place("threads", thread_id, "messages"), query=query)

    async def get_message(self, thread_id: str, message_id: str) -> WireObject:
        """A message."""
        return await self._read("GET", place("threads", thread_id, "messages", message_id))

    async def update_message(self, thread_id: str, message_id: str, **fields: Any) -> WireObject:
        """Replace a message's `metadata`."""
        return await self._read("POST", place("threads", thread_id, "messages", message_id), fields)

    async def delete_message(self, thread_id: str, message_id: str) -> WireObject:
        """Take a message out of its thread."""
        return await self._read("DELETE", place("threads", thread_id, "messages", message_id))

    @overload
    async def create_run(
        self, thread_id: str, *, stream: Literal[False] | None = None, **fields: Any
    ) -> WireObject: ...

    @overload
    async def create_run(self, thread_id: str, *, stream: Literal[True], **fields: Any) -> RunStream: ...

    @overload
    async def create_run(self, thread_id: str, *, stream: bool, **fields: Any) -> WireObject | RunStream: ...

    async def create_run(self, thread_id: str, *, stream: bool | None = None, **fields: Any) -> WireObject | RunStream:
        """Begin a run: `assistant_id` and whatever else it is to differ in. With `stream`, its events."""
        return await self._begun(place("threads", thread_id, "runs"), {"stream": stream, **fields})

    @overload
    async def create_thread_and_run(self, *, stream: Literal[False] | None = None, **fields: Any) -> WireObject: ...

    @overload
    async def create_thread_and_run(self, *, stream: Literal[True], **fields: Any) -> RunStream: ...

    @overload
    async def create_thread_and_run(self, *, stream: bool, **fields: Any) -> WireObject | RunStream: ...

    async def create_thread_and_run(self, *, stream: bool | None = None, **fields: Any) -> WireObject | RunStream:
        """Make a `thread` and begin a run on it."""
        return await self._begun(place("threads", "runs"), {"stream": stream, **fields})

    async def get_run(self, thread_id: str, run_id: str) -> WireObject:
        """A run as it stands."""
        return await self._read("GET", place("threads", thread_id, "runs", run_id))

    async def list_runs(self, thread_id: str, **query: Any) -> WireObject:
        """A page of a thread's runs: `limit`, `order`, `after`, `before`."""
        return await self._read("GET", place("threads", thread_id, "runs"), query=query)

    async def update_run(self, thread_id: str, run_id: str, **fields: Any) -> WireObject:
        """Replace a run's `metadata`."""
        return await self._read("POST", place("threads", thread_id, "runs", run_id), fields)

    async def cancel_run(self, thread_id: str, run_id: str) -> WireObject:
        """Stop a run."""
        return await self._read("POST", place("threads", thread_id, "runs", run_id, "cancel"))

    @overload
    async def submit_tool_outputs(
        self, thread_id: str, run_id: str, *, stream: Literal[False] | None = None, **fields: Any
    ) -> WireObject: ...

    @overload
    async def submit_tool_outputs(
        self, thread_id: str, run_id: str, *, stream: Literal[True], **fields: Any
    ) -> RunStream: ...

    @overload
    async def submit_tool_outputs(
        self, thread_id: str, run_id: str, *, stream: bool, **fields: Any
    ) -> WireObject | RunStream: ...

    async def submit_tool_outputs(
        self, thread_id: str, run_id: str, *, stream: bool | None = None, **fields: Any
    ) -> WireObject | RunStream:
        """Answer the calls that a run waits for: `tool_outputs`. With `stream`, what happens from then on."""
        path = place("threads", thread_id, "runs", run_id, "submit_tool_outputs")
        answer = await self._send(path, {"stream": stream, **fields})
        return RunStream(answer, thread_id, run_id) if isinstance(answer, Stream) else answer

    async def list_run_steps(self, thread_id: str, run_id: str, **query: Any) -> WireObject:
        """A page of a run's steps: `limit`, `order`, `after`, `before`."""
        return await self._read("GET", place("threads", thread_id, "runs", run_id, "steps"), query=query)

    async def get_run_step(self, thread_id: str, run_id: str, step_id: str) -> WireObject:
        """A step of a run."""
        return await self._read("GET", place("threads", thread_id, "runs", run_id, "steps", step_id))

    async def wait_run(self, thread_id: str, run_id: str) -> WireObject:
        """The run once it has ended, or waits for tool outputs. Nobody polls. Who gives up waiting leaves it at work."""
        begun = await self.get_run(thread_id, run_id)
        try:
            await self._inside().finished(bare(begun.id, "run_"))
        except Exception as error:
            raise of_exception(error) from error
        return await self.get_run(thread_id, run_id)

    async def follow_run(self, thread_id: str, run_id: str, *, after: str | None = None) -> RunStream:
        """The events of a run that is there, from its first one on; `after` is the `id` of an event to go on behind."""
        path = place("threads", thread_id, "runs", run_id)
        headers = {} if after is None else {"last-event-id": after}
        answer = await self._ask(Asked("GET", path, b"stream=true", headers=headers))
        assert isinstance(answer, Stream)
        return RunStream(answer, thread_id, run_id)

    def get_stream_emitter(self, run_id: str) -> Emitter:
        """The events of a run for handlers: each hears all of them, whenever it comes."""

        async def follow() -> RunStream:
            try:
                thread_id = await self._inside().thread_of(bare(run_id, "run_"))
            except Exception as error:
                raise of_exception(error) from error
            return await self.follow_run(f"thread_{thread_id}", run_id)

        return Emitter(follow, self._telling)

    async def _begun(self, path: str, fields: Mapping[str, Any]) -> WireObject | RunStream:
        answer = await self._send(path, fields)
        if not isinstance(answer, Stream):
            return answer
        read = [await anext(answer)]
        while read[-1].event != "thread.run.created":
            read.append(await anext(answer))
        run = read[-1].data
        return RunStream(answer, run.thread_id, run.id, *read)
