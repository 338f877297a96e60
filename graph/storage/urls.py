"""What stands behind the question mark of a URL. A plus there is a plus: passwords and keys have them."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlencode


def parameters(url: str) -> dict[str, str]:
    """The parameters of a URL. Raises `ValueError` for what is none."""
    query = url.partition("?")[2].replace("+", "%2B")
    return dict(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)))


def with_parameters(url: str, given: Mapping[str, str]) -> str:
    """The URL with these parameters in the place of its own."""
    place = url.partition("?")[0]
    return f"{place}?{urlencode(given, quote_via=quote)}" if given else place
