"""The tables, the procedure by which everything is written, their version, and the way from an older one.

`{commit}` does a whole commit in one round trip ([33](../../../docs/decisions/0033-commits-in-postgresql.md)):

- Under a lock of the tenant, which is held from before the first sequence is given until the commit is visible. So who
  reads sees sequences in the order in which they were given: a cursor passes nobody by. And no two commits wait for
  each other's rows, so none is broken off as a deadlock.
- The lock does not wait for the disk: the commit itself is asynchronous, and what follows it, outside of the lock, is not,
  and takes it along to the disk before the caller hears of it. Many then share one flush.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import psycopg

from graph.storage.port import StorageError
from graph.storage.postgres.faults import CONFLICT
from graph.storage.postgres.place import Place
from graph.storage.versions import refuse_newer, refuse_older

_DOCUMENTS: Final = """
CREATE TABLE {documents} (
    tenant text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    parent text COLLATE "C" NOT NULL,
    label text COLLATE "C",
    due bigint,
    sequence bigint NOT NULL,
    version bigint NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (tenant, kind, id)
)
"""
_ENTRIES: Final = """
CREATE TABLE {entries} (
    tenant text COLLATE "C" NOT NULL,
    log text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (tenant, log, position)
)
"""
# Three numbers for each write: what it is, `expect` or `after`, `due` or how many entries. Four texts: kind or log, id,
# parent, label. Bodies stand one after the other.
_COMMIT: Final = """
CREATE PROCEDURE {commit} (whose text, origin text, numbers bigint[], texts text[], bodies bytea[])
LANGUAGE plpgsql AS $procedure$
DECLARE
    expected bigint;
    was bigint;
    used integer := 0;
    n integer;
    t integer;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    PERFORM pg_advisory_xact_lock({lock}, hashtext(whose));
    FOR write IN 0 .. cardinality(numbers) / 3 - 1 LOOP
        n := 3 * write;
        t := 4 * write;
        expected := numbers[n + 2];
        CASE numbers[n + 1]
        WHEN {put} THEN
            used := used + 1;
            IF expected IS DISTINCT FROM 0 THEN
                UPDATE {documents} d
                SET parent = texts[t + 3], label = texts[t + 4], due = numbers[n + 3], body = bodies[used],
                    version = d.version + 1
                WHERE d.tenant = whose AND d.kind = texts[t + 1] AND d.id = texts[t + 2]
                    AND (expected IS NULL OR d.version = expected);
            END IF;
            IF expected = 0 OR (expected IS NULL AND NOT FOUND) THEN
                INSERT INTO {documents} (tenant, kind, id, parent, label, due, sequence, version, body)
                VALUES (whose, texts[t + 1], texts[t + 2], texts[t + 3], texts[t + 4], numbers[n + 3],
                    nextval({sequence_name}), 1, bodies[used])
                ON CONFLICT DO NOTHING;
            END IF;
            IF NOT FOUND THEN
                RAISE EXCEPTION 'conflict' USING ERRCODE = {conflict}, DETAIL = write;
            END IF;
        WHEN {delete} THEN
            DELETE FROM {documents} d
            WHERE d.tenant = whose AND d.kind = texts[t + 1] AND d.id = texts[t + 2]
            RETURNING d.version INTO was;
            IF expected <> coalesce(was, 0) THEN
                RAISE EXCEPTION 'conflict' USING ERRCODE = {conflict}, DETAIL = write;
            END IF;
        WHEN {append} THEN
            SELECT coalesce(max(e.position), 0) INTO was
            FROM {entries} e WHERE e.tenant = whose AND e.log = texts[t + 1];
            IF expected <> was THEN
                RAISE EXCEPTION 'conflict' USING ERRCODE = {conflict}, DETAIL = write;
            END IF;
            INSERT INTO {entries} (tenant, log, position, body)
            SELECT whose, texts[t + 1], was + i, bodies[used + i::integer] FROM generate_series(1, numbers[n + 3]) i;
            used := used + numbers[n + 3];
            PERFORM pg_notify({channel}, origin || md5(whose || '/' || texts[t + 1]));
        ELSE
            DELETE FROM {entries} e WHERE e.tenant = whose AND e.log = texts[t + 1];
        END CASE;
    END LOOP;
    COMMIT;
    PERFORM pg_logical_emit_message(true, 'cortex-flow', '');
