"""What clients attach to their objects: at most 16 pairs of strings."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AfterValidator

from servers.errors import BadRequest

MAX_PAIRS: Final = 16
MAX_KEY: Final = 64
MAX_VALUE: Final = 512


def within_limits(metadata: dict[str, str]) -> dict[str, str]:
    """The metadata, if an object can have it. Raises `BadRequest`."""
    if len(metadata) > MAX_PAIRS:
        raise BadRequest(
            f"Invalid value for 'metadata': it has {len(metadata)} pairs, at most {MAX_PAIRS} are allowed.",
            "metadata",
            "object_above_max_properties",
        )
    for key, value in metadata.items():
        if len(key) > MAX_KEY:
            raise BadRequest(
                f"Invalid value for 'metadata': the key {key!r:.100} has more than {MAX_KEY} characters.",
                "metadata",
                "string_above_max_length",
            )
        if len(value) > MAX_VALUE:
            raise BadRequest(
                f"Invalid value for 'metadata.{key}': it has more than {MAX_VALUE} characters.",
                f"metadata.{key}",
                "string_above_max_length",
            )
    return metadata


Metadata = Annotated[dict[str, str], AfterValidator(within_limits)]
