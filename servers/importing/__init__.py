"""Bringing what somebody has kept elsewhere, with its ids and times: `read` a dump of OpenAI's objects, `bring` it."""

from __future__ import annotations

from servers.importing.bring import Brought, bring
from servers.importing.dump import BrokenDump, Dump, read

__all__ = ["BrokenDump", "Brought", "Dump", "bring", "read"]
