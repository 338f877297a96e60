"""What every backend promises of documents and logs. The same stories over each scheme."""

from __future__ import annotations

import asyncio

import pytest

from graph.storage import Append, Conflict, Delete, Document, Drop, Entry, Filed, Order, Put, Storage

STRANGE = [
    "",
    " ",
    "é",
    "e\u0301",
    "😀",
    "'; DROP TABLE documents; --",
    '"',
    "\\",
    "%",
    "_",
    "a/b",
    "a\0\nb",
    "x" * 1000,
]


def ids(documents: list[Document]) -> list[str]:
    return [document.id for document in documents]


async def put_all(store: Storage, *names: str, parent: str = "", label: str | None = None) -> list[int]:
    """Documents of kind `k` of tenant `t`, in this order; returns their sequences."""
    for name in names:
        await store.commit("t", Put("k", name, name.encode(), parent, 0, label))
    return [document.sequence for document in await store.get_many("t", "k", names)]


async def test_a_document_is_read_as_it_was_written(store: Storage) -> None:
    assert await store.get("t", "k", "a") is None
    await store.commit("t", Put("k", "a", b"\x00body", "parent", 0, "label"))
    document = await store.get("t", "k", "a")
    assert document is not None
    assert document == Document("a", "parent", document.sequence, 1, b"\x00body", "label")


async def test_a_rewrite_keeps_the_sequence_and_replaces_the_rest(store: Storage) -> None:
    first, second = await put_all(store, "a", "b", parent="p", label="l")
    await store.commit("t", Put("k", "a", b"", "q"))
    await store.commit("t", Put("k", "a", b"3", "q", 2))
    assert await store.get("t", "k", "a") == Document("a", "q", first, 3, b"3", None)
    assert first < second
    assert ids(await store.query("t", "k", parent="p")) == ["b"]
    assert ids(await store.query("t", "k", parent="q")) == ["a"]
    assert ids(await store.query("t", "k", order="asc")) == ["a", "b"]
    assert ids(await store.query("t", "k", label="l")) == ["b"]


async def test_sequences_grow_over_kinds_tenants_and_deletions(store: Storage) -> None:
    seen = []
    for tenant, kind in [("t", "k"), ("u", "k"), ("t", "l"), ("u", "l")]:
        await store.commit(tenant, Put(kind, "a", b"", expect=0))
        document = await store.get(tenant, kind, "a")
        assert document is not None
        assert document.version == 1
        seen.append(document.sequence)
        await store.commit(tenant, Delete(kind, "a"))
    assert seen == sorted(set(seen))


@pytest.mark.parametrize(
    ("present", "expect", "holds"),
    [(False, 0, True), (True, 0, False), (False, 1, False), (True, 1, True), (True, 2, False), (True, None, True)],
)
@pytest.mark.parametrize("write", [Put("k", "a", b"new"), Delete("k", "a")], ids=["put", "delete"])
async def test_expectations(
    store: Storage, write: Put | Delete, present: bool, expect: int | None, holds: bool
) -> None:
    if present:
        await store.commit("t", Put("k", "a", b"old"))
    before = await store.get("t", "k", "a")
    checked = Put("k", "a", b"new", expect=expect) if isinstance(write, Put) else Delete("k", "a", expect)
    if holds:
        await store.commit("t", checked)
        after = await store.get("t", "k", "a")
        assert (after.body if after else None) == (b"new" if isinstance(write, Put) else None)
    else:
        with pytest.raises(Conflict) as raised:
            await store.commit("t", checked)
        assert raised.value.write == checked
        assert await store.get("t", "k", "a") == before


async def test_nothing_of_a_conflicting_commit_stands(store: Storage) -> None:
    await put_all(store, "kept", "moved", "gone", parent="p", label="l")
    await store.commit("t", Put("d", "due", b"", due=5), Append("log", (b"1",)), Append("dropped", (b"1", b"2")))
    before = await store.query("t", "k", parent="p", label="l")
    with pytest.raises(Conflict):
        await store.commit(
            "t",
            Put("k", "new", b"", "p", 0, "l"),
            Put("k", "moved", b"elsewhere", "q"),
            Delete("k", "gone"),
            Put("d", "due", b"", due=1),
            Append("log", (b"2",), 1),
            Append("fresh", (b"1",), 0),
            Drop("dropped"),
            Put("k", "kept", b"", expect=7),
        )
    assert await store.query("t", "k", parent="p", label="l") == before
    assert await store.query("t", "k", parent="q") == []
    assert await store.due("d", 1) == []
    assert await store.due("d", 5) == [("t", "due")]
    assert await store.read("t", "log") == [(1, b"1")]
    assert await store.read("t", "fresh") == []
    assert await store.read("t", "dropped") == [(1, b"1"), (2, b"2")]


