"""Which web pages may call: starlette's CORS, answering in OpenAI's shape and out of the way of everybody else."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from servers.context import header
from servers.errors import BadRequest, respond
from servers.settings import Settings

EXPOSED = ("x-conversation-id", "x-agents-used", "x-request-id", "openai-processing-ms", "retry-after")


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
        if scope["type"] == "http" and header(scope, b"origin") is None and self.allow_all_origins:
            await self.app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if response.status_code == 200:
            return response
        refusal = BadRequest(bytes(response.body).decode(), code="cors_refused")
        refusal.headers = {name: value for name, value in response.headers.items() if name not in _BODY_HEADERS}
        return respond(refusal)


_BODY_HEADERS = ("content-length", "content-type")
