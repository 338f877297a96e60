"""How records look."""

from __future__ import annotations

import logging
import sys
from datetime import datetime

import orjson
import pytest

from graph.storage.port import StorageError, StorageUnavailable
from servers import logs
from servers.logs import JsonFormatter, Outages, TextFormatter
from servers.version import version


def record(message: str = "said %s", *args: object, **fields: object) -> logging.LogRecord:
    made = logging.LogRecord("servers.access", logging.INFO, "f.py", 1, message, args or ("it",), None)
    made.__dict__.update(fields)
    return made


def failed() -> logging.LogRecord:
    try:
        raise ValueError("oops")
    except ValueError:
        return record(exc_info=sys.exc_info())


def test_a_line_for_people() -> None:
    stamp, rest = TextFormatter().format(record()).split(" ", 1)
    assert rest == "INFO servers.access said it"
    assert datetime.fromisoformat(stamp).tzinfo is not None


def test_an_object_for_machines() -> None:
    line = JsonFormatter().format(record(fields={"status": 200, "run_id": None}))
    assert "\n" not in line
    entry = orjson.loads(line)
    assert datetime.fromisoformat(entry.pop("timestamp")).tzinfo is not None
    assert entry == {
        "level": "info",
        "component": "servers.access",
        "version": version(),
        "message": "said it",
        "status": 200,
        "run_id": None,
    }


def test_exceptions() -> None:
    assert "ValueError: oops" in TextFormatter().format(failed())
    line = JsonFormatter().format(failed())
    assert "ValueError: oops" in orjson.loads(line)["exception"]
    assert "\n" not in line


def test_a_message_stays_one_line() -> None:
    record = logging.makeLogRecord({"msg": "model %s failed", "args": ("x\n2026 INFO forged\x1b[31m",)})
    line = TextFormatter().format(record)
    assert "\n" not in line
    assert "\x1b" not in line
    assert "forged" in line


def test_an_outage_is_told_in_one_line_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    outages = Outages(logging.getLogger("servers.api"), every=3600)
    for number in range(3):
        outages.tell(f"req_{number}", StorageUnavailable("it is away"))
    assert [(told.getMessage(), told.exc_info) for told in caplog.records] == [
        ("storage failed in req_0: it is away", None)
    ]


def test_how_often_an_outage_was_met_is_told_later(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    outages = Outages(logging.getLogger("servers.api"), every=5)
    clock = [0.0]
    monkeypatch.setattr(logs, "monotonic", lambda: clock[0])
    for clock[0] in (0.0, 1.0, 2.0, 6.0, 12.0):
        outages.tell("req_1", StorageUnavailable("it is away"))
    assert [told.getMessage() for told in caplog.records] == [
        "storage failed in req_1: it is away",
        "storage failed in req_1: it is away (2 more since the last such line)",
        "storage failed in req_1: it is away",
    ]


def test_a_fault_of_the_storage_is_told_in_full(caplog: pytest.LogCaptureFixture) -> None:
    outages = Outages(logging.getLogger("servers.api"))
    for _ in range(2):
        outages.tell("req_1", StorageError("what is this?"))
    assert [bool(told.exc_info) for told in caplog.records] == [True, True]
