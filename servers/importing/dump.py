"""A dump of OpenAI's objects, read whole and held against their schemas before anything of it is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from graph.assistants import Assistant
from graph.messages import StoredMessage
from graph.threads import Thread
from servers.assistants.decode import given, resources
from servers.assistants.schema import ToolResources
from servers.errors import ApiError, BadRequest
from servers.ids import bare
from servers.importing.messages import stored
from servers.importing.order import are_newest_first, oldest_first
from servers.importing.schema import DumpedAssistant, DumpedFile, DumpedMessage, DumpedThread
from servers.invalid import complaint

T = TypeVar("T")
Object = TypeVar("Object", bound=BaseModel)

_KINDS: Final = ("assistants", "threads", "messages", "files")


class BrokenDump(Exception):
    """A dump can't be kept as it is. `problems` are lines that say what is wrong, and where."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(problems[0])
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Dump:
    """What a dump holds, as it will be kept, and in the order in which it came to be."""

    assistants: Sequence[Assistant] = ()
    threads: Sequence[tuple[Thread, Sequence[StoredMessage]]] = ()
    files: Sequence[DumpedFile] = ()


@dataclass(slots=True)
class _Reader:
    """Reads objects, and gathers what is wrong with them."""

    problems: list[str] = field(default_factory=list)

    def all(self, kind: type[Object], place: str, values: Any) -> list[tuple[str, Object]]:
        """The objects of a list that are what they should be, each with its place."""
        listed = values.get("data") if isinstance(values, dict) else values  # a page of OpenAI's is a list too
        if listed is None:
            return []
        if not isinstance(listed, list):
            self.problems.append(f"{place}: this is no list.")
            return []
        read = [
            (f"{place}[{number}]", self._one(kind, f"{place}[{number}]", each)) for number, each in enumerate(listed)
        ]
        return [(where, each) for where, each in read if each is not None]

    def unique(self, found: Iterable[tuple[str, Any]]) -> None:
        """Whoever has the id of another one is wrong."""
        seen: dict[str, str] = {}
        for where, each in found:
            if (first := seen.setdefault(each.id, where)) != where:
                self.problems.append(f"{where}: {each.id} is {first} already.")

    def decoded(self, found: Iterable[tuple[str, Object]], decode: Callable[[Object], T]) -> list[T]:
        """The objects as they will be kept."""
        made: list[T] = []
        for where, each in found:
            try:
                made.append(decode(each))
            except ApiError as error:
                self.problems.append(f"{where}: {error.message}")
        return made

    def _one(self, kind: type[Object], place: str, value: Any) -> Object | None:
        try:
            return kind.model_validate(value)
        except ValidationError as error:
            self.problems += [f"{place}: {complaint(each).message}" for each in error.errors(include_url=False)]
        except ApiError as error:
            self.problems.append(f"{place}: {error.message}")
        return None


def read(data: bytes) -> Dump:
    """The dump in these bytes. Raises `BrokenDump`, which names everything that is wrong with it."""
    try:
        dump = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise BrokenDump([f"This is no JSON: {error}."]) from None
    if not isinstance(dump, dict):
        raise BrokenDump([f"This is no object with {', '.join(_KINDS)}."])
    reader = _Reader(
        [f"{key}: can't be imported; a dump has {', '.join(_KINDS)}." for key in dump if key not in _KINDS]
    )
    assistants = reader.all(DumpedAssistant, "assistants", dump.get("assistants"))
    threads = reader.all(DumpedThread, "threads", dump.get("threads"))
    messages = [*_nested(reader, dump.get("threads")), *reader.all(DumpedMessage, "messages", dump.get("messages"))]
    files = reader.all(DumpedFile, "files", dump.get("files"))
    for found in (assistants, threads, messages, files):
        reader.unique(found)
    said = _by_thread(reader, {each.id for _, each in threads}, messages)
    helpers, places = reader.decoded(assistants, _assistant), reader.decoded(threads, _thread)
    if reader.problems:
        raise BrokenDump(reader.problems)
    newest_first = are_newest_first(said.values())
    told = {id: oldest_first(listed, newest_first=newest_first) for id, listed in said.items()}
    return Dump(
        oldest_first(helpers),
        [(each, [*map(stored, told.get(f"thread_{each.id}", ()))]) for each in places],
        oldest_first([each for _, each in files]),
    )


def _nested(reader: _Reader, threads: Any) -> Iterator[tuple[str, DumpedMessage]]:
    """The messages that stand in threads, which say whose they are."""
    listed = threads.get("data") if isinstance(threads, dict) else threads
    for number, thread in enumerate(listed if isinstance(listed, list) else ()):
        if not isinstance(thread, dict) or not thread.get("messages"):
            continue
        for where, each in reader.all(DumpedMessage, f"threads[{number}].messages", thread["messages"]):
            if each.thread_id not in (None, thread.get("id")):
                reader.problems.append(
                    f"{where}: its thread_id is {each.thread_id}, but it stands in {thread.get('id')}."
                )
            yield where, each.model_copy(update={"thread_id": thread.get("id")})


def _by_thread(
    reader: _Reader, threads: set[str], messages: Iterable[tuple[str, DumpedMessage]]
) -> dict[str, list[DumpedMessage]]:
    found: dict[str, list[DumpedMessage]] = {}
    for where, each in messages:
        if each.thread_id not in threads:
            named = f"{each.thread_id} is not among the threads" if each.thread_id else "it does not say its thread_id"
            reader.problems.append(f"{where}: {named}.")
        found.setdefault(each.thread_id or "", []).append(each)
    return found


def _assistant(dumped: DumpedAssistant) -> Assistant:
    _refuse_new_stores(dumped.tool_resources)
    fields = {key: value for key, value in given(dumped).items() if key not in ("id", "created_at")}
    return Assistant(bare(dumped.id, "asst_"), dumped.created_at * 1000, _said(fields))


def _refuse_new_stores(given: ToolResources | None) -> None:
    """An import makes what is in the dump and nothing by the way. Raises `BadRequest`."""
    if given and given.file_search and given.file_search.vector_stores:
        param = "tool_resources.file_search.vector_stores"
        raise BadRequest(
            f"Unsupported value for '{param}': an import makes no vector store.", param, "unsupported_value"
        )


def _said(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that say something."""
    return {key: value for key, value in fields.items() if value not in (None, {}, [])}


def _thread(dumped: DumpedThread) -> Thread:
    _refuse_new_stores(dumped.tool_resources)
    own = resources(dumped.tool_resources) if dumped.tool_resources else {}
    return Thread(bare(dumped.id, "thread_"), dumped.created_at * 1000, dumped.metadata or {}, own)
