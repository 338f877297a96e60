"""Clients that leave before they have their answer."""

from __future__ import annotations

from starlette.types import Receive


async def client_left(receive: Receive) -> None:
    """Wait until the client leaves. What it still sends is passed over."""
    while (await receive())["type"] != "http.disconnect":
        pass
