"""Who does what has been accepted. A job is a name and nothing else: status, lease and expiry live in the run.

`open_runtime` chooses by URL, and imports a queue's package when its scheme is used: `postgresql://` is procrastinate,
`redis://` and `rediss://` are streaq, `memory://` is this process alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib import import_module
from typing import Protocol, cast

from graph.runtime.in_process import InProcess
from graph.runtime.port import Execute, Job, Kind, Queue, Runtime, RuntimeFailed
from graph.runtime.shared import Shared
from graph.storage.urls import parameters, with_parameters

IN_PROCESS = "memory"
SCHEMES: Mapping[str, str] = {
    "postgresql": "graph.runtime.procrastinate:ProcrastinateQueue",
    "postgres": "graph.runtime.procrastinate:ProcrastinateQueue",
    "redis": "graph.runtime.streaq:StreaqQueue",
    "rediss": "graph.runtime.streaq:StreaqQueue",
}
LONGEST_NAME = 63
PUBLIC, TABLE = "public", "cortex_flow"  # where a PostgreSQL storage is that says nothing else
EXTRAS = {"graph.runtime.procrastinate": "postgres", "graph.runtime.streaq": "redis"}


class _Made(Protocol):
    def __call__(self, url: str) -> Queue: ...


def open_runtime(url: str, limit: int, of_tenant: int = 0, *, works: bool = True) -> Runtime:
    """The runtime at `url`, to be connected by its `open`: at most `limit` jobs at a time in this process, and `of_tenant`
    of one tenant (0 = no limit). `works`: this process does jobs; otherwise it leaves all of them to others.

    Raises `RuntimeFailed` for a URL that nothing serves or that can't be read, and where a package is missing.
    """
    scheme, separator, _ = url.partition("://")
    if separator and scheme == IN_PROCESS:
        return InProcess(limit, of_tenant)
    if not separator or scheme not in SCHEMES:
        known = ", ".join(f"{name}://" for name in (IN_PROCESS, *SCHEMES))
        named = f"{scheme}://" if separator else "a URL without a scheme"  # the rest may hold a password
        raise RuntimeFailed(f"no runtime serves {named}; known: {known}")
    return Shared(_queue(scheme)(url), limit, of_tenant, works=works)


def runtime_of(storage_url: str) -> str:
    """The URL of the runtime that fits a storage: beside it where that serves as a queue too, else this process alone."""
    scheme, separator, _ = storage_url.partition("://")
    if not separator or scheme not in SCHEMES:
        return f"{IN_PROCESS}://"
    query = parameters(storage_url)
    named = [name for name in (query.get("schema", PUBLIC), query.get("table", TABLE)) if name not in (PUBLIC, TABLE)]
    if named:  # stores side by side in one database have queues side by side
        query["schema"] = _short("_".join([*named, "queue"]))
    else:
        query.pop("schema", None)
    return with_parameters(storage_url, query)


def _short(name: str) -> str:
    """A name of PostgreSQL's, which knows 63 characters of it."""
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.blake2b(name.encode(), digest_size=8).hexdigest()
    return f"{name[: LONGEST_NAME - len(digest) - 1]}_{digest}"


def _queue(scheme: str) -> _Made:
    module, _, name = SCHEMES[scheme].partition(":")
    try:
        return cast("_Made", getattr(import_module(module), name))
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("graph"):
            raise
        raise RuntimeFailed(
            f"{scheme}:// needs the package {error.name}: install cortex-flow[{EXTRAS[module]}]"
        ) from None


__all__ = [
    "EXTRAS",
    "IN_PROCESS",
    "SCHEMES",
    "Execute",
    "InProcess",
    "Job",
    "Kind",
    "Queue",
    "Runtime",
    "RuntimeFailed",
    "Shared",
    "open_runtime",
    "runtime_of",
]
