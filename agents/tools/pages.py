"""Addresses of the web: which ones are of the same page."""

from __future__ import annotations

import re
from typing import Final

MAX_CHARACTERS: Final = 2048

# What links carry to tell where a visitor came from; pages are the same without it.
_TRACKING: Final = re.compile(
    r"utm_\w+|fbclid|gclid|gclsrc|gbraid|wbraid|dclid|msclkid|yclid|twclid|ttclid|li_fat_id|igshid|srsltid|mc_[ce]id"
    r"|_ga|_gl|_hs(enc|mi)|mkt_tok|vero_id|oly_(anon|enc)_id|ref_src|ref_url|cmpid|wt_mc"
)


def identity(address: str) -> str | None:
    """What different addresses of one page have in common: they differ in scheme, `www.`, port, fragment, the slash at their
    end, and in where a visitor came from. None for what is no address of the web."""
    from yarl import URL  # who has addresses to compare has it anyway

    try:
        url = URL(address)
        odd = url.port not in (80, 443, None)
    except ValueError:
        return None
    if (
        url.scheme not in ("http", "https")
        or not url.host
        or not address.isprintable()
        or len(address) > MAX_CHARACTERS
    ):
        return None
    query = sorted((key, value) for key, value in url.query.items() if not _TRACKING.fullmatch(key.lower()))
    port = f":{url.port}" if odd else ""
    return f"{url.host.removeprefix('www.')}{port}{url.path.rstrip('/')}?{query}"
