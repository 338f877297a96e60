"""Which web pages may call: starlette's CORS, answering in OpenAI's shape and out of the way of everybody else."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from servers.context import header
from servers.errors import ApiError, BadRequest, respond
from servers.settings import Settings

EXPOSED = (
    "x-conversation-id",
    "x-agents-used",
    "x-request-id",
    "openai-processing-ms",
    "retry-after",
    "idempotent-replayed",
    "mcp-session-id",
)


class Cors(CORSMiddleware):
    """Never with credentials: keys travel in a header that a page has to set itself."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        super().__init__(
            app,
            allow_origins=settings.cors_origins,
            allow_methods=settings.cors_methods,
            allow_headers=("*",),
            expose_headers=EXPOSED,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        origin = header(scope, b"origin") if scope["type"] == "http" else None
        if origin is None and self.allow_all_origins:
            await self.app(scope, receive, send)
        elif origin is not None and scope["method"] != "OPTIONS" and not self._lets_in(origin.decode("latin-1"), scope):
            await respond(_refused())(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    def _lets_in(self, origin: str, scope: Scope) -> bool:
        """Whether a page of that origin may call: one that is allowed, or our own. The browser would keep the answer of
        any other from its page, but the request would have done its work."""
        own = origin.partition("://")[2] == (header(scope, b"host") or b"").decode("latin-1")
        return own or self.is_allowed_origin(origin)

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if response.status_code == 200:
            return response
        refusal = BadRequest(bytes(response.body).decode(), code="cors_refused")
        refusal.headers = {name: value for name, value in response.headers.items() if name not in _BODY_HEADERS}
        return respond(refusal)


def _refused() -> ApiError:
    message = "Pages of this origin may not call here; OPENAI_COMPAT_CORS_ORIGINS says which may."
    return ApiError(403, message, code="origin_refused", headers={"vary": "Origin"})


_BODY_HEADERS = ("content-length", "content-type")
