"""The team as an MCP server at `/mcp`, over streamable HTTP.

`routes` takes the requests, `strangers` says which web pages may send them, `host` opens the rest at the first of them:
`server` (MCP's own package) and `tools` (what can be asked, and how it becomes a run).
"""
