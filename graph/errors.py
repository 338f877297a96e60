"""What can go wrong above storage and models. `servers/errors.py`, and it alone, knows which status each one is.

RunError
  InvalidRequest            the request can't be a run (`param` names the part at fault)
    ContextTooLong          the system prompt and the last turn alone are over the window
  NotFound                  there is no such thing, for this tenant
  ConversationBusy          another run is at work on this conversation, or many change one thing
  ThreadLocked              the same, said of a change to the thread by itself
  OutputsRefused            tool outputs that do not name exactly the open calls
  RunEnded                  the run has ended: it can't be resumed or cancelled
  Overloaded                more runs than this process takes
  ShuttingDown              this process takes no more runs
"""

from __future__ import annotations

from typing import Literal

FailureCode = Literal[
    "server_error",
    "upstream_error",
    "upstream_timeout",
    "rate_limit_exceeded",
    "invalid_prompt",
    "storage_unavailable",
    "conversation_busy",
    "shutting_down",
]


class RunError(Exception):
    """Base of this tree. `message` may be shown to the client."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidRequest(RunError):
    """The request can't be a run."""

    def __init__(self, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.param = param
        self.code = code


class ContextTooLong(InvalidRequest):
    """What can't be left out is more than the window holds."""

    def __init__(self, tokens: int, limit: int) -> None:
        super().__init__(
            f"This conversation can't be fitted into the context window: its system messages and last turn have {tokens} "
            f"tokens, the maximum is {limit}. Please shorten them.",
            param="messages",
            code="context_length_exceeded",
        )


class NotFound(RunError):
    """There is no such thing, for this tenant."""


class ConversationBusy(RunError):
    """Another run is at work on this conversation: `run_id` (bare), where it is a durable one. Or too many requests change
    one thing at the same time, whatever it is."""

    def __init__(self, message: str, run_id: str | None = None) -> None:
        super().__init__(message)
        self.run_id = run_id


class ThreadLocked(RunError):
    """A run is at work on the thread, which can't be changed meanwhile: `doing` says what can't be done to it. Both ids are
    bare."""

    def __init__(self, doing: str, thread_id: str, run_id: str) -> None:
        super().__init__(f"Can't {doing} thread_{thread_id} while a run run_{run_id} is active.")
        self.thread_id = thread_id
        self.run_id = run_id


class OutputsRefused(InvalidRequest):
    """Tool outputs that do not name exactly the open calls."""


class RunEnded(RunError):
    """The run has ended."""


class Overloaded(RunError):
    """More runs than this process takes; try again after `retry_after` seconds."""

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ShuttingDown(RunError):
    """This process takes no more runs."""
