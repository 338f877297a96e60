"""The clients that tests talk through beside those of this environment: openai-python 1.x and the JavaScript ones. What is
there as its lock names it is not installed again. What can't be installed (no npm, no network) is told; tests that need it
are skipped, and fail in CI.

    python .ci/clients.py
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CLIENTS = {
    "python1": (ROOT / "tests/python1/requirements.lock", ROOT / "tests/python1/.venv/installed.lock"),
    "node": (ROOT / "tests/node/package-lock.json", ROOT / "tests/node/node_modules/.installed.json"),
}


def main() -> int:
    """Install what is missing."""
    for task, (lock, installed) in CLIENTS.items():
        if installed.exists() and installed.read_bytes() == lock.read_bytes():
            continue
        print(f"Installing clients for tests: poe {task}", file=sys.stderr)
        if subprocess.run(["poe", "--quiet", task], cwd=ROOT, check=False).returncode:
            print(f"They can't be installed, and their tests will be skipped: poe {task}", file=sys.stderr)
        else:
            installed.write_bytes(lock.read_bytes())
    return 0


if __name__ == "__main__":
    sys.exit(main())
