"""The items of a container, each read and written alone: all that Cosmos DB is asked for. Its errors leave here in the
port's words."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from graph.storage.cosmos.location import Location
from graph.storage.patience import patiently
from graph.storage.port import StorageError, StorageUnavailable

if TYPE_CHECKING:
    from azure.core import MatchConditions
    from azure.cosmos.aio import ContainerProxy, CosmosClient

log = logging.getLogger(__name__)
T = TypeVar("T")

Key = tuple[str, str]
"""An item's partition and its id in it."""

START_SECONDS = 10.0
_AT_ONCE: Final = 32
_SECONDS_FOR_A_CONNECTION: Final = 5
_SECONDS_FOR_AN_ANSWER: Final = 30
_THROTTLED_SECONDS: Final = 15
_STRONG: Final = ("Strong", "BoundedStaleness")
_GONE, _EXISTS, _CHANGED = 404, 409, 412
_REFUSED: Final = (400, 404)
_INDEXED: Final = ("/y/?", "/t/?", "/k/?", "/s/?", "/d/?", "/l/[]/?")
_POLICY: Final = {
    "indexingMode": "consistent",
    "includedPaths": [{"path": path} for path in _INDEXED],
    "excludedPaths": [{"path": "/*"}],
}


@dataclass(frozen=True, slots=True)
class Item:
    """An item as it was read or written. `etag` is drawn anew at every write."""

    key: Key
    etag: str
    fields: Mapping[str, Any]


class Account:
    """A container. Every operation raises `StorageUnavailable` when it can't be reached, or answers nothing of use."""

    def __init__(self, location: Location) -> None:
        self._location = location
        self._client: CosmosClient | None = None
        self._container: ContainerProxy | None = None
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def open(self) -> None:
        """Connect, trying for some seconds, and make the container where there is none. Raises `StorageError`."""
        if self._client is not None:
            raise StorageError(f"{self.name} is open already")
        await patiently(self._connect, START_SECONDS)

    async def close(self) -> None:
        """Hang up. Closing twice is allowed."""
        client, self._client, self._container = self._client, None, None
        if client is not None:
            await client.close()

    @property
    def name(self) -> str:
        """The container, as messages may call it."""
        return f"{self._location.endpoint}{self._location.database}/{self._location.container}"

    async def read(self, key: Key) -> Item | None:
        container = self._opened()
        return await self._one(lambda: container.read_item(key[1], key[0]), _GONE)

    async def create(self, key: Key, fields: Mapping[str, Any]) -> Item | None:
        """None when there is one already."""
        container = self._opened()
        return await self._one(lambda: container.create_item(_body(key, fields)), _EXISTS)

    async def replace(self, item: Item, fields: Mapping[str, Any]) -> Item | None:
        """None when it is no longer what it was."""
        container, condition = self._opened(), _unchanged()
        return await self._one(
            lambda: container.replace_item(
                item.key[1], _body(item.key, fields), etag=item.etag, match_condition=condition
            ),
            _GONE,
            _CHANGED,
        )

    async def delete(self, item: Item) -> bool:
        """False when it is no longer what it was."""
        container, condition = self._opened(), _unchanged()

        async def delete() -> bool:
            await container.delete_item(item.key[1], item.key[0], etag=item.etag, match_condition=condition)
            return True

        return bool(await self._answer(delete, _GONE, _CHANGED))

    async def remove(self, key: Key) -> None:
        """Delete it whatever it is, if it is there."""
        container = self._opened()
        await self._answer(lambda: container.delete_item(key[1], key[0]), _GONE)

    async def increase(self, key: Key, field: str, by: int) -> int:
        """Add to a number, in one step of the server's. Returns the sum."""
        container = self._opened()
        operations = [{"op": "incr", "path": f"/{field}", "value": by}]
        item = await self._one(lambda: container.patch_item(key[1], key[0], operations), _GONE)
        if item is None:
            raise StorageError(f"{self.name} has lost its counter")
        return int(item.fields[field])

    async def query(
        self, where: str, parameters: Mapping[str, Any], *, partition: str | None = None, ending: str = "", top: int = 0
    ) -> list[Item]:
        """Items of a partition, or of all. `ending` follows the condition; `top` is how many at most, 0 = all."""
        return [item async for item in self.each(where, parameters, partition=partition, ending=ending, top=top)]

    async def each(
        self, where: str, parameters: Mapping[str, Any], *, partition: str | None = None, ending: str = "", top: int = 0
    ) -> AsyncIterator[Item]:
        """As `query`, page by page."""
        inside: dict[str, Any] = {} if partition is None else {"partition_key": partition}
        if partition is not None:
            where, parameters = f"c.p = @p AND {where}", {**parameters, "p": partition}
        found = self._opened().query_items(
            f"SELECT {f'TOP {top} ' if top else ''}* FROM c WHERE {where} {ending}".rstrip(),  # noqa: S608
            parameters=[{"name": f"@{name}", "value": value} for name, value in parameters.items()],
            max_item_count=100,
            **inside,
        )
        pages = found.by_page()
        while True:
            page = await self._answer(lambda: anext(pages, None))
            if page is None:
                return
            for each in [each async for each in page]:
                yield _item(each)

    async def _connect(self) -> None:
        client = await _client(self._location)
        try:
            await self._answer(client.__aenter__)
            await self._answer(lambda: self._check(client))
            container = await self._answer(lambda: _container(client, self._location))
        except BaseException:
            await client.close()
            raise
        self._client, self._container = client, container

    async def _check(self, client: CosmosClient) -> None:
        """Commits need reads that see what others have written, and one region that takes all writes."""
        if self._location.emulator:
            return
        account = await client._get_database_account()
        level = (account.ConsistencyPolicy or {}).get("defaultConsistencyLevel")
        if level not in _STRONG:
            raise StorageError(
                f"the account's consistency is {level}: set Strong, or Bounded Staleness with one region, "
                "or what one process has written is not seen by the next"
            )
        if account._EnableMultipleWritableLocations:
            raise StorageError("the account takes writes in several regions: turn multi-region writes off")

    def _opened(self) -> ContainerProxy:
        if self._container is None:
            raise StorageError(f"{self.name} is not open")
        return self._container

    async def _one(self, request: Callable[[], Awaitable[Mapping[str, Any]]], *absent: int) -> Item | None:
        found = await self._answer(request, *absent)
        return None if found is None else _item(found)

    async def _answer(self, request: Callable[[], Awaitable[T]], *absent: int) -> T | None:
        """What came of a request; None for a status that says what was expected may not hold."""
        from azure.core.exceptions import AzureError
        from azure.cosmos.exceptions import CosmosHttpResponseError

        async with self._slots:
            try:
                return await request()
            except CosmosHttpResponseError as error:
                if error.status_code in absent:
                    return None
                raise self._translated(error.status_code) from error
            except (AzureError, OSError, TimeoutError) as error:
                raise StorageUnavailable(f"{self.name} can't be reached: {type(error).__name__}") from error

    def _translated(self, status: int | None) -> StorageError:
        if status in (401, 403):
            return StorageError(f"{self.name} refuses the key (status {status}): check the key of the URL")
        if status in _REFUSED:
            return StorageError(f"{self.name} refused a request (status {status})")
        if status == 429:
            return StorageUnavailable(f"{self.name} has no request units left: give it more throughput")
        return StorageUnavailable(f"{self.name} failed (status {status})")


