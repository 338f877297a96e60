"""The driver's errors in the port's words. A message names what PostgreSQL complained about, never how we connect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import psycopg
from psycopg import errors
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from graph.storage.port import Conflict, StorageError, StorageUnavailable, Write

CONFLICT: Final = "CF409"
"""The SQLSTATE that our procedure raises, with the number of the write in its detail."""

_AGAIN: Final = (errors.SerializationFailure, errors.DeadlockDetected, errors.LockNotAvailable)
_AWAY: Final = ("08", "53", "57", "58")  # classes: connection, resources, operator, system
_READ_ONLY: Final = "25006"  # a standby, until it is promoted
_WRONG: Final = {
    "28": "it does not let us in: check user and password",
    "3D": "the database is not there: create it, or name another one",
    "42501": "the user lacks a right",
}


def transient(error: BaseException) -> bool:
    """Whether the same statement may succeed at once: nothing of it was done."""
    return isinstance(error, _AGAIN)


def lost(error: BaseException) -> bool:
    """Whether the connection is to blame: another one may do. Where there was none, it has been waited for already."""
    if isinstance(error, (PoolTimeout, TooManyRequests)):
        return False
    return isinstance(error, psycopg.OperationalError) and (error.sqlstate or "08").startswith(("08", "57P"))


def away(error: BaseException) -> bool:
    """Whether it may come back by itself."""
    if isinstance(error, (PoolTimeout, TooManyRequests)):
        return True
    state = getattr(error, "sqlstate", None)
    if state is None:
        return isinstance(error, psycopg.OperationalError) and not _refused(error)
    return state[:2] in _AWAY or state == _READ_ONLY or transient(error)


@contextmanager
def translated(where: str, writes: Sequence[Write] = ()) -> Iterator[None]:
    """Raise what the port promises. `writes` are those of the commit that is under way."""
    try:
        yield
    except PoolClosed:
        raise StorageError("the storage is not open") from None
    except (psycopg.Error, PoolTimeout, TooManyRequests) as error:
        raise _translation(error, where, writes) from error


def sentence(error: BaseException) -> str:
    """PostgreSQL's own words on one line."""
    diagnosis = getattr(error, "diag", None)
    told = (diagnosis.message_primary if diagnosis is not None else None) or str(error) or type(error).__name__
    return " ".join(told.split())[:300]


def _translation(error: Exception, where: str, writes: Sequence[Write]) -> StorageError:
    state = getattr(error, "sqlstate", None) or ""
    if state == CONFLICT and isinstance(error, psycopg.Error):
        return Conflict(writes[int(error.diag.message_detail or 0)])
    if away(error):
        told = "no connection is free" if isinstance(error, (PoolTimeout, TooManyRequests)) else sentence(error)
        return StorageUnavailable(f"{where} can't be used now: {told}")
    advice = _WRONG.get(state) or _WRONG.get(state[:2]) or _refusal(error)
    return StorageError(f"{where}: {f'{advice} ' if advice else ''}({sentence(error)})")


def _refused(error: BaseException) -> bool:
    return _refusal(error) is not None


def _refusal(error: BaseException) -> str | None:
    """What a failed connection attempt, whose SQLSTATE the driver does not tell, complains about."""
    told = str(error)
    if "authentication failed" in told or "no password supplied" in told or "no pg_hba.conf entry" in told:
        return _WRONG["28"]
    if 'FATAL:  database "' in told and "does not exist" in told:
        return _WRONG["3D"]
    if 'FATAL:  role "' in told and "does not exist" in told:
        return _WRONG["28"]
    return None
