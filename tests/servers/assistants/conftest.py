"""A desk of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.servers.assistants.desk import Desk
from tests.servers.assistants.desk import desk as opened


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with opened() as opened_desk:
        yield opened_desk
