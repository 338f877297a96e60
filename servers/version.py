"""Which version this is."""

from __future__ import annotations

from functools import cache

DISTRIBUTION = "cortex-flow"


@cache
def version() -> str:
    """The installed version; `0` where the rooms run without being installed."""
    from importlib.metadata import PackageNotFoundError  # 15 ms, so only when somebody asks
    from importlib.metadata import version as installed

    try:
        return installed(DISTRIBUTION)
    except PackageNotFoundError:
        return "0"
