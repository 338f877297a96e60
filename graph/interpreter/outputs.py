"""The files that programs leave: kept as files of their tenant."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from io import BufferedReader
from typing import Final

from agents.tools.port import Made
from agents.tools.sandbox.port import Written
from graph.enclosures import image_type
from graph.errors import NotFound
from graph.events import now_ms
from graph.files import File, Files
from graph.ids import id_of
from graph.sizes import MB

PURPOSE: Final = "assistants_output"
MOST_FILES: Final = 16
LARGEST: Final = 20 * MB
_CHUNK: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose files they are, and when their time is over (epoch milliseconds; None: never)."""

    tenant: str
    run_id: str
    expires_at: int | None = None


async def keep(files: Files, owner: Owner, written: Sequence[Written]) -> tuple[list[Made], list[str]]:
    """Keep what a program has written. Returns the files, and what a model has to know of the others. The same bytes under
    the same name are the same file of their run, however often a program is run."""
    made, notes = [], []
    for each in written[:MOST_FILES]:
        kept = await _kept(files, owner, each)
        if isinstance(kept, Made):
            made.append(kept)
        else:
            notes.append(kept)
    if left := written[MOST_FILES:]:
        notes.append(f"Of these files the first {MOST_FILES} are kept for the user, not {_named(left)}.")
    return made, notes


async def _kept(files: Files, owner: Owner, written: Written) -> Made | str:
    try:
        file = await asyncio.to_thread(_opened, written)
    except OSError:
        return f"{written.name} is no file that could be kept."
    with file:
        size = os.fstat(file.fileno()).st_size
        if size > LARGEST:
            return f"{written.name} is not kept for the user: it has more than {LARGEST // MB} MB."
        digest, image = await asyncio.to_thread(_read, file)
        name = written.name.encode("utf-8", "replace").decode()
        id = id_of(f"{owner.run_id}/{name}/{digest}")
        await _stored(files, owner, file, File(id, name, PURPOSE, size, "", now_ms(), owner.expires_at, digest))
    return Made(f"file-{id}", written.name, image)


async def _stored(files: Files, owner: Owner, content: BufferedReader, file: File) -> None:
    with suppress(NotFound):
        await files.get(owner.tenant, file.id)
        return
    async with files.incoming(owner.tenant) as incoming:
        await incoming.take(_chunks(content))
        await files.keep(incoming, replace(file, size=incoming.size, blob=incoming.blob))


def _opened(written: Written) -> BufferedReader:
    """Raises `OSError` for what is no file of its own: a link leads anywhere."""
    descriptor = os.open(written.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError("no file")
    return os.fdopen(descriptor, "rb")


def _read(file: BufferedReader) -> tuple[str, bool]:
    """A file's digest, and whether it is an image. It can be read again behind this."""
    image = image_type(file.read(16)) is not None
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    file.seek(0)
    return digest, image


async def _chunks(file: BufferedReader) -> AsyncIterator[bytes]:
    while chunk := await asyncio.to_thread(file.read, _CHUNK):
        yield chunk


def _named(written: Sequence[Written]) -> str:
    named = ", ".join(each.name for each in written[:5])
    return f"{named} and {len(written) - 5} more" if len(written) > 5 else named
