"""The tools that run inside, by name. To add one, write one file and name it here."""

from agents.tools.port import Tool
from agents.tools.python import PYTHON
from agents.tools.search import SEARCH

TOOLS: dict[str, Tool] = {tool.spec.name: tool for tool in (SEARCH, PYTHON)}

__all__ = ["TOOLS"]
