"""What the errors of LangChain's packages mean. Each has its own; their status, or else their names, tell."""

from __future__ import annotations

from typing import Any

from agents.models.faults import ConnectionLost, by_status, describe
from agents.models.port import ModelError, ModelTimeout, ModelUnavailable

# Parts of class names, the more telling ones first.
_NAMES: tuple[tuple[str, int], ...] = (
    ("RateLimit", 429),
    ("ResourceExhausted", 429),
    ("TooManyRequests", 429),
    ("Throttl", 429),
    ("Authentication", 401),
    ("Unauthorized", 401),
    ("PermissionDenied", 403),
    ("ContextOverflow", 400),
    ("BadRequest", 400),
    ("InvalidRequest", 400),
    ("InvalidArgument", 400),
    ("NotFound", 404),
    ("InternalServer", 500),
    ("ServiceUnavailable", 503),
)


def translated(error: Exception) -> ModelError:
    """The error of the port that this one is."""
    if isinstance(error, ModelError):
        return error
    names = [kind.__name__ for kind in type(error).__mro__]
    if any("Timeout" in name for name in names):
        return ModelTimeout("The model's provider was silent for too long.")
    status = _status(error) or _status_by_name(names)
    if status is None:
        failure = _lost_or_broken(error, names)
        failure.add_note(str(error)[:500])
        return failure
    message, codes = describe(getattr(error, "body", None))
    return by_status(status, message or str(error), (*codes, getattr(error, "code", None)))


def _lost_or_broken(error: Exception, names: list[str]) -> ModelError:
    if any("Connect" in name for name in names):
        return ConnectionLost("The model's provider can't be reached, or it hung up.")
    return ModelUnavailable(f"The model's provider failed ({type(error).__name__}).")


def _status(error: Exception) -> int | None:
    response = getattr(error, "response", None)
    aws = response.get("ResponseMetadata", {}).get("HTTPStatusCode") if isinstance(response, dict) else None
    told: tuple[Any, ...] = (
        getattr(error, "status_code", None),
        getattr(response, "status_code", None),
        aws,
        getattr(error, "code", None),
    )
    return next((int(status) for status in told if isinstance(status, int) and 400 <= status < 600), None)


def _status_by_name(names: list[str]) -> int | None:
    return next((status for part, status in _NAMES if any(part in name for name in names)), None)
