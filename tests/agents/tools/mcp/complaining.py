"""An MCP server over stdio with one tool, which refuses at great length. Written without the package, to say what it would
not."""

from __future__ import annotations

import json
import sys
from typing import Any

TOOL = {"name": "complain", "inputSchema": {"type": "object"}}
COMPLAINT = {"code": -32000, "message": "no way, " * 10_000}


def answer(method: str, params: Any) -> dict[str, Any]:
    """The `result` or the `error` for a request."""
    match method:
        case "initialize":
            server = {"name": "grumpy", "version": "1"}
            version = params["protocolVersion"]
            return {"result": {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": server}}
        case "tools/list":
            return {"result": {"tools": [TOOL]}}
        case "tools/call":
            return {"error": COMPLAINT}
        case _:
            return {"error": {"code": -32601, "message": "Method not found"}}


for line in sys.stdin:
    asked = json.loads(line)
    if "id" in asked:
        told = {"jsonrpc": "2.0", "id": asked["id"], **answer(asked["method"], asked.get("params"))}
        print(json.dumps(told), flush=True)
