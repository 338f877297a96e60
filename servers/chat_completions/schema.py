"""The wire of a chat request: lenient where real clients need it, strict where the meaning would change.

Keys that are not named here are ignored.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag

from servers.invalid import by_type

INT64: Final = 2**63
MAX_MESSAGES: Final = 10_000
MAX_PARTS: Final = 10_000
MAX_TOOLS: Final = 1_000
MAX_FUNCTIONS: Final = 128
MAX_BIASES: Final = 10_000


class Wire(BaseModel):
    """Base of everything on this wire: no conversions, unknown keys ignored."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class TextPart(Wire):
    type: Literal["text"]
    text: str


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


class FileContent(Wire):
    filename: str | None = None
    file_data: str | None = None
    file_id: str | None = None


class FilePart(Wire):
    type: Literal["file"]
    file: FileContent


Part = Annotated[
    Annotated[TextPart, Tag("~text")]
    | Annotated[RefusalPart, Tag("~refusal")]
    | Annotated[ImagePart, Tag("~image_url")]
    | Annotated[FilePart, Tag("~file")],
    Discriminator(by_type),
]


def _shape(value: Any) -> str:
    return "~one" if value is None or isinstance(value, str) else "~many"


Content = Annotated[
    Annotated[str | None, Tag("~one")]
    | Annotated[list[Part], Field(max_length=MAX_PARTS, fail_fast=True), Tag("~many")],
    Discriminator(_shape),
]


class FunctionCall(Wire):
    """What an assistant called. Some clients send the arguments as an object."""

    name: str = Field(min_length=1)
    arguments: str | dict[str, Any] | None = None


class ToolCall(Wire):
    id: str = Field(min_length=1)
    function: FunctionCall


class Message(Wire):
    """A message of any role; `decode` knows what each role needs."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Content = None
    name: str | None = None
    tool_calls: Annotated[list[ToolCall], Field(fail_fast=True)] | None = Field(None, max_length=MAX_TOOLS)
    tool_call_id: str | None = None
    function_call: FunctionCall | None = None
    refusal: str | None = None


class Function(Wire):
    name: str = Field(pattern=r"^[a-zA-Z0-9_.-]{1,64}$")
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class FunctionTool(Wire):
    type: Literal["function"] = "function"
    function: Function


class OtherTool(Wire):
    """A tool of a kind that we don't know: it is not offered to anybody."""

    type: str


def _kind(value: Any) -> str:
    kind = value.get("type", "function") if isinstance(value, dict) else "function"
    return "~function" if kind == "function" else "~other"


Tool = Annotated[Annotated[FunctionTool, Tag("~function")] | Annotated[OtherTool, Tag("~other")], Discriminator(_kind)]


class FunctionName(Wire):
    name: str


class NamedChoice(Wire):
    type: Literal["function"]
    function: FunctionName


class AllowedTools(Wire):
    mode: Literal["auto", "required"]
    tools: Annotated[list[NamedChoice], Field(fail_fast=True)] = Field(max_length=MAX_TOOLS)


class AllowedChoice(Wire):
    type: Literal["allowed_tools"]
    allowed_tools: AllowedTools


def _choice(value: Any) -> str | None:
    return "~word" if isinstance(value, str) else by_type(value)


ToolChoice = Annotated[
    Annotated[Literal["none", "auto", "required"], Tag("~word")]
    | Annotated[NamedChoice, Tag("~function")]
    | Annotated[AllowedChoice, Tag("~allowed_tools")],
    Discriminator(_choice),
]


def _called(value: Any) -> str:
    return "~word" if isinstance(value, str) else "~named"


FunctionChoice = Annotated[
    Annotated[Literal["none", "auto"], Tag("~word")] | Annotated[FunctionName, Tag("~named")], Discriminator(_called)
]


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


ResponseFormat = Annotated[
    Annotated[TextFormat, Tag("~text")]
    | Annotated[ObjectFormat, Tag("~json_object")]
    | Annotated[SchemaFormat, Tag("~json_schema")],
    Discriminator(by_type),
]


class StreamOptions(Wire):
    include_usage: bool | None = None
    include_progress: bool | None = None


PlaceName = Annotated[str, Field(max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]  # it may become a header of ours


class Location(Wire):
    country: Annotated[str, Field(pattern=r"^[A-Za-z]{2}$")] | None = None
    region: PlaceName | None = None
    city: PlaceName | None = None
    timezone: PlaceName | None = None


class UserLocation(Wire):
    type: Literal["approximate"]
    approximate: Location


class WebSearchOptions(Wire):
    search_context_size: Literal["low", "medium", "high"] | None = None
    user_location: UserLocation | None = None


Stop = Annotated[
    Annotated[str | None, Tag("~one")] | Annotated[list[str], Field(max_length=4), Tag("~many")], Discriminator(_shape)
]
Penalty = Annotated[float, Field(ge=-2, le=2, allow_inf_nan=False)]


class ChatRequest(Wire):
    """The body of `POST /v1/chat/completions`. `decode` gives it its meaning."""

    model: str | None = None
    messages: Annotated[list[Message], Field(fail_fast=True)] = Field(min_length=1, max_length=MAX_MESSAGES)
    conversation_id: str | None = None
    history: Literal["auto", "full"] | None = None
    metadata: dict[str, Any] | None = None
    store: bool | None = None

    stream: bool | None = None
    stream_options: StreamOptions | None = None

    n: int | None = Field(None, ge=1, le=128)
    temperature: float | None = Field(None, ge=0, le=2, allow_inf_nan=False)
    top_p: float | None = Field(None, ge=0, le=1, allow_inf_nan=False)
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    seed: int | None = Field(None, ge=-INT64, lt=INT64)
    max_tokens: int | None = Field(None, ge=1, lt=INT64)
    max_completion_tokens: int | None = Field(None, ge=1, lt=INT64)
    stop: Stop = None
    response_format: ResponseFormat | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)

    tools: Annotated[list[Tool], Field(fail_fast=True)] | None = Field(None, max_length=MAX_TOOLS)
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    functions: Annotated[list[Function], Field(fail_fast=True)] | None = Field(None, max_length=MAX_FUNCTIONS)
    function_call: FunctionChoice | None = None

    web_search_options: WebSearchOptions | None = None

    # Known, and refused by name where they ask for something: nobody here could do it.
    modalities: list[str] | None = None
    audio: dict[str, Any] | None = None

    # Passed on as they are, to models that speak this wire.
    user: str | None = None
    logit_bias: dict[str, float] | None = Field(None, max_length=MAX_BIASES)
    reasoning_effort: str | None = None
    verbosity: str | None = None
    service_tier: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None


PASSED_ON: Final = (
    "user",
    "logit_bias",
    "reasoning_effort",
    "verbosity",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
)