async def test_the_writes_of_a_commit_see_those_before_them(store: Storage) -> None:
    await store.commit("t", Put("k", "a", b"1", expect=0), Put("k", "a", b"2", expect=1), Append("l", (b"x",), 0))
    await store.commit("t", Delete("k", "a", 2), Put("k", "a", b"3", expect=0), Append("l", (b"y",), 1), Drop("l"))
    document = await store.get("t", "k", "a")
    assert document is not None
    assert (document.version, document.body) == (1, b"3")
    assert await store.read("t", "l") == []
    with pytest.raises(Conflict):
        await store.commit("t", Put("k", "b", b"", expect=0), Put("k", "b", b"", expect=0))
    assert await store.get("t", "k", "b") is None


async def test_an_empty_commit_does_nothing(store: Storage) -> None:
    await store.commit("t")
    assert await store.query("t", "k") == []


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize(("parent", "label"), [(None, None), ("p", None), (None, "l"), ("p", "l")])
async def test_cursors_are_read_in_the_direction_of_the_order(
    store: Storage, order: Order, parent: str | None, label: str | None
) -> None:
    sequences = await put_all(store, "a", "b", "c", "d", "e", parent="p", label="l")
    names = "abcde" if order == "asc" else "edcba"
    places = dict(zip("abcde", sequences, strict=True))

    async def query(after: str = "", before: str = "", limit: int = 100) -> str:
        found = await store.query(
            "t",
            "k",
            parent=parent,
            label=label,
            order=order,
            after=places.get(after),
            before=places.get(before),
            limit=limit,
        )
        return "".join(ids(found))

    assert await query() == names
    assert await query(limit=2) == names[:2]
    assert await query(after=names[1]) == names[2:]
    assert await query(after=names[1], limit=2) == names[2:4]
    assert await query(before=names[3]) == names[:3]
    assert await query(after=names[0], before=names[4]) == names[1:4]
    assert await query(after=names[4]) == ""
    assert await query(limit=0) == ""


async def test_parent_and_label_filter_together(store: Storage) -> None:
    for number, (parent, label) in enumerate([("p", "l"), ("p", "m"), ("q", "l"), ("p", None), ("", "l"), ("", None)]):
        await store.commit("t", Put("k", str(number), b"", parent, 0, label))

    async def query(parent: str | None, label: str | None) -> str:
        return "".join(ids(await store.query("t", "k", parent=parent, label=label, order="asc")))

    assert await query(None, None) == "012345"
    assert await query("p", None) == "013"
    assert await query("", None) == "45"
    assert await query(None, "l") == "024"
    assert await query("p", "l") == "0"
    assert await query("x", "l") == ""
    assert await query(None, "") == ""


async def test_long_lists_and_large_commits(store: Storage) -> None:
    names = [f"{number:04}" for number in range(450)]
    await store.commit("t", *(Put("k", name, b"", "p", 0, "l") for name in names))
    assert ids(await store.query("t", "k", parent="p", order="asc", limit=1000)) == names
    assert ids(await store.query("t", "k", label="l", limit=449)) == names[:0:-1]
    assert len(await store.query("t", "k")) == 100
    wanted = [*reversed(names), "missing", names[0]]
    assert ids(await store.get_many("t", "k", wanted)) == [*reversed(names), names[0]]
    with pytest.raises(Conflict):
        await store.commit("t", *(Delete("k", name) for name in names), Delete("k", "missing", 1))
    assert len(await store.query("t", "k", parent="p", limit=1000)) == 450
    await store.commit("t", *(Delete("k", name, 1) for name in names))
    assert await store.query("t", "k") == []


async def test_many_are_got_in_the_order_asked_for(store: Storage) -> None:
    await put_all(store, "a", "b", "c")
    assert ids(await store.get_many("t", "k", ["c", "x", "a", "c"])) == ["c", "a", "c"]
    assert await store.get_many("t", "k", []) == []
    assert await store.get_many("t", "other", ["a"]) == []


