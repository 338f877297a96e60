"""The outermost layer: gives each request an id, says how long it took, logs one line, and answers what nobody caught."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from servers.context import RequestContext, enter, header
from servers.errors import CLIENT_GONE, ending, internal, respond

OPENAI_VERSION = b"2020-10-01"

logger = logging.getLogger(__name__)
ACCESS = logging.getLogger("servers.access")
_VALID_ID = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")


class Observation:
    """Wraps everything that speaks HTTP. A valid `x-request-id` is kept, any other is replaced. `access` takes the line of
    each request."""

    def __init__(self, app: ASGIApp, access: logging.Logger = ACCESS) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        context = RequestContext(_request_id(scope))
        enter(scope, context)
        status: int | None = None

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *_headers(context)]
            await send(message)

        try:
            await self._app(scope, receive, observed)
        except asyncio.CancelledError:  # the server ends, and waits no longer
            if status is None:
                await respond(ending())(scope, receive, observed)
            raise
        except Exception:
            logger.exception("unexpected error in %s %s (%s)", scope["method"], _path(scope), context.id)
            if status is None:
                await respond(internal())(scope, receive, observed)
        finally:
            _log(self._access, scope, context, status or CLIENT_GONE)


def _request_id(scope: Scope) -> str:
    given = header(scope, b"x-request-id")
    return given.decode() if given and _VALID_ID.fullmatch(given) else f"req_{secrets.token_hex(16)}"


def _headers(context: RequestContext) -> list[tuple[bytes, bytes]]:
    return [
        (b"x-request-id", context.id.encode()),
        (b"openai-processing-ms", b"%d" % context.milliseconds),
        (b"openai-version", OPENAI_VERSION),
    ]


def _path(scope: Scope) -> str:
    """The path as it was sent: percent-encoded, so that a log line stays one line; without the query."""
    raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    return raw.decode("ascii", "backslashreplace")


def _log(access: logging.Logger, scope: Scope, context: RequestContext, status: int) -> None:
    if not access.isEnabledFor(logging.INFO):
        return
    fields = {
        "method": scope["method"],
        "path": _path(scope),
        "status": status,
        "ms": round(context.milliseconds, 1),
        "tenant": context.tenant,
        "request_id": context.id,
        "run_id": context.run_id,
    }
    shown = {**fields, "run_id": context.run_id or "-"}
    access.info(
        "%(method)s %(path)s %(status)d %(ms).1fms %(tenant)s %(request_id)s %(run_id)s",
        shown,
        extra={"fields": fields},
    )
