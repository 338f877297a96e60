"""How bytes that somebody has uploaded are handed out again."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

from starlette.datastructures import Headers

from servers.errors import ApiError

_RANGE: Final = re.compile(r"bytes=(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))")
_UNSAFE: Final = re.compile(
    r"[^ !#-\[\]-~]|%"
)  # in a quoted string: no quote, backslash, percent, nothing beyond ASCII


def disposition(filename: str) -> str:
    """`Content-Disposition` for a file to be saved, never to be shown: RFC 6266, the name as it is by RFC 8187, and as
    plain as it gets for those who do not read that."""
    plain = _UNSAFE.sub("_", filename)
    exact = quote(filename, safe="")
    return f'attachment; filename="{plain}"' + ("" if plain == filename else f"; filename*=UTF-8''{exact}")


def wanted_range(headers: Headers, size: int) -> range | None:
    """The one range of bytes that a request asks for; None for the whole, which is also the answer to what is not
    understood. Raises `ApiError` 416 for a range behind the end."""
    found = _RANGE.fullmatch(headers.get("range", ""))
    if found is None or "if-range" in headers:
        return None
    first, last, suffix = found.groups()
    span = range(max(0, size - int(suffix)), size) if suffix else range(int(first), min(int(last or size) + 1, size))
    if last and int(last) < int(first):
        return None
    if not span:
        headers_of_refusal = {"content-range": f"bytes */{size}"}
        raise ApiError(416, f"The file has {size} bytes.", code="range_not_satisfiable", headers=headers_of_refusal)
    return span