async def test_tenants_never_see_each_other(store: Storage) -> None:
    for tenant in ("t", "u"):
        await store.commit(
            tenant,
            Put("k", "same", tenant.encode(), "p", 0, "l", due=1),
            Put("k", tenant, b"", "p", 0, "l"),
            Append("log", (tenant.encode(),), 0),
        )
        await store.put_blob(tenant, "blob", tenant.encode())
    for tenant, other in (("t", "u"), ("u", "t")):
        document = await store.get(tenant, "k", "same")
        assert document is not None
        assert document.body == tenant.encode()
        assert await store.get(tenant, "k", other) is None
        assert ids(await store.get_many(tenant, "k", [other, "same"])) == ["same"]
        for parent, label in ((None, None), ("p", None), (None, "l"), ("p", "l")):
            found = await store.query(tenant, "k", parent=parent, label=label, order="asc")
            assert ids(found) == ["same", tenant]
        assert await store.read(tenant, "log") == [(1, tenant.encode())]
        assert b"".join([chunk async for chunk in store.get_blob(tenant, "blob")]) == tenant.encode()
    await store.commit("t", Delete("k", "same"), Drop("log"))
    await store.delete_blob("t", "blob")
    assert await store.get("u", "k", "same") is not None
    assert await store.read("u", "log") == [(1, b"u")]
    assert await anext(store.get_blob("u", "blob")) == b"u"
    assert await store.query("nobody", "k") == []


async def test_due_looks_across_tenants_earliest_first(store: Storage) -> None:
    assert await store.due("k", 10) == []
    await store.commit("t", Put("k", "late", b"", due=30), Put("k", "early", b"", due=10), Put("k", "never", b""))
    await store.commit("u", Put("k", "middle", b"", due=20), Put("other", "early", b"", due=1))
    assert await store.due("k", 9) == []
    assert await store.due("k", 10) == [("t", "early")]
    assert await store.due("k", 99) == [("t", "early"), ("u", "middle"), ("t", "late")]
    assert await store.due("k", 99, limit=2) == [("t", "early"), ("u", "middle")]
    assert await store.due("k", 99, limit=0) == []
    await store.commit("t", Put("k", "early", b""), Put("k", "late", b"", due=15))
    await store.commit("u", Delete("k", "middle"))
    assert await store.due("k", 99) == [("t", "late")]


async def test_a_log_is_dense_and_read_in_pages(store: Storage) -> None:
    assert await store.read("t", "log") == []
    await store.commit("t", Append("log", (b"1", b"2"), 0), Append("log", (b"3",), 2))
    await store.commit("t", Append("log", (b"", b"5")), Append("log", ()), Append("log", (), 5))
    whole = [(1, b"1"), (2, b"2"), (3, b"3"), (4, b""), (5, b"5")]
    assert await store.read("t", "log") == whole
    assert await store.read("t", "log", 2) == whole[2:]
    assert await store.read("t", "log", 1, 2) == whole[1:3]
    assert await store.read("t", "log", 5) == []
    assert await store.read("t", "log", 99) == []
    assert await store.read("t", "log", limit=0) == []


async def test_a_long_log(store: Storage) -> None:
    entries = tuple(str(number).encode() for number in range(1, 301))
    await store.commit("t", Append("log", entries), Append("neighbour", (b"x",)))
    assert await store.read("t", "log") == list(enumerate(entries, 1))
    assert await store.read("t", "log", 50, 200) == list(enumerate(entries, 1))[50:250]


@pytest.mark.parametrize("after", [0, 1, 3])
async def test_an_append_at_another_length_is_refused(store: Storage, after: int) -> None:
    await store.commit("t", Append("log", (b"1", b"2")))
    append = Append("log", (b"3",), after)
    with pytest.raises(Conflict) as raised:
        await store.commit("t", Put("k", "a", b""), append)
    assert raised.value.write == append
    assert await store.read("t", "log") == [(1, b"1"), (2, b"2")]
    assert await store.get("t", "k", "a") is None
    with pytest.raises(Conflict):
        await store.commit("t", Append("log", (), after))


async def test_a_dropped_log_begins_again(store: Storage) -> None:
    await store.commit("t", Append("log", (b"1", b"2")), Append("other", (b"1",)))
    await store.commit("t", Drop("log"), Drop("missing"))
    assert await store.read("t", "log") == []
    await store.commit("t", Append("log", (b"new",), 0))
    assert await store.read("t", "log") == [(1, b"new")]
    assert await store.read("t", "other") == [(1, b"1")]


async def test_of_two_racing_appends_one_wins(store: Storage) -> None:
    await store.commit("t", Append("log", (b"0",)))
    racers = [store.commit("t", Put("k", str(n), b""), Append("log", (str(n).encode(),), 1)) for n in range(6)]
    outcomes = await asyncio.gather(*racers, return_exceptions=True)
    lost = [outcome for outcome in outcomes if outcome is not None]
    assert len(lost) == 5
    assert all(isinstance(outcome, Conflict) for outcome in lost)
    winner = str(outcomes.index(None))
    assert await store.read("t", "log") == [(1, b"0"), (2, winner.encode())]
    assert ids(await store.query("t", "k")) == [winner]


