"""The wire of a chat request: lenient where real clients need it, strict where the meaning would change.

Keys that are not named here are ignored.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Discriminator, Field, Tag

from servers.invalid import by_type
from servers.metadata import Metadata
from servers.wire import (
    MAX_MESSAGES,
    MAX_PARTS,
    Effort,
    Function,
    FunctionName,
    FunctionTool,
    ImagePart,
    NamedChoice,
    ObjectFormat,
    RefusalPart,
    SchemaFormat,
    Temperature,
    TextFormat,
    TopP,
    Wire,
    one_or_many,
    word_or_kind,
)

INT64: Final = 2**63
MAX_TOOLS: Final = 1_000
MAX_FUNCTIONS: Final = 128
MAX_BIASES: Final = 10_000

SAMPLED: Final = "passed to the calls that can be the answer; absent = not sent"
PASSED: Final = "passed on to models that speak OpenAI's wire"


class TextPart(Wire):
    type: Literal["text"]
    text: str


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


Content = Annotated[
    Annotated[str | None, Tag("~one")]
    | Annotated[list[Part], Field(max_length=MAX_PARTS, fail_fast=True), Tag("~many")],
    Discriminator(one_or_many),
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


class OtherTool(Wire):
    """A tool of a kind that we don't know: it is not offered to anybody."""

    type: str


def _kind(value: Any) -> str:
    kind = value.get("type", "function") if isinstance(value, dict) else "function"
    return "~function" if kind == "function" else "~other"


Tool = Annotated[Annotated[FunctionTool, Tag("~function")] | Annotated[OtherTool, Tag("~other")], Discriminator(_kind)]


class AllowedTools(Wire):
    mode: Literal["auto", "required"]
    tools: Annotated[list[NamedChoice], Field(fail_fast=True)] = Field(max_length=MAX_TOOLS)


class AllowedChoice(Wire):
    type: Literal["allowed_tools"]
    allowed_tools: AllowedTools


ToolChoice = Annotated[
    Annotated[Literal["none", "auto", "required"], Tag("~word")]
    | Annotated[NamedChoice, Tag("~function")]
    | Annotated[AllowedChoice, Tag("~allowed_tools")],
    Discriminator(word_or_kind),
]


def _called(value: Any) -> str:
    return "~word" if isinstance(value, str) else "~named"


FunctionChoice = Annotated[
    Annotated[Literal["none", "auto"], Tag("~word")] | Annotated[FunctionName, Tag("~named")], Discriminator(_called)
]


class Prediction(Wire):
    type: Literal["content"]
    content: Annotated[
        Annotated[str, Tag("~one")]
        | Annotated[list[TextPart], Field(max_length=MAX_PARTS, fail_fast=True), Tag("~many")],
        Discriminator(one_or_many),
    ]


class CacheOptions(Wire):
    mode: Literal["implicit", "explicit"] | None = None
    ttl: Literal["30m"] | None = None


ResponseFormat = Annotated[
    Annotated[TextFormat, Tag("~text")]
    | Annotated[ObjectFormat, Tag("~json_object")]
    | Annotated[SchemaFormat, Tag("~json_schema")],
    Discriminator(by_type),
]


class StreamOptions(Wire):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None
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
    Annotated[str | None, Tag("~one")] | Annotated[list[str], Field(max_length=4), Tag("~many")],
    Discriminator(one_or_many),
]
TokenId = Annotated[str, Field(pattern=r"^[0-9]{1,18}$")]
Bias = Annotated[int, Field(ge=-100, le=100)]

Kind = Literal["honoured", "hint", "refused"]


def honoured(sentence: str, default: Any = None, **limits: Any) -> Any:
    """A parameter that does what OpenAI's does; the sentence says how, for the table in the documentation."""
    return _parameter("honoured", sentence, default, **limits)


def hint(sentence: str, **limits: Any) -> Any:
    """A parameter that may be ignored: the answer means the same without it."""
    return _parameter("hint", sentence, None, **limits)


def refused(sentence: str, **limits: Any) -> Any:
    """A parameter that can't be honoured and may not be ignored: `decode` refuses what it asks for."""
    return _parameter("refused", sentence, None, **limits)


def _parameter(kind: Kind, sentence: str, default: Any, **limits: Any) -> Any:
    return Field(default, description=sentence, json_schema_extra={"kind": kind}, **limits)


