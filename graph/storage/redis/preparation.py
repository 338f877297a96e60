"""Whether a server will do, and whether what it holds can be read."""

from __future__ import annotations

import logging

from graph.storage.port import StorageError
from graph.storage.redis.client import Client
from graph.storage.redis.keys import Keys
from graph.storage.versions import refuse_newer, refuse_older

log = logging.getLogger(__name__)

SCHEMA = 1
OLDEST = (6, 2)


async def prepare(client: Client, keys: Keys, where: str) -> None:
    """Raises `StorageError` for a server that will not do. Warns of one that may lose what it was given."""
    await _check_server(client, where)
    await _warn(client, where)
    found = await _signed(client, keys, where)
    refuse_older(where, found, SCHEMA)


async def migrate(client: Client, keys: Keys, where: str) -> tuple[int, int]:
    """Bring what is stored to today's schema: the versions before and after."""
    before = await _version(client, keys, where)
    await client.call("SET", keys.schema, SCHEMA)
    return before, SCHEMA


async def _signed(client: Client, keys: Keys, where: str) -> int:
    """The schema version; an empty store gets today's. A server that takes no writes says so now."""
    await client.call("SET", keys.schema, SCHEMA, "NX")
    return await _version(client, keys, where)


async def _version(client: Client, keys: Keys, where: str) -> int:
    raw = await client.call("GET", keys.schema)
    if raw is not None and not raw.isdigit():
        raise StorageError(f"{where} has keys of another program under this prefix: choose another with ?prefix=")
    version = int(raw or 0)
    refuse_newer(where, version, SCHEMA, "choose another prefix with ?prefix=")
    return version


async def _check_server(client: Client, where: str) -> None:
    try:
        about: dict[str, object] = await client.call("INFO", "server")
    except StorageError:
        return  # some services keep it to themselves
    if about.get("redis_mode") == "cluster":
        raise StorageError(f"{where} belongs to a Redis Cluster, which is not served: use a single primary")
    version = str(about.get("redis_version", ""))
    numbers = tuple(int(number) for number in version.split(".")[:2] if number.isdigit())
    if len(numbers) == 2 and numbers < OLDEST:
        raise StorageError(f"{where} is Redis {version}: 6.2 or newer is needed")


async def _warn(client: Client, where: str) -> None:
    """In a line each: what the server's configuration, where it may be read, does to what is stored."""
    if await _configured(client, "appendonly") == "no" and await _configured(client, "save") == "":
        log.warning("%s keeps nothing on disk: what is stored is gone when it stops (set appendonly yes)", where)
    policy = await _configured(client, "maxmemory-policy")
    if policy not in {None, "noeviction"} and await _configured(client, "maxmemory") != "0":
        log.warning("%s throws away what is stored when its memory is full: set maxmemory-policy noeviction", where)


async def _configured(client: Client, name: str) -> str | None:
    """A setting of the server; None where it does not say."""
    try:
        found: dict[str, str] = await client.call("CONFIG GET", name)
    except StorageError:
        return None
    return found.get(name)
