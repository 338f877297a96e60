"""What stands on the storage, on every further backend that is here: `uv run poe storages`, or some of them by name
(`poe storages postgresql`); what comes behind `--` goes to pytest. `--brief` is the part that CI plays, whose whole run has to
end within 15 minutes: the engine's verbs, a walk over the Assistants API, and conversations and kills as journeys.

`pytest` alone plays it on SQLite, and the engine in memory as well. In CI a backend that must be there and is not is a failure.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence

from tests.backends import DEFAULT, GROUNDS

STANDS_ON_IT = ("tests/graph", "tests/servers/assistants", "tests/journeys")
ELSEWHERE = (
    "tests/graph/storage",  # asks every backend already
    "tests/graph/runtime",
    "tests/graph/interpreter",
    "tests/graph/test_history.py",
    "tests/graph/test_journal.py",
    "tests/graph/test_json_schema.py",
    "tests/graph/test_library.py",
    "tests/graph/test_limits.py",
    "tests/graph/test_tokens.py",
    "tests/graph/test_window.py",
    "tests/graph/vector_stores/test_parsing.py",
    "tests/graph/vector_stores/test_splitting.py",
    "tests/graph/vector_stores/test_retrieval.py",  # SQLite's index; PostgreSQL's is in test_shared.py
    "tests/graph/vector_stores/test_shared.py",
    "tests/servers/assistants/test_events.py",
    "tests/servers/assistants/test_fuzz.py",
    "tests/journeys/test_bad_input.py",  # what is refused is never stored
    "tests/journeys/test_clients.py",
    "tests/journeys/test_langchain_standard.py",
    "tests/journeys/test_fleet.py",  # these choose their own
    "tests/journeys/test_fleet_chaos.py",
    "tests/journeys/test_many_processes.py",
    "tests/journeys/test_redis.py",
    "tests/journeys/test_replicas.py",
    "tests/journeys/test_samples.py",
    "tests/journeys/test_upstream_faults.py",
)
FEW = (
    "tests/graph/test_engine_durable.py",
    "tests/graph/test_engine_cancel.py",
    "tests/servers/assistants/test_walk.py",
    "tests/journeys/test_conversations.py",
    "tests/journeys/test_killed.py",
)
"""Of a backend whose stand-in is slow."""

CHOSEN = {"cosmos": FEW}
BRIEF = (
    "tests/graph/test_engine_durable.py",
    "tests/graph/test_engine_cancel.py",
    "tests/graph/test_engine_conflicts.py",
    "tests/graph/test_recovery.py",
    "tests/graph/test_live.py",
    "tests/graph/test_repeats.py",
    "tests/graph/test_threads.py",
    "tests/servers/assistants/test_walk.py",
    "tests/servers/assistants/test_statuses.py",
    "tests/journeys/test_conversations.py",
    "tests/journeys/test_killed.py",
)
BRIEFER = (
    "tests/graph/test_engine_durable.py",
    "tests/servers/assistants/test_walk.py",
    "tests/journeys/test_conversations.py",
)
PLAYED = (
    "memory",
    DEFAULT,
)  # by `pytest` alone; journeys begin anew with what their servers have left, memory leaves nothing


def main() -> None:
    given = sys.argv[1:]
    first = given.index("--") if "--" in given else len(given)
    wanted, more = [each for each in given[:first] if each != "--brief"], given[first + 1 :]
    brief = "--brief" in given[:first]
    failed = [scheme for scheme in wanted or _further() if not _played(scheme, more, brief=brief)]
    if failed:
        sys.exit(f"storages: failed on {', '.join(failed)}")


def _further() -> list[str]:
    return [scheme for scheme in GROUNDS if scheme not in PLAYED]


def _played(scheme: str, more: Sequence[str], *, brief: bool) -> bool:
    ground = GROUNDS[scheme]
    if not ground.available():
        print(f"storages: not on {scheme}: it needs {ground.needs}", flush=True)
        return not (ground.required and os.environ.get("CI"))
    print(f"storages: on {scheme}", flush=True)
    began = time.monotonic()
    environment = {**os.environ, "CORTEX_TEST_STORAGE": scheme}
    tests = [*_tests(scheme, brief=brief), *(f"--ignore={path}" for path in ELSEWHERE)]
    code = subprocess.run([sys.executable, "-m", "pytest", "-q", *tests, *more], env=environment).returncode
    print(f"storages: on {scheme} in {time.monotonic() - began:.0f} s", flush=True)
    return code == 0


def _tests(scheme: str, *, brief: bool) -> Sequence[str]:
    if brief:
        return BRIEFER if scheme in CHOSEN else BRIEF
    return CHOSEN.get(scheme, STANDS_ON_IT)


if __name__ == "__main__":
    main()
