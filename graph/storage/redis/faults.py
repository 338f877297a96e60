"""Redis' errors in the port's words. None of them shows more of the URL than its host, port and database."""

from __future__ import annotations

import re

from redis.exceptions import (
    AskError,
    AuthenticationError,
    AuthorizationError,
    ClusterCrossSlotError,
    ClusterError,
    ConnectionError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    TimeoutError,
    TryAgainError,
)

from graph.storage.port import StorageError, StorageUnavailable

_ABSENT = (ConnectionError, TimeoutError, TryAgainError, ClusterError, OSError)
_REFUSED = (AuthenticationError, AuthorizationError, NoPermissionError)
_CLUSTER = (AskError, ClusterCrossSlotError)  # MOVED is an ASK here

# Redis 6 tells what stopped a script in the middle of its message.
_CODE = re.compile(r"(?:^|-)(BUSY|LOADING|MASTERDOWN|MISCONF|NOPERM|NOREPLICAS|OOM|READONLY)\b")


def translated(error: RedisError | OSError, where: str) -> StorageError:
    """The error to raise instead; `where` is the server."""
    found = _CODE.search(str(error))
    code = found[1] if found else ""
    if isinstance(error, OutOfMemoryError) or code == "OOM":
        return StorageUnavailable(f"{where} is full: it has used its maxmemory and takes no more writes")
    if is_replica(error):
        return StorageUnavailable(f"{where} is a replica now and takes no writes: the primary has moved")
    if isinstance(error, _REFUSED) or code == "NOPERM":
        return StorageUnavailable(f"{where} refuses this user: check the user, its password and its permissions")
    if isinstance(error, _CLUSTER):
        return StorageError(f"{where} belongs to a Redis Cluster, which is not served: use a single primary")
    if isinstance(error, _ABSENT):
        return StorageUnavailable(f"{where} can't be reached ({_sentence(error)})")
    if code:
        return StorageUnavailable(f"{where} can't serve now ({_sentence(error)})")
    return StorageError(f"{where}: {_sentence(error)}")


def is_replica(error: BaseException) -> bool:
    """Whether the server takes no writes because another one is the primary."""
    return isinstance(error, ReadOnlyError) or "-READONLY" in str(error)


def is_refusal(error: BaseException) -> bool:
    """Whether trying again with the same credentials can't help."""
    return isinstance(error, _REFUSED)


def is_full(error: BaseException) -> bool:
    return isinstance(error, OutOfMemoryError) or "-OOM" in str(error)


def _sentence(error: BaseException) -> str:
    return f"{str(error) or 'no answer in time':.200}".partition("\n")[0].rstrip(".")
