"""Where a thread manager keeps its things, said in a dictionary."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Self
from urllib.parse import quote, urlencode

from graph.storage import Storage, open_storage
from servers.settings import cosmos_url

REDIS: Final = "redis://127.0.0.1:6379/0"
DATABASE: Final = "assistants-api"


class ThreadStorage:
    """A storage, connected by `connect` or at its first use. `url` is what the option `storage_url` of a server takes."""

    def __init__(self, url: str = "memory://", blob_url: str | None = None) -> None:
        self.url = url
        self._storage = open_storage(url, blob_url)
        self._connected = False

    async def connect(self) -> Storage:
        """The storage, open. Raises `graph.storage.StorageError`."""
        if not self._connected:
            await self._storage.open()
            self._connected = True
        return self._storage

    async def disconnect(self) -> None:
        """Close it. What was kept in memory stays as long as this object."""
        connected, self._connected = self._connected, False
        if connected:
            await self._storage.close()

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.disconnect()


def create_thread_storage(options: Mapping[str, Any] | None = None, **fields: Any) -> ThreadStorage:
    """A storage by `type`, with what says where it is:

    - `memory`, the default
    - `sqlite`: `path`
    - `redis`: `url`, `key_prefix`, `ttl` (seconds)
    - `postgres`: `connection_string`, or `host`, `port`, `database`, `user` and `password`; `schema`, `table_name`
    - `cosmos`: `endpoint`, `key`, `database`

    `url` is that of a server, with or without a type; so is `blob_url`, beside any of them. Names may be written as
    `keyPrefix` and `connectionString`, too. Raises `ValueError` for a type that there is not, `TypeError` for an option that
    it does not take or that is missing, and `graph.storage.StorageError` for a place that can't be read.
    """
    asked = {_SPELLINGS.get(name, name): value for name, value in {**(options or {}), **fields}.items()}
    blob_url = asked.pop("blob_url", None)
    kind = asked.pop("type", None) or _untold(asked)
    if kind not in TYPES:
        raise ValueError(f"There is no storage of type {kind!r}; there are: {', '.join(TYPES)}.")
    return ThreadStorage(TYPES[kind](**asked), blob_url)


def _untold(asked: Mapping[str, Any]) -> str:
    """The type of who tells none."""
    if "url" in asked:
        scheme = _scheme(asked["url"])
        return next((kind for kind, schemes in _SCHEMES.items() if scheme in schemes), scheme)
    return "sqlite" if "path" in asked else "memory"


def _memory(url: str = "memory://") -> str:
    return _of("memory", url)


def _sqlite(path: Any = "cortex-flow.db", url: str | None = None) -> str:
    return _of("sqlite", url) if url else f"sqlite:///{path}"


def _redis(url: str = REDIS, key_prefix: str = "", ttl: int = 0) -> str:
    """A prefix ends in a colon here, whether it is written or not. One within it becomes a dot: `cogitator:openai:`."""
    return _with(_of("redis", url), prefix=key_prefix.removesuffix(":").replace(":", "."), ttl=ttl)


def _postgres(connection_string: str = "", table_name: str = "", schema: str = "", url: str = "", **server: Any) -> str:
    place = connection_string or url or (_address(**server) if server else "")
    if not place:
        raise TypeError(
            "A storage of type 'postgres' needs connection_string: postgresql://user:password@host/database"
        )
    return _with(_of("postgres", place), schema=schema, table=table_name)


def _address(host: str = "127.0.0.1", port: int = 5432, database: str = "", user: str = "", password: str = "") -> str:
    name = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
    at = f"[{host}]" if ":" in host else host
    return f"postgresql://{name}{'@' if name else ''}{at}:{port}/{quote(database, safe='')}"


def _cosmos(endpoint: str = "", key: str = "", database: str = DATABASE, url: str = "") -> str:
    if url:
        return _of("cosmos", url)
    if not (endpoint and key):
        raise TypeError("A storage of type 'cosmos' needs endpoint and key.")
    return cosmos_url(endpoint, key, database)


TYPES: Final[Mapping[str, Callable[..., str]]] = {
    "memory": _memory,
    "sqlite": _sqlite,
    "redis": _redis,
    "postgres": _postgres,
    "cosmos": _cosmos,
}
_SCHEMES: Final = {
    "memory": ("memory",),
    "sqlite": ("sqlite",),
    "redis": ("redis", "rediss"),
    "postgres": ("postgresql", "postgres"),
    "cosmos": ("cosmos",),
}
_SPELLINGS: Final = {
    "keyPrefix": "key_prefix",
    "connectionString": "connection_string",
    "tableName": "table_name",
    "blobUrl": "blob_url",
}


def _of(kind: str, url: str) -> str:
    if _scheme(url) not in _SCHEMES[kind]:  # the rest may hold a password
        raise ValueError(f"The URL of a storage of type {kind!r} begins with {_SCHEMES[kind][0]}://")
    return url


def _scheme(url: str) -> str:
    scheme, separator, _ = url.partition("://")
    return scheme if separator else ""


def _with(url: str, **parameters: object) -> str:
    given = urlencode({name: value for name, value in parameters.items() if value}, quote_via=quote)
    return f"{url}{'&' if '?' in url else '?'}{given}" if given else url