async def _client(location: Location) -> CosmosClient:
    """The driver takes a second to import, which is a thread's."""
    try:
        return await asyncio.to_thread(_made, location)
    except ImportError as error:
        raise StorageError("cosmos:// needs a driver: pip install 'cortex-flow[cosmos]'") from error


async def _container(client: CosmosClient, location: Location) -> ContainerProxy:
    """Made where it is missing, with indexes of what is asked for alone: each one costs with every write."""
    from azure.cosmos import PartitionKey

    policy: dict[str, Any] = _POLICY  # the driver's type says less than it takes
    database = await client.create_database_if_not_exists(location.database)
    return await database.create_container_if_not_exists(location.container, PartitionKey("/p"), indexing_policy=policy)


def _made(location: Location) -> CosmosClient:
    from azure.cosmos.aio import CosmosClient

    logging.getLogger("azure").setLevel(logging.WARNING)
    return CosmosClient(
        location.endpoint,
        location.key,
        connection_timeout=_SECONDS_FOR_A_CONNECTION,
        read_timeout=_SECONDS_FOR_AN_ANSWER,
        retry_throttle_backoff_max=_THROTTLED_SECONDS,
        retry_total=3,
        retry_connect=1,
        retry_read=1,
        enable_endpoint_discovery=not location.emulator,
        enable_compact_utf8_item_writes=True,
    )


def _unchanged() -> MatchConditions:
    from azure.core import MatchConditions

    return MatchConditions.IfNotModified


def _body(key: Key, fields: Mapping[str, Any]) -> dict[str, Any]:
    return {**fields, "p": key[0], "id": key[1]}


def _item(found: Mapping[str, Any]) -> Item:
    fields = {name: value for name, value in found.items() if not name.startswith("_")}
    return Item((fields.pop("p"), fields.pop("id")), found["_etag"], fields)


__all__ = ["Account", "Item", "Key"]
