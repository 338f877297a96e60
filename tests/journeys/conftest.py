"""Journeys share their servers with `tests/test_openai_compatibility.py`: a plugin, so that both get the same ones."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.import_plugin("tests.journeys.fixtures")
