"""The journeys on every backend that is here: `uv run poe journeys`, or some of them by name (`poe journeys postgresql`).

`poe check` plays them on SQLite already. In CI a backend that must be there and is not is a failure.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

from tests.backends import GROUNDS

PLAYED = ("memory", "sqlite")  # memory ends with its process, and sqlite is what `poe check` plays


def main() -> None:
    wanted = sys.argv[1:] or [scheme for scheme in GROUNDS if scheme not in PLAYED]
    failed = [scheme for scheme in wanted if not _played(scheme)]
    if failed:
        sys.exit(f"journeys: failed on {', '.join(failed)}")


def _played(scheme: str) -> bool:
    ground = GROUNDS[scheme]
    if not ground.available():
        print(f"journeys: not on {scheme}: it needs {ground.needs}", flush=True)
        return not (ground.required and os.environ.get("CI"))
    print(f"journeys: on {scheme}", flush=True)
    began = time.monotonic()
    environment = {**os.environ, "CORTEX_TEST_STORAGE": scheme}
    code = subprocess.run([sys.executable, "-m", "pytest", "-q", "tests/journeys"], env=environment).returncode
    print(f"journeys: on {scheme} in {time.monotonic() - began:.0f} s", flush=True)
    return code == 0


if __name__ == "__main__":
    main()
