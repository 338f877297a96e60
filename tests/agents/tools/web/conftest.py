"""What the tests of the web share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.agents.tools.web.site import Site, opened


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with opened() as site:
        yield site
