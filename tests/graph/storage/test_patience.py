"""Waiting for a server that is not there yet."""

from __future__ import annotations

import pytest

from graph.storage.patience import patiently
from graph.storage.port import StorageError, StorageUnavailable


class Server:
    """Fails with these errors, one after the other, then answers."""

    def __init__(self, *errors: StorageError) -> None:
        self._errors = list(errors)

    async def __call__(self) -> str:
        if self._errors:
            raise self._errors.pop(0)
        return "here"


async def test_who_comes_late_is_waited_for_and_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    assert await patiently(Server(StorageUnavailable("it is away"), StorageUnavailable("it is away")), 60) == "here"
    assert [record.message for record in caplog.records] == ["it is away; trying again for 60 seconds"]


async def test_patience_ends_with_the_last_error() -> None:
    with pytest.raises(StorageUnavailable, match="still away"):
        await patiently(Server(StorageUnavailable("still away"), StorageUnavailable("not asked for")), 0)


async def test_what_will_not_help_is_not_waited_for() -> None:
    with pytest.raises(StorageError, match="wrong key"):
        await patiently(Server(StorageError("wrong key")), 60)
