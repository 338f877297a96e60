"""What the bodies of several dialects are made of: parts of messages, functions, formats of answers, and the tags that tell one
shape from another. Keys that are not named are ignored."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from servers.invalid import by_type

MAX_MESSAGES: Final = 10_000
MAX_PARTS: Final = 10_000

Temperature = Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
TopP = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Wire(BaseModel):
    """Base of everything on the wire: no conversions, unknown keys ignored."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class RefusalPart(Wire):
    type: Literal["refusal"]
    refusal: str


class ImageUrl(Wire):
    url: str = Field(min_length=1)
    detail: Literal["auto", "low", "high"] | None = None


class ImagePart(Wire):
    """Some clients send the URL alone."""

    type: Literal["image_url"]
    image_url: Annotated[ImageUrl, BeforeValidator(lambda value: {"url": value} if isinstance(value, str) else value)]


class Function(Wire):
    name: str = Field(pattern=r"^[a-zA-Z0-9_.-]{1,64}$")
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class FunctionTool(Wire):
    """`{"function": {"name": ...}}` alone is one too."""

    type: Literal["function"] = "function"
    function: Function


class FunctionName(Wire):
    name: str


class NamedChoice(Wire):
    type: Literal["function"]
    function: FunctionName


class JsonSchema(Wire):
    model_config = ConfigDict(extra="allow")

    name: str = Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")
    definition: dict[str, Any] | None = Field(None, alias="schema")
    strict: bool | None = None


class TextFormat(Wire):
    type: Literal["text"]


class ObjectFormat(Wire):
    type: Literal["json_object"]


class SchemaFormat(Wire):
    type: Literal["json_schema"]
    json_schema: JsonSchema


def one_or_many(value: Any) -> str:
    """The tag of a string, or none, in the place of a list: `~one` or `~many`."""
    return "~one" if value is None or isinstance(value, str) else "~many"


def word_or_kind(value: Any) -> str | None:
    """The tag of a string in the place of an object: `~word`, else the object's own."""
    return "~word" if isinstance(value, str) else by_type(value)
