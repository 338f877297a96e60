"""Which web pages may speak MCP with us. A page of anywhere can make its own name mean this machine (DNS rebinding), and
would then be inside; so MCP wants the `Origin` of each request looked at.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit

from starlette.types import Scope

from servers.context import header
from servers.errors import ApiError
from servers.settings import Settings


def refuse_strangers(scope: Scope, settings: Settings) -> None:
    """Raises `ApiError` for a page that is no page of this machine's and that `OPENAI_COMPAT_CORS_ORIGINS` does not name (`*`
    names nobody here); and for a `Host` that is neither an address nor a name we know. Where keys are asked for, `*` does
    let pages in, and any name is ours: a page without a key achieves nothing."""
    origin = (header(scope, b"origin") or b"").decode("latin-1")
    if origin and not _is_known(origin, settings):
        message = f"Pages of {origin!r:.200} may not speak MCP here; OPENAI_COMPAT_CORS_ORIGINS says which may."
        raise ApiError(403, message, code="origin_refused")
    name = _name(f"//{(header(scope, b'host') or b'').decode('latin-1')}")
    if not (settings.api_keys or _is_address(name) or name in _names(settings)):
        message = (
            f"This server is not known as {name!r:.200}. Name it in OPENAI_COMPAT_CORS_ORIGINS (https://{name:.200}), or ask "
            "for keys (OPENAI_COMPAT_API_KEYS)."
        )
        raise ApiError(421, message, code="host_refused")


def _is_known(origin: str, settings: Settings) -> bool:
    if origin in settings.cors_origins or ("*" in settings.cors_origins and settings.api_keys):
        return True
    name = _name(origin)
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _names(settings: Settings) -> Iterator[str]:
    yield "localhost"
    yield settings.host.lower()
    for origin in settings.cors_origins:
        if origin != "*":
            yield _name(origin)


def _name(url: str) -> str:
    """The host of a URL in lower case; empty where there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    """Whether it is no name, which somebody else could make mean this machine."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
