"""The files that a run's programs find."""

from __future__ import annotations

import asyncio
import re
from base64 import b64decode
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from agents.models.port import FilePart, Message
from agents.tools.port import Made
from graph.errors import NotFound
from graph.files import Files
from graph.ids import bare_file_id
from graph.request import CodeInterpreter
from graph.sizes import MB

MOST_FILES: Final = 50
MOST_BYTES: Final = 100 * MB
LONGEST_NAME: Final = 100
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f/\\:\"'<>|*?`]|[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Input:
    """A file for programs, by its name and where its bytes are: a file that was uploaded (its bare id), or a data URL."""

    name: str
    size: int
    file_id: str | None = None
    data: str | None = None


@dataclass(frozen=True, slots=True)
class Inputs:
    """What programs find, and the names of what is left out because there is too much."""

    files: tuple[Input, ...] = ()
    left_out: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """The names, for a model to read, in quotation marks where they have commas or brackets; empty where there is nothing to say."""
        told = ", ".join(_quoted(each.name) for each in self.files)
        if self.left_out:
            limits = f"at most {MOST_FILES} files with {MOST_BYTES // MB} MB together can be there"
            told += f" ({', '.join(self.left_out)} left out: {limits})"
        if self.gone:
            told += f" (no longer there: {', '.join(self.gone)})"
        return told.strip()


def _quoted(name: str) -> str:
    return f'"{name}"' if "," in name or "(" in name else name  # it has no quotation marks of its own


def inputs_of(wanted: CodeInterpreter | None, prompt: Sequence[Message]) -> Inputs:
    """The files that a run was given, then those that the messages of its prompt bring. Where there are too many, the
    newest are taken."""
    wanted = wanted or CodeInterpreter()
    given = [Input(each.name, each.size, file_id=each.id) for each in wanted.files]
    brought = [Input(part.filename or "file", _size(part.data), data=part.data) for part in _brought(prompt)]
    if not given and not brought and not wanted.gone:
        return NOTHING
    return _fitted([*given, *brought], wanted.gone)


def safe_name(name: str) -> str:
    """A name that is a file's own on any disk, and no way to another."""
    name = _UNSAFE.sub("_", name).strip().lstrip(".") or "file"
    path = PurePosixPath(name)
    ending = path.suffix[:20]
    return name if len(name.encode()) <= LONGEST_NAME else f"{_cut(path.stem, LONGEST_NAME - 20)}{ending}"


async def put(folder: Path, inputs: Iterable[Input], files: Files, tenant: str) -> list[str]:
    """Put files into a folder, which is made for the first one. Returns the names of those that are no longer there."""
    missing = []
    for each in inputs:
        try:
            content = await _content(each, files, tenant)
        except NotFound:
            missing.append(each.name)
            continue
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True, mode=0o700)
        with await asyncio.to_thread((folder / each.name).open, "wb") as file:
            async for chunk in content:
                await asyncio.to_thread(file.write, chunk)
    return missing


def with_made(inputs: Iterable[Input], made: Iterable[Made]) -> list[Input]:
    """The files with those that programs of the run have made: one that was written over stands as it was left."""
    there = {each.name: each for each in inputs}
    for each in made:
        there[each.name] = Input(each.name, 0, file_id=bare_file_id(each.file_id))
    return list(there.values())


def _fitted(files: Sequence[Input], gone: tuple[str, ...]) -> Inputs:
    named = _named(files)
    taken: list[Input] = []
    left_out: list[str] = []
    room = MOST_BYTES
    for each in reversed(named):
        if len(taken) < MOST_FILES and each.size <= room:
            taken.append(each)
            room -= each.size
        else:
            left_out.append(each.name)
    return Inputs(tuple(reversed(taken)), tuple(reversed(left_out)), gone)


def _named(files: Iterable[Input]) -> list[Input]:
    """The files with names that are safe, and each its own; the same data under the same name is there once."""
    named: dict[str, Input] = {}
    known: set[tuple[str, str | None]] = set()
    for each in files:
        if (each.name, each.data or each.file_id) in known:
            continue
        known.add((each.name, each.data or each.file_id))
        name = _free(safe_name(each.name), {taken.casefold() for taken in named})
        named[name] = Input(name, each.size, each.file_id, each.data)
    return list(named.values())


def _free(name: str, taken: set[str]) -> str:
    path, number, free = PurePosixPath(name), 2, name
    while free.casefold() in taken:
        free, number = f"{path.stem}-{number}{path.suffix}", number + 1
    return free


def _cut(text: str, size: int) -> str:
    return text.encode()[:size].decode(errors="ignore")


def _brought(prompt: Sequence[Message]) -> list[FilePart]:
    return [
        part
        for message in prompt
        if not isinstance(message.content, str)
        for part in message.content
        if isinstance(part, FilePart) and part.data
    ]


def _size(url: str | None) -> int:
    return len(url or "") * 3 // 4


async def _content(each: Input, files: Files, tenant: str) -> AsyncIterator[bytes]:
    if each.data is not None:
        return _once(await asyncio.to_thread(_decoded, each.data))
    return await files.content(tenant, await files.get(tenant, each.file_id or ""))


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _decoded(url: str) -> bytes:
    return b64decode(url.partition(",")[2])


NOTHING: Final = Inputs()
