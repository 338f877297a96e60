"""What a failure of the work means for the run."""

from __future__ import annotations

import logging

from agents.models.port import ModelError, ModelRateLimited, ModelRefused, ModelTimeout
from graph import events as ev
from graph.errors import ConversationBusy, FailureCode
from graph.storage.port import StorageError
from graph.work import LostRun

log = logging.getLogger(__name__)


def failed(run_id: str, error: BaseException) -> ev.RunFailed:
    """The event for an error. What is a fault of ours is logged, and told without its details."""
    match error:
        case ModelError():
            return ev.RunFailed(_code(error), error.message, error.code, error.retry_after, error.param)
        case StorageError():
            log.error("run %s could not be written: %s", run_id, error)
            return ev.RunFailed("storage_unavailable", "The storage is not available. Nothing was stored; try again.")
        case ConversationBusy():
            return ev.RunFailed("conversation_busy", error.message)
        case LostRun():
            return ev.RunFailed("conversation_busy", "Another request has gone on with this run.")
        case _:
            log.error("run %s failed", run_id, exc_info=error)
            return ev.RunFailed("server_error", "The server had an error while processing the request.")


def _code(error: ModelError) -> FailureCode:
    match error:
        case ModelRefused():
            return "invalid_prompt"
        case ModelRateLimited():
            return "rate_limit_exceeded"
        case ModelTimeout():
            return "upstream_timeout"
        case _:
            return "upstream_error"
