"""How records look."""

from __future__ import annotations

import logging
import sys
from datetime import datetime

import orjson

from servers.logs import JsonFormatter, TextFormatter
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
