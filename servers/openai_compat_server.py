"""`python -m servers.openai_compat_server`: the same as `cortex-flow serve`, with the same options."""

from __future__ import annotations

import sys

from servers.cli import main

if __name__ == "__main__":
    main(["serve", *sys.argv[1:]])
