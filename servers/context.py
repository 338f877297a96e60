"""What is known of a request while it is served, shared by the middlewares and the routes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from starlette.types import Scope

DEFAULT_TENANT = "default"
CONVERSATION_HEADERS = (b"x-conversation-id", b"x-session-id")  # they name a conversation, the first of them first
_KEY = "cortex_flow"  # the application that this one is mounted into keeps its own things there


@dataclass(frozen=True, slots=True)
class Claimed:
    """A request with a key. The run that comes of it has this id; `again`: it may be there already."""

    run_id: str
    again: bool


@dataclass(slots=True)
class RequestContext:
    """One request. `id` is its `x-request-id`; `run_id` is there once it started a run; `failed` where its stream began
    well and ended in an error; `recorded`: its answer is kept for who asks again, though nobody waits for it now; `lasting`:
    it has begun what goes on without a client, and is answered to its end, so that who asks again does not begin it once more;
    `claimed`: it came with a key."""

    id: str
    tenant: str = DEFAULT_TENANT
    run_id: str | None = None
    failed: bool = False
    recorded: bool = False
    lasting: bool = False
    claimed: Claimed | None = None
    started: float = field(default_factory=time.perf_counter)

    @property
    def milliseconds(self) -> float:
        """How long it has been served."""
        return (time.perf_counter() - self.started) * 1000


def enter(scope: Scope, context: RequestContext) -> None:
    """Attach the context to a request."""
    scope.setdefault("state", {})[_KEY] = context


def context_of(scope: Scope) -> RequestContext:
    """The context of a request that came through `Observation`."""
    context: RequestContext = scope["state"][_KEY]
    return context


def route_path(scope: Scope) -> str:
    """The path within this application: without the prefix that it is mounted under."""
    path: str = scope["path"]
    prefix: str = scope.get("root_path", "")
    return path.removeprefix(prefix) if path == prefix or path.startswith(f"{prefix}/") else path


def header(scope: Scope, name: bytes) -> bytes | None:
    """The first header of that name (lower case)."""
    return next((value for key, value in scope["headers"] if key == name), None)
