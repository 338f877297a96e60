"""What is known of a request while it is served, shared by the middlewares and the routes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from starlette.types import Scope

DEFAULT_TENANT = "default"


@dataclass(slots=True)
class RequestContext:
    """One request. `id` is its `x-request-id`; `run_id` is there once it started a run."""

    id: str
    tenant: str = DEFAULT_TENANT
    run_id: str | None = None
    started: float = field(default_factory=time.perf_counter)

    @property
    def milliseconds(self) -> float:
        """How long it has been served."""
        return (time.perf_counter() - self.started) * 1000


def enter(scope: Scope, context: RequestContext) -> None:
    """Attach the context to a request."""
    scope.setdefault("state", {})["context"] = context


def context_of(scope: Scope) -> RequestContext:
    """The context of a request that came through `Observation`."""
    context: RequestContext = scope["state"]["context"]
    return context


def header(scope: Scope, name: bytes) -> bytes | None:
    """The first header of that name (lower case)."""
    return next((value for key, value in scope["headers"] if key == name), None)
