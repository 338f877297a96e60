"""The command `cortex-flow`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from servers.imports import without_collections


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line, or these arguments; a setting that can't be used ends it with 2 and one line."""
    with without_collections():
        from servers.commands import commands
        from servers.settings import BadSettings
    try:
        commands(arguments)
    except BadSettings as error:
        sys.stderr.write(f"cortex-flow: {error}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        sys.stderr.write(f"cortex-flow: {error.strerror or error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
