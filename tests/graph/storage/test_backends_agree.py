"""Random commits: every backend must end where the memory one does."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.storage import Append, Conflict, Delete, Drop, Put, Storage, Write, open_storage
from tests import backends

TENANTS, KINDS, IDS, LOGS = ("t", "u"), ("k", "l"), ("1", "2", "3"), ("m", "n")
PARENTS, LABELS = ("", "p"), (None, "x", "y")

expected = st.none() | st.integers(0, 3)
puts = st.builds(
    Put,
    kind=st.sampled_from(KINDS),
    id=st.sampled_from(IDS),
    body=st.binary(max_size=4),
    parent=st.sampled_from(PARENTS),
    expect=expected,
    label=st.sampled_from(LABELS),
    due=st.none() | st.integers(-1, 3),
)
deletes = st.builds(Delete, kind=st.sampled_from(KINDS), id=st.sampled_from(IDS), expect=expected)
entries = st.lists(st.binary(max_size=3), max_size=3).map(tuple)
appends = st.builds(Append, log=st.sampled_from(LOGS), entries=entries, after=st.none() | st.integers(0, 4))
drops = st.builds(Drop, log=st.sampled_from(LOGS))
writes = st.one_of(puts, puts, deletes, appends, drops)
commits = st.lists(st.tuples(st.sampled_from(TENANTS), st.lists(writes, min_size=1, max_size=4)), max_size=12)


@pytest.mark.parametrize("scheme", [scheme for scheme in backends.EVERY if scheme != "memory"])
@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(history=commits)
def test_it_agrees_with_memory(scheme: str, history: list[tuple[str, list[Write]]]) -> None:
    asyncio.run(_compare(scheme, history))


async def _compare(scheme: str, history: Sequence[tuple[str, Sequence[Write]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        memory = open_storage("memory://")
        async with backends.opened(scheme, Path(folder)) as other:
            for tenant, commit in history:
                assert await _outcome(memory, tenant, commit) == await _outcome(other, tenant, commit)
                if scheme == "sqlite":  # where all these questions cost next to nothing
                    assert await _seen(memory) == await _seen(other)
            assert await _seen(memory) == await _seen(other)


async def _outcome(store: Storage, tenant: str, commit: Sequence[Write]) -> Write | None:
    try:
        await store.commit(tenant, *commit)
    except Conflict as conflict:
        return conflict.write
    return None


async def _seen(store: Storage) -> list[Any]:
    """All that can be read, with ranks for sequences: a backend may leave gaps."""
    documents = [d for tenant in TENANTS for kind in KINDS for d in await store.query(tenant, kind, order="asc")]
    ranks = {sequence: rank for rank, sequence in enumerate(sorted(d.sequence for d in documents))}
    seen: list[Any] = [(d.id, d.parent, ranks[d.sequence], d.version, d.body, d.label) for d in documents]
    middle = sorted(ranks)[len(ranks) // 2] if ranks else None
    for tenant in TENANTS:
        seen += [await store.read(tenant, log, after) for log in LOGS for after in (0, 2)]
        for kind in KINDS:
            seen += [d.id for d in await store.get_many(tenant, kind, IDS)]
            for parent in (None, *PARENTS):
                for label in LABELS:
                    found = await store.query(tenant, kind, parent=parent, label=label, after=middle, limit=2)
                    seen.append([d.id for d in found])
    return seen + [await store.due(kind, until) for kind in KINDS for until in (0, 2)]
