"""JSON bodies, as they come from anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from servers.errors import CLIENT_GONE, ApiError, BadRequest

_FEW: Final = 200  # that many brackets can't be nested too deeply
_MANY: Final = 1_000_000  # so many objects and arrays would keep the event loop for seconds


def answer(body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """An object as the response."""
    return Response(orjson.dumps(body), headers=headers, media_type="application/json")


async def read_json(request: Request, *, empty: Any = None) -> Any:
    """The body, parsed whatever its content type; `empty` stands for no body at all, where that is allowed. Raises
    `BadRequest` `invalid_json` for what is no JSON, no UTF-8, or nested deeper than 250 levels."""
    try:
        body = await request.body()
    except ClientDisconnect:
        raise ApiError(CLIENT_GONE, "The connection was closed before the body was complete.") from None
    if not body and empty is not None:
        return empty
    brackets = body.count(b"[") + body.count(b"{")
    if brackets > _MANY:
        raise BadRequest(f"The body has more than {_MANY} objects and arrays.", code="invalid_json")
    try:
        value = orjson.loads(body)
        if brackets > _FEW:
            orjson.dumps(value)  # it stops where whoever reads this on would have to
    except (orjson.JSONDecodeError, orjson.JSONEncodeError) as error:
        raise BadRequest(f"The body is no valid JSON: {error}.", code="invalid_json") from None
    return value
