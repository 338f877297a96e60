"""What a client hears when something goes wrong. This file alone knows status codes and OpenAI's envelope.

ApiError                  everything that ends in an envelope
  BadRequest              400: the request itself is at fault
  NotFoundHere            404: no such route or thing
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import orjson
from starlette.responses import Response

from graph.errors import (
    ConversationBusy,
    InvalidRequest,
    NotFound,
    Overloaded,
    RunEnded,
    ShuttingDown,
    ThreadLocked,
)
from graph.run import Failure, Run
from graph.storage.port import StorageUnavailable

INVALID: Final = "invalid_request_error"
SERVER: Final = "server_error"
CLIENT_GONE: Final = 499  # nginx's word for it: the client left before its answer was there
GENERIC: Final = "The server had an error while processing your request. Please try again."


class ApiError(Exception):
    """An error as a client sees it: a status, and the four keys of OpenAI's envelope."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = INVALID,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.type, self.param, self.code = status, message, type, param, code
        self.headers = headers

    @property
    def body(self) -> dict[str, Any]:
        """OpenAI's envelope."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}


class BadRequest(ApiError):
    """The request itself is at fault; `param` is the path of the field: `messages[0].role`."""

    def __init__(self, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(400, message, param=param, code=code)


class NotFoundHere(ApiError):
    """No such route or thing."""

    def __init__(self, message: str, param: str | None = None, code: str = "not_found") -> None:
        super().__init__(404, message, param=param, code=code)


def unknown_route(method: str, path: str) -> ApiError:
    """No route is called that, or it does not know the method."""
    return NotFoundHere(f"There is no route for {method} {path} here.")


def unknown_model(name: str) -> ApiError:
    """No model is called that."""
    return NotFoundHere(f"The model {name!r:.200} does not exist here.", "model", "model_not_found")


def unauthorized(message: str) -> ApiError:
    """The key is missing or wrong."""
    headers = {"www-authenticate": "Bearer"}
    return ApiError(401, message, type="authentication_error", code="invalid_api_key", headers=headers)


def internal() -> ApiError:
    """Something that should not happen; what it was stands in the log alone."""
    return ApiError(500, GENERIC, type=SERVER, code="internal_error")


def ending() -> ApiError:
    """The process ends before there is an answer."""
    return of_exception(ShuttingDown("The server is shutting down. Try again in a moment."))


def of_exception(error: Exception) -> ApiError:
    """The envelope of whatever a route raised."""
    match error:
        case ApiError():
            return error
        case InvalidRequest(message=message, param=param, code=code):
            return BadRequest(message, param, code)
        case NotFound(message=message):
            return NotFoundHere(message)
        case ConversationBusy(message=message):
            return ApiError(409, message, code="conversation_busy", headers={"retry-after": "1"})
        case ThreadLocked(message=message):
            return BadRequest(message)
        case RunEnded(message=message):
            return BadRequest(message, code="run_ended")
        case Overloaded(message=message, retry_after=seconds):
            return _rate_limited(message, seconds)
        case ShuttingDown(message=message):
            return ApiError(503, message, type=SERVER, code="shutting_down", headers={"retry-after": "1"})
        case StorageUnavailable():
            return ApiError(
                503,
                "The storage can't be reached. Please try again.",
                type=SERVER,
                code="storage_unavailable",
                headers={"retry-after": "1"},
            )
        case _:
            return internal()


def of_run(run: Run) -> ApiError | None:
    """The envelope of a run that ended without an answer; None for any other."""
    match run.status:
        case "failed":
            return of_failure(run.failure) if run.failure else internal()
        case "expired":
            return ApiError(504, "The run took longer than it may and was stopped.", type=SERVER, code="run_expired")
        case "cancelled":
            return ApiError(
                503, "The run was cancelled before its answer was there.", type=SERVER, code="run_cancelled"
            )
        case _:
            return None


def of_failure(failure: Failure) -> ApiError:
    """The envelope of a run's failure, by its `graph.errors.FailureCode`."""
    code, message = failure.code, failure.message
    match code:
        case "invalid_prompt":
            return BadRequest(message, failure.param, failure.reason or code)
        case "rate_limit_exceeded":
            return _rate_limited(message, failure.retry_after or 1)
        case "upstream_error":
            return ApiError(502, message, type=SERVER, code=code)
        case "upstream_timeout":
            return ApiError(504, message, type=SERVER, code=code)
        case "storage_unavailable" | "shutting_down":
            return ApiError(503, message, type=SERVER, code=code, headers={"retry-after": "1"})
        case "conversation_busy":
            return ApiError(409, message, code=code, headers={"retry-after": "1"})
        case _:
            return internal()


def respond(error: ApiError) -> Response:
    """The error as a response."""
    return Response(orjson.dumps(error.body), error.status, error.headers, media_type="application/json")


def _rate_limited(message: str, seconds: float) -> ApiError:
    headers = {"retry-after": str(max(1, math.ceil(seconds)))}
    return ApiError(429, message, type="rate_limit_error", code="rate_limit_exceeded", headers=headers)