class ChatRequest(Wire):
    """The body of `POST /v1/chat/completions`. `decode` gives it its meaning."""

    model: str | None = honoured(
        "the team, an agent, an alias, or a provider's model; absent = the team; unknown = 404"
    )
    messages: Annotated[list[Message], Field(fail_fast=True)] = honoured(
        "required; text or parts in every role, `developer` counts as `system`, unknown keys inside are ignored",
        default=...,
        min_length=1,
        max_length=MAX_MESSAGES,
    )
    conversation_id: str | None = honoured("the conversation that this goes on; ours, not OpenAI's")
    history: Literal["auto", "full"] | None = honoured("`full`: the messages are all of it; ours, not OpenAI's")
    metadata: Metadata | None = honoured("up to 16 pairs of strings, kept with the run and with a stored completion")
    store: bool | None = honoured("keeps the completion")

    stream: bool | None = honoured("the answer as it is made")
    stream_options: StreamOptions | None = honoured(
        "`include_usage` as OpenAI's; `include_progress` shows the agents' work; `include_obfuscation` is ignored"
    )

    n: int | None = honoured("1 to 128 answers, made side by side", ge=1, le=128)
    temperature: Temperature | None = honoured(SAMPLED)
    top_p: TopP | None = honoured(SAMPLED)
    presence_penalty: float | None = honoured(SAMPLED, ge=-2, le=2, allow_inf_nan=False)
    frequency_penalty: float | None = honoured(SAMPLED, ge=-2, le=2, allow_inf_nan=False)
    seed: int | None = honoured(SAMPLED, ge=-INT64, lt=INT64)
    logit_bias: dict[TokenId, Bias] | None = honoured("by token, -100 to 100; " + PASSED, max_length=MAX_BIASES)
    max_completion_tokens: int | None = honoured(
        "kept on the answer itself, whatever the provider does", ge=1, lt=INT64
    )
    max_tokens: int | None = honoured("the old name of `max_completion_tokens`, which wins over it", ge=1, lt=INT64)
    stop: Stop = honoured("up to 4 sequences, kept on the answer itself, whatever the provider does")
    response_format: ResponseFormat | None = honoured(
        "kept, whatever the provider does; the answer is held until it is whole"
    )
    logprobs: bool | None = honoured(
        "asked of the calls that can be the answer; the tokens come with the text that they spell, words before a call "
        "among it; null where the provider stays silent, refused where the model has none (`offline`, LangChain's providers)"
    )
    top_logprobs: int | None = honoured("0 to 20, with `logprobs` only", ge=0, le=20)

    tools: Annotated[list[Tool], Field(fail_fast=True)] | None = honoured(
        "offered beside the team's own; kinds other than `function` are ignored", max_length=MAX_TOOLS
    )
    tool_choice: ToolChoice | None = honoured(
        "a forced choice holds for the first turn; `none` withdraws your tools alone"
    )
    parallel_tool_calls: bool | None = honoured("passed on; `false`: you are asked for one call at a time")
    functions: Annotated[list[Function], Field(fail_fast=True)] | None = honoured(
        "the old name of `tools`, and not beside them", max_length=MAX_FUNCTIONS
    )
    function_call: FunctionChoice | None = honoured("the old name of `tool_choice`, for `functions`")
    web_search_options: WebSearchOptions | None = honoured(
        "how much searches bring, and for whom; refused where no web is searched"
    )

    reasoning_effort: Effort | None = hint(PASSED)
    verbosity: Literal["low", "medium", "high"] | None = hint(PASSED)
    service_tier: Literal["auto", "default", "flex", "scale", "priority", "fast"] | None = hint(
        PASSED + "; the answer does not tell which one it was"
    )
    user: str | None = hint(PASSED + "; it selects no memory")
    safety_identifier: str | None = hint(PASSED, max_length=64)
    prompt_cache_key: str | None = hint(PASSED)
    prompt_cache_retention: Literal["in_memory", "24h"] | None = hint(PASSED)
    prompt_cache_options: CacheOptions | None = hint(PASSED)
    prediction: Prediction | None = hint("ignored: providers take it with no call that carries tools")

    modalities: Annotated[list[Literal["text", "audio"]], Field(fail_fast=True)] | None = refused(
        "with `audio`: answers are text"
    )
    audio: dict[str, Any] | None = refused("answers are text")
    moderation: dict[str, Any] | None = refused("nothing is moderated here")


PASSED_ON: Final = (
    "user",
    "logit_bias",
    "reasoning_effort",
    "verbosity",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "prompt_cache_options",
)
