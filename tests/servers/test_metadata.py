"""The limits of what clients attach."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from servers.errors import BadRequest
from servers.invalid import validated
from servers.metadata import Metadata


class Thing(BaseModel, strict=True):
    metadata: Metadata


def test_the_most_there_can_be() -> None:
    most = {f"{number:064}": "v" * 512 for number in range(16)}
    assert validated(Thing, {"metadata": most}).metadata == most


@pytest.mark.parametrize(
    ("metadata", "param", "code"),
    [
        ({str(number): "" for number in range(17)}, "metadata", "object_above_max_properties"),
        ({"k" * 65: ""}, "metadata", "string_above_max_length"),
        ({"key": "v" * 513}, "metadata.key", "string_above_max_length"),
        ({"key": 1}, "metadata.key", "invalid_type"),
        (["key"], "metadata", "invalid_type"),
    ],
)
def test_what_is_over_a_limit(metadata: object, param: str, code: str) -> None:
    with pytest.raises(BadRequest) as raised:
        validated(Thing, {"metadata": metadata})
    assert (raised.value.param, raised.value.code) == (param, code)
