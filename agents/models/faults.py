"""What a provider means when it refuses: its status and words as an error of the port.

ModelUnavailable
  ConnectionLost         no connection, or one that ended too early: may well pass
ModelRateLimited
  QuotaExhausted         will not pass by waiting
"""

from __future__ import annotations

import logging
import re
from typing import Any

import orjson

from agents.models.port import ModelError, ModelRateLimited, ModelRefused, ModelTimeout, ModelUnavailable

_AGAIN = frozenset({408, 409, 429})
_CODES = {
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "insufficient_quota": 429,
    "context_length_exceeded": 400,
    "invalid_request_error": 400,
    "content_filter": 400,
    "model_not_found": 404,
    "authentication_error": 401,
    "invalid_api_key": 401,
}


class ConnectionLost(ModelUnavailable):
    """No connection, or one that ended too early."""


class QuotaExhausted(ModelRateLimited):
    """The account is used up."""


def may_pass(error: ModelError) -> bool:
    """Whether trying again can help."""
    if isinstance(error, ConnectionLost):
        return True
    status = error.status or 0
    return (status in _AGAIN or status >= 500) and not isinstance(error, QuotaExhausted)


def report(logger: logging.Logger, name: str, error: ModelError, after: str) -> None:
    """Tells the operator of a failed call. What the caller has to mend is no news in the log."""
    if not isinstance(error, ModelRefused):
        details = " ".join(str(detail) for detail in (error.__cause__, *getattr(error, "__notes__", ())) if detail)
        logger.warning("%s: %s %s: %s", name, error.message, details, after)


def refusal(status: int, body: bytes, retry_after: float | None = None) -> ModelError:
    """The error that an answer with this status is. The server's own words are passed on where they tell the caller
    what to change; where they could repeat the key, never."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        content = None
    error = by_status(status, *describe(content), retry_after)
    if isinstance(error, ModelRefused):
        error.param = _field(content)
    return error


def _field(body: Any) -> str | None:
    """The field of the request that a refusal is about, by its first name: what stands in it is not as the caller sent it."""
    error = body.get("error") if isinstance(body, dict) else None
    param = error.get("param") if isinstance(error, dict) else None
    return re.split(r"[.\[]", param)[0] or None if isinstance(param, str) else None


def told(error: Any) -> ModelError:
    """The error that an `error` in a stream is."""
    message, codes = describe({"error": error})
    status = next((known for code in codes if (known := _status(code)) is not None), None)
    return by_status(status or 500, message, codes)


def by_status(
    status: int, message: str | None, codes: tuple[Any, ...] = (), retry_after: float | None = None
) -> ModelError:
    """The error that an HTTP status is; `message` and `codes` are the provider's own."""
    if status == 400:
        code = codes[0] if codes and isinstance(codes[0], str) else None
        return ModelRefused(message or "The model's provider refused the request (400).", status=status, code=code)
    error = _fault(status, codes)
    error.status, error.retry_after = status, retry_after
    if message and status != 401:  # that one may repeat the key
        error.add_note(f"It said: {message[:500]}")
    return error


def describe(body: Any) -> tuple[str | None, tuple[Any, ...]]:
    """Message and codes of an error body, in the shapes that are about: OpenAI's, Ollama's, vLLM's, FastAPI's."""
    if isinstance(body, list) and body:
        body = body[0]
    error = body.get("error", body) if isinstance(body, dict) else body
    if isinstance(error, str):
        return error, ()
    if not isinstance(error, dict):
        return None, ()
    message = error.get("message") or error.get("detail")
    return message if isinstance(message, str) else None, (error.get("code"), error.get("type"))


def _status(code: Any) -> int | None:
    if isinstance(code, str):
        return int(code) if code.isdecimal() else _CODES.get(code)
    return code if isinstance(code, int) else None


def _fault(status: int, codes: tuple[Any, ...]) -> ModelError:
    if status == 429:
        if "insufficient_quota" in codes:
            return QuotaExhausted("The quota at the model's provider is used up.")
        return ModelRateLimited("The model's provider takes no more requests at the moment.")
    if status == 408:
        return ModelTimeout("The model's provider gave up waiting (408).")
    if status in (401, 403):
        return ModelUnavailable(
            f"The model's provider did not let us in ({status}). Its key is wrong, or may not do this."
        )
    if status == 404:
        return ModelUnavailable("The model's provider does not know this model, or its base URL is wrong (404).")
    if 300 <= status < 400:
        return ModelUnavailable(
            f"The model's provider sent us elsewhere ({status}): its base URL is not the final one."
        )
    return ModelUnavailable(f"The model's provider failed ({status}).")
