"""Who is calling: `Authorization: Bearer <key>` decides on the tenant."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from servers.context import context_of, header, route_path
from servers.errors import respond, unauthorized
from servers.settings import ApiKey

OPEN_PATHS = frozenset({"/", "/health", "/health/ready", "/docs", "/redoc", "/openapi.json"})


class Authentication:
    """Lets in who has a key, and everybody where no keys are set. The answer to all others is a 401."""

    def __init__(self, app: ASGIApp, keys: Iterable[ApiKey]) -> None:
        self._app = app
        self._keys = tuple((_digest(key.secret.get_secret_value().encode()), key.tenant) for key in keys)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._keys or route_path(scope) in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        key = _bearer(header(scope, b"authorization"))
        tenant = self._tenant(key) if key else None
        if tenant is None:
            await respond(unauthorized(_refusal(key)))(scope, receive, send)
            return
        context_of(scope).tenant = tenant
        await self._app(scope, receive, send)

    def _tenant(self, key: bytes) -> str | None:
        """The tenant of a key. Every key is compared, so that the time tells nothing about them."""
        digest, found = _digest(key), None
        for known, tenant in self._keys:
            if hmac.compare_digest(known, digest):
                found = tenant
        return found


def _bearer(value: bytes | None) -> bytes | None:
    scheme, _, key = (value or b"").partition(b" ")
    return key.strip() or None if scheme.lower() == b"bearer" else None


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def _refusal(key: bytes | None) -> str:
    if key is None:
        return "No API key was given. Send one in the header 'Authorization: Bearer YOUR_KEY'."
    return "The API key is not known here."