async def test_wait_is_woken_by_an_append(store: Storage) -> None:
    waits = [asyncio.create_task(store.wait("t", "log", after, 30)) for after in (0, 0, 1)]
    elsewhere = asyncio.create_task(store.wait("u", "log", 0, 30))
    await asyncio.sleep(0)
    await store.commit("t", Append("log", (b"1",)))
    assert await asyncio.gather(*waits[:2]) == [True, True]
    await store.commit("t", Append("other", (b"1",)))
    assert not waits[2].done()
    await store.commit("t", Append("log", (b"2",)))
    assert await waits[2]
    assert not elsewhere.done()
    elsewhere.cancel()
    with pytest.raises(asyncio.CancelledError):
        await elsewhere


async def test_wait_returns_at_once_or_after_its_timeout(store: Storage) -> None:
    await store.commit("t", Append("log", (b"1",)))
    assert await store.wait("t", "log", 0, 0)
    assert not await store.wait("t", "log", 1, 0)
    assert not await store.wait("t", "log", 1, 0.01)
    assert not await store.wait("t", "missing", 0, 0.01)


@pytest.mark.parametrize("text", STRANGE)
async def test_any_text_is_a_name(store: Storage, text: str) -> None:
    others = [other for other in STRANGE if other != text]
    await store.commit(text, Put(text, text, b"mine", text, 0, text, due=1), Append(text, (b"1",), 0))
    for other in others:
        await store.commit(text, Put(text, other, b"", other, 0, other))
    found = await store.get(text, text, text)
    assert found is not None
    assert (found.id, found.parent, found.label, found.body) == (text, text, text, b"mine")
    assert await store.query(text, text, parent=text) == await store.query(text, text, label=text) == [found]
    assert await store.due(text, 1) == [(text, text)]
    assert await store.read(text, text) == [(1, b"1")]
    assert ids(await store.get_many(text, text, STRANGE)) == STRANGE


async def test_a_large_body(store: Storage) -> None:
    body = bytes(range(256)) * 20_000
    await store.commit("t", Put("k", "a", body), Append("log", (body, b"", body)))
    document = await store.get("t", "k", "a")
    assert document is not None
    assert document.body == body
    assert [entry for _, entry in await store.read("t", "log")] == [body, b"", body]


async def test_everything_is_told_of_all_tenants(store: Storage) -> None:
    assert [stored async for stored in store.everything()] == []
    await store.commit("t", Put("k", "a", b"1", "p", label="l", due=7), Append("log", (b"1", b"", b"3")))
    await store.commit("u", Put("k", "a", b"2"), Append("log", (b"u",)), Append("dropped", (b"x",)))
    await store.commit("t", Put("k", "b", b"3"), Put("k", "gone", b""), Put("k", "a", b"4", "q", label="m", due=8))
    await store.commit("t", Delete("k", "gone"), Append("log", (b"4",)), Put("other", "", b""))
    await store.commit("u", Drop("dropped"))
    told = [stored async for stored in store.everything()]
    filed = [each for each in told if isinstance(each, Filed)]
    assert told[: len(filed)] == filed
    for tenant, kind, names in [("t", "k", "ab"), ("u", "k", "a"), ("t", "other", [""])]:
        of_kind = [each for each in filed if (each.tenant, each.kind) == (tenant, kind)]
        assert [each.document for each in of_kind] == await store.get_many(tenant, kind, list(names))
        assert [each.due for each in of_kind] == ([8, None] if (tenant, kind) == ("t", "k") else [None])
    assert len(filed) == 4
    of_t = [Entry("t", "log", position, body) for position, body in enumerate((b"1", b"", b"3", b"4"), 1)]
    of_u = [Entry("u", "log", 1, b"u")]
    assert told[len(filed) :] in (of_t + of_u, of_u + of_t)


async def test_everything_of_much(store: Storage) -> None:
    names = [f"{number:04}" for number in range(1200)]
    for start in range(0, len(names), 300):
        await store.commit("t", *(Put("k", name, name.encode()) for name in names[start : start + 300]))
    for log in ("one", "two"):
        await store.commit("t", Append(log, tuple(name.encode() for name in names[:700])))
    await store.commit("t", Put("large", "a", bytes(5_000_000)), Put("large", "b", bytes(1)), Put("k", names[0], b""))
    told = [stored async for stored in store.everything()]
    filed = [each for each in told if isinstance(each, Filed)]
    assert [each.document.id for each in filed if each.kind == "k"] == names
    assert [len(each.document.body) for each in filed if each.kind == "large"] == [5_000_000, 1]
    entries = [each for each in told if isinstance(each, Entry)]
    assert sorted({each.log for each in entries}) == ["one", "two"]
    for half in (entries[:700], entries[700:]):
        assert [(each.position, each.body.decode()) for each in half] == list(enumerate(names[:700], 1))
