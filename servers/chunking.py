"""How files are to be cut into chunks, on the wire."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from graph.vector_stores.values import Chunking
from servers.errors import BadRequest
from servers.invalid import by_type
from servers.wire import Wire


class AutoChunking(Wire):
    type: Literal["auto"]


class StaticSizes(Wire):
    max_chunk_size_tokens: int = Field(ge=100, le=4096)
    chunk_overlap_tokens: int = Field(ge=0)

    @model_validator(mode="after")
    def _half_at_most(self) -> Self:
        if self.chunk_overlap_tokens * 2 > self.max_chunk_size_tokens:
            param = "chunking_strategy.static.chunk_overlap_tokens"
            raise BadRequest(
                f"Invalid value for '{param}': it must be at most half of 'max_chunk_size_tokens'.",
                param,
                "invalid_value",
            )
        return self


class StaticChunking(Wire):
    type: Literal["static"]
    static: StaticSizes


ChunkingStrategy = Annotated[
    Annotated[AutoChunking, Tag("~auto")] | Annotated[StaticChunking, Tag("~static")], Discriminator(by_type)
]


def chunking(strategy: AutoChunking | StaticChunking | None) -> Chunking:
    """The sizes that a strategy means."""
    if isinstance(strategy, StaticChunking):
        return Chunking(strategy.static.max_chunk_size_tokens, strategy.static.chunk_overlap_tokens)
    return Chunking()
