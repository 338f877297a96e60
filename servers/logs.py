"""How log records look: lines for people, or JSON for machines. They go to the standard error stream."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from time import monotonic
from typing import Any

import orjson

from graph.storage.port import StorageError, StorageUnavailable
from servers.version import version

OFF = logging.CRITICAL + 1
ROOMS = ("servers", "graph", "agents")


def configure(format: str, level: str) -> None:
    """Log our own rooms from `level` on, everybody else's warnings, to the standard error stream."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if format == "json" else TextFormatter())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for room in ROOMS:
        logging.getLogger(room).setLevel(level.upper())
    logging.captureWarnings(True)
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False  # our lines don't name them


def request_log(*, wanted: bool) -> logging.Logger:
    """A log of requests for one server among several, which configures nothing of the process's: its lines go where the
    application sends those of `servers.access`, and to the standard error stream where it has not set up any logging."""
    log = logging.Logger("servers.access", logging.INFO if wanted else OFF)
    log.parent = logging.getLogger("servers.access")
    if not log.parent.hasHandlers():
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(TextFormatter())
        log.addHandler(handler)
    return log


class Outages:
    """Tells that the storage is away, once in `every` seconds however many requests find it so: each has a line of its own
    in the log of requests. What else a storage says is a fault, and told in full."""

    def __init__(self, log: logging.Logger, every: float = 5.0) -> None:
        self._log, self._every = log, every
        self._told = -every
        self._untold = 0

    def tell(self, where: str, error: StorageError) -> None:
        if not isinstance(error, StorageUnavailable):
            self._log.error("storage failed in %s: %s", where, error, exc_info=error)
        elif monotonic() - self._told < self._every:
            self._untold += 1
        else:
            more = f" ({self._untold} more since the last such line)" if self._untold else ""
            self._told, self._untold = monotonic(), 0
            self._log.error("storage failed in %s: %s%s", where, error, more)


_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {0x2028: " ", 0x2029: " "}
"""What could end a line, or steer a terminal, inside a message: clients and providers have a say in some."""


class TextFormatter(logging.Formatter):
    """`2026-11-20T12:00:00.000Z INFO servers.access message`"""

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage().translate(_CONTROLS)
        line = f"{_timestamp(record)} {record.levelname} {record.name} {message}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """One object per line: timestamp, level, component, version, message, and what the record adds as `fields`."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "timestamp": _timestamp(record),
            "level": record.levelname.lower(),
            "component": record.name,
            "version": version(),
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(entry, default=str).decode()


def _timestamp(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
