"""`cortex-flow sandbox prepare`: what the first program would wait for."""

from __future__ import annotations

import sys

from agents.tools.sandbox import prepare_sandbox
from agents.tools.settings import ToolNotConfigured
from servers.settings import BadSettings, Settings
from servers.team import tool_settings


def prepare(settings: Settings) -> int:
    """Prepare the sandbox that is set, say so, and return the exit code. Raises `BadSettings`."""
    sys.stderr.write("This may take a minute, and 2.5 GB of memory.\n" if settings.sandbox == "wasi" else "")
    try:
        prepared = prepare_sandbox(tool_settings(settings))
    except ToolNotConfigured as error:
        raise BadSettings(error.message) from error
    sys.stdout.write(f"{settings.sandbox}: {'prepared' if prepared else 'there is nothing to prepare'}\n")
    return 0
