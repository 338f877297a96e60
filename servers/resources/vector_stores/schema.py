"""The wire of the vector stores' requests. Keys that are not named here are ignored."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Discriminator, Field, Tag, field_validator, model_validator

from servers.chunking import ChunkingStrategy
from servers.errors import BadRequest
from servers.invalid import by_type
from servers.metadata import Metadata
from servers.wire import Wire

MOST_AT_CREATION: Final = 500
MOST_IN_A_BATCH: Final = 2_000
MOST_RESULTS: Final = 50
MOST_FILTERS: Final = 100
MOST_VALUES: Final = 1_000
DEEPEST_FILTER: Final = 10


class ExpiresAfter(Wire):
    """How long a store stays when nobody uses it."""

    anchor: Literal["last_active_at"]
    days: int = Field(ge=1, le=365)


def _attributes(given: dict[str, str | bool | float]) -> dict[str, str | bool | float]:
    if len(given) > 16:
        message = f"Invalid value for 'attributes': it has {len(given)} keys, at most 16 are allowed."
        raise BadRequest(message, "attributes", "object_above_max_properties")
    for key, value in given.items():
        if len(key) > 64 or (isinstance(value, str) and len(value) > 512):
            message = f"Invalid value for 'attributes': {key!r:.100} is too long; keys have 64 characters at most, values 512."
            raise BadRequest(message, "attributes", "string_above_max_length")
    return given


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "~flag"
        case int() | float():
            return "~number"
        case list():
            return "~many"
        case _:
            return "~text"


_Plain = (
    Annotated[str, Tag("~text")]
    | Annotated[bool, Tag("~flag")]
    | Annotated[int | Annotated[float, Field(allow_inf_nan=False)], Tag("~number")]
)
Value = Annotated[_Plain, Discriminator(lambda value: _kind(value).replace("~many", "~text"))]
Attributes = Annotated[dict[str, Value], AfterValidator(_attributes)]


class CreateStore(Wire):
    name: str | None = Field(None, max_length=1024)
    description: str | None = None
    file_ids: Annotated[list[str], Field(max_length=MOST_AT_CREATION)] | None = None
    expires_after: ExpiresAfter | None = None
    chunking_strategy: ChunkingStrategy | None = None
    metadata: Metadata | None = None


class ModifyStore(Wire):
    name: str | None = Field(None, max_length=1024)
    expires_after: ExpiresAfter | None = None
    metadata: Metadata | None = None


class AttachFile(Wire):
    file_id: str = Field(min_length=1)
    attributes: Attributes | None = None
    chunking_strategy: ChunkingStrategy | None = None


class ModifyFile(Wire):
    attributes: Attributes | None


class CreateBatch(Wire):
    """Either `file_ids`, which share attributes and strategy, or `files`, which have their own."""

    file_ids: Annotated[list[str], Field(min_length=1, max_length=MOST_IN_A_BATCH)] | None = None
    files: Annotated[list[AttachFile], Field(min_length=1, max_length=MOST_IN_A_BATCH)] | None = None
    attributes: Attributes | None = None
    chunking_strategy: ChunkingStrategy | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.file_ids is None and self.files is None:
            raise BadRequest("Missing required parameter: 'file_ids'.", "file_ids", "missing_required_parameter")
        if self.file_ids is not None and self.files is not None:
            raise BadRequest("Give 'file_ids' or 'files', not both.", "files", "mutually_exclusive_parameters")
        return self


class ComparisonFilter(Wire):
    type: Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"]
    key: str
    value: Annotated[_Plain | Annotated[list[Value], Field(max_length=MOST_VALUES), Tag("~many")], Discriminator(_kind)]

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        several = self.type in ("in", "nin")
        if several != isinstance(self.value, list) or (
            self.type in ("gt", "gte", "lt", "lte") and isinstance(self.value, bool)
        ):
            wanted = "an array" if several else "a string or a number"
            raise BadRequest(
                f"Invalid type for 'filters.value': '{self.type}' compares with {wanted}.",
                "filters.value",
                "invalid_type",
            )
        return self


class CompoundFilter(Wire):
    type: Literal["and", "or"]
    filters: Annotated[list[AnyFilter], Field(max_length=MOST_FILTERS)]


def _filter_kind(value: Any) -> str | None:
    kind = by_type(value)
    return next((tag for tag in (_COMPARING, _COMPOUND) if kind and kind[1:] in tag[1:].split("|")), kind)


_COMPARING: Final = "~eq|ne|gt|gte|lt|lte|in|nin"
_COMPOUND: Final = "~and|or"
AnyFilter = Annotated[
    Annotated[ComparisonFilter, Tag(_COMPARING)] | Annotated[CompoundFilter, Tag(_COMPOUND)],
    Discriminator(_filter_kind),
]


def _shallow(given: Any) -> Any:
    if _depth(given, 0) > DEEPEST_FILTER:
        message = f"Invalid value for 'filters': they are nested deeper than {DEEPEST_FILTER} levels."
        raise BadRequest(message, "filters", "invalid_value")
    return given


def _depth(given: Any, depth: int) -> int:
    inside = given.get("filters") if isinstance(given, dict) else None
    if not isinstance(inside, list) or depth > DEEPEST_FILTER:
        return depth
    return max((_depth(each, depth + 1) for each in inside), default=depth)


class Ranking(Wire):
    ranker: Literal["none", "auto", "default-2024-11-15", "default_2024_08_21"] = "auto"
    score_threshold: float = Field(0.0, ge=0, le=1, allow_inf_nan=False)


Query = Annotated[str, Field(min_length=1, max_length=4096)]


def _one_or_many(value: Any) -> str:
    return "~many" if isinstance(value, list) else "~one"


class Search(Wire):
    query: Annotated[
        Annotated[Query, Tag("~one")] | Annotated[list[Query], Field(min_length=1, max_length=16), Tag("~many")],
        Discriminator(_one_or_many),
    ]
    rewrite_query: bool | None = None
    max_num_results: int = Field(10, ge=1, le=MOST_RESULTS)
    filters: AnyFilter | None = None
    ranking_options: Ranking | None = None

    @field_validator("filters", mode="before")
    @classmethod
    def _not_too_deep(cls, value: Any) -> Any:
        return _shallow(value)
