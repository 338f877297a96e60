"""What LangChain's standard tests need of pytest, without the plugins that `langchain-tests` brings: these would measure,
record and forbid sockets in all our tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import ANY

import pytest


class Plain:
    """Stand-ins: a measurement runs once, a snapshot is equal to anything, nothing is recorded."""

    @pytest.fixture
    def benchmark(self) -> Callable[[Callable[[], Any]], Any]:
        return lambda work: work()

    @pytest.fixture
    def snapshot(self) -> Callable[..., Any]:
        return lambda **options: ANY

    @pytest.fixture
    def vcr(self) -> None:
        return None
