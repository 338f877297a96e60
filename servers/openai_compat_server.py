"""`python -m servers.openai_compat_server`: the server, configured by the environment alone."""

from __future__ import annotations

import sys

from servers.imports import without_collections


def main() -> int:
    """Serve until SIGTERM; returns the exit code."""
    with without_collections():
        from servers.settings import BadSettings, load
    try:
        with without_collections():
            settings = load()
            from servers.serve import serve
    except BadSettings as error:
        sys.stderr.write(f"cortex-flow: {error}\n")
        return 2
    return serve(settings)


if __name__ == "__main__":
    sys.exit(main())
