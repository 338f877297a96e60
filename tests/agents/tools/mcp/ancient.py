"""A server as there were many in 2025: by hand, on the protocol's version of then, which knows no `server/discover`."""

from __future__ import annotations

import json
import sys
from typing import Any

TOOLS = [{"name": "tell.time", "description": "Tells the time.", "inputSchema": {"type": "object", "$schema": "x"}}]
RESULTS: dict[str, Any] = {
    "initialize": {
        "protocolVersion": "2025-06-18",
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "ancient", "version": "1"},
    },
    "tools/list": {"tools": TOOLS},
    "tools/call": {"content": [{"type": "text", "text": "It is late."}]},
}

for line in sys.stdin:
    asked = json.loads(line)
    if "id" in asked:
        result = RESULTS.get(asked["method"])
        told = {"result": result} if result else {"error": {"code": -32601, "message": "Method not found"}}
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": asked["id"], **told}) + "\n")
        sys.stdout.flush()