END
$procedure$
"""
_PASSAGES: Final = (
    """
    CREATE TABLE {shelves} (
        number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        tenant text COLLATE "C" NOT NULL,
        name text COLLATE "C" NOT NULL,
        revision bigint NOT NULL DEFAULT -1,
        passages bigint NOT NULL DEFAULT 0,
        words bigint NOT NULL DEFAULT 0,
        UNIQUE (tenant, name)
    )
    """,
    """
    CREATE TABLE {texts} (
        shelf integer NOT NULL REFERENCES {shelves} ON DELETE CASCADE,
        name text COLLATE "C" NOT NULL,
        revision bigint NOT NULL,
        note bytea NOT NULL,
        PRIMARY KEY (shelf, name)
    )
    """,
    """
    CREATE TABLE {passages} (
        shelf integer NOT NULL,
        text text COLLATE "C" NOT NULL,
        place text COLLATE "C" NOT NULL,
        number integer NOT NULL,
        words integer NOT NULL,
        lexemes tsvector NOT NULL,
        embedding bytea,
        PRIMARY KEY (shelf, text, number),
        FOREIGN KEY (shelf, text) REFERENCES {texts} ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ON {passages} USING gin (lexemes)",
)
TABLES: Final = (
    "CREATE SEQUENCE {sequence}",
    _DOCUMENTS,
    "CREATE INDEX ON {documents} (tenant, kind, parent, sequence)",
    "CREATE INDEX ON {documents} (tenant, kind, label, sequence) WHERE label IS NOT NULL",
    "CREATE INDEX ON {documents} (kind, due, sequence) WHERE due IS NOT NULL",
    _ENTRIES,
    _COMMIT,
    *_PASSAGES,
)

# MIGRATIONS[n] leads from version n + 1 to n + 2; TABLES are always those of today's version.
MIGRATIONS: tuple[tuple[str, ...], ...] = ()

PUT, DELETE, APPEND, DROP = 1, 2, 3, 4

Connection = psycopg.AsyncConnection[Any]


def today() -> int:
    """The schema version that this code reads and writes."""
    return 1 + len(MIGRATIONS)


async def prepare(connection: Connection, place: Place) -> None:
    """Check the tables; make them where there are none. Of several that come at once, one makes them. Raises
    `StorageError`, `psycopg.Error`."""
    await _check_encoding(connection)
    found = await version(connection, place)
    if not found:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(%s, 0)", (place.lock,))
            found = await version(connection, place) or await _create(connection, place)
    check(found)


async def migrate(connection: Connection, place: Place) -> tuple[int, int]:
    """Bring the tables to today's version. Returns the versions before and after. Raises as `prepare`."""
    await _check_encoding(connection)
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(%s, 0)", (place.lock,))
        found = await version(connection, place)
        if not found:
            await _create(connection, place)
        elif found > today():
            check(found)
        else:
            await _execute(connection, place, [each for some in MIGRATIONS[found - 1 :] for each in some])
            await connection.execute(place.named("UPDATE {version} SET number = {today}", today=today()))
    return found, today()


async def version(connection: Connection, place: Place) -> int:
    """The version of the tables, 0 = there are none."""
    # Asked of the catalogue itself: to_regclass() would still know what was not there before the lock was waited for.
    [(there,)] = await (
        await connection.execute(
            "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = %s AND c.relname = %s",
            (place.schema, f"{place.table}_version"),
        )
    ).fetchall()
    if not there:
        return 0
    [(number,)] = await (await connection.execute(place.named("SELECT number FROM {version}"))).fetchall()
    return int(number)


def check(found: int) -> None:
    """Raises `StorageError` for tables that are not today's."""
    refuse_newer("it", found, today(), "choose other tables in STORAGE_URL (?table=...)")
    refuse_older("it", found, today())


async def _check_encoding(connection: Connection) -> None:
    [(encoding,)] = await (await connection.execute("SHOW server_encoding")).fetchall()
    if encoding != "UTF8":
        raise StorageError(f"its encoding is {encoding}, which can't hold every text: create the database with UTF8")


async def _create(connection: Connection, place: Place) -> int:
    [(there,)] = await (
        await connection.execute("SELECT count(*) FROM pg_namespace WHERE nspname = %s", (place.schema,))
    ).fetchall()
    if not there:  # whoever may use a schema may still lack the right to make one
        await connection.execute(place.named("CREATE SCHEMA {schema}"))
    await _execute(connection, place, TABLES)
    await connection.execute(place.named("CREATE TABLE {version} (number integer NOT NULL)"))
    await connection.execute(place.named("INSERT INTO {version} VALUES ({today})", today=today()))
    return today()


async def _execute(connection: Connection, place: Place, statements: Sequence[str]) -> None:
    values = {
        "put": PUT,
        "delete": DELETE,
        "append": APPEND,
        "lock": place.lock,
        "channel": place.channel,
        "conflict": CONFLICT,
        "sequence_name": f'"{place.schema}"."{place.table}_sequence"',
    }
    for statement in statements:
        try:
            await connection.execute(place.named(statement, **values))
        except psycopg.errors.DuplicateTable as error:
            raise StorageError(
                f"another program has such a table ({error.diag.message_primary}): choose others in STORAGE_URL (?table=...)"
            ) from None
