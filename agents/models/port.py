"""The port through which agents think: prompts go in, batches of pieces come out.

`Model.stream` yields one batch per network read, so that tokens which arrive together travel together.
Everything here is a pure value; a provider is a file in this folder, named at its door.

    ModelError                     the call failed
      ModelRefused                 the provider says the request itself is wrong (its 400)
      ModelRateLimited             429, after our retries
      ModelUnavailable             any other refusal or fault: 401, 403, 5xx, no connection, nonsense on the wire
      ModelTimeout                 the provider stayed silent for too long
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Role = Literal["system", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


@dataclass(frozen=True, slots=True)
class TextPart:
    """Text among other parts of a message."""

    text: str


@dataclass(frozen=True, slots=True)
class ImagePart:
    """An image by `url` (https or data URL); `detail` is low, high or auto."""

    url: str
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file given inline (`data`, a data URL) or by `file_id`."""

    filename: str | None = None
    data: str | None = None
    file_id: str | None = None


Part = TextPart | ImagePart | FilePart


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call as a model wrote it. `arguments` is usually a JSON object, which nobody promises."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as offered to a model. `parameters` is a JSON schema, or None for a tool without arguments."""

    name: str
    description: str | None = None
    parameters: Mapping[str, Any] | None = None
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a prompt. `tool_calls` stands on assistant messages, `tool_call_id` on tool messages."""

    role: Role
    content: str | tuple[Part, ...] = ""
    name: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None

    @property
    def text(self) -> str:
        """The text alone, its parts joined by line breaks."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content if isinstance(part, TextPart))


@dataclass(frozen=True, slots=True)
class Params:
    """How to sample. None means: not sent, the model's own default.

    `stream=False` says that nobody watches: the provider may then answer in one batch.
    `extra` holds further fields of OpenAI's chat request, passed as they are by providers that speak that wire.
    """

    stream: bool = True
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    tool_choice: str | Mapping[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: Mapping[str, Any] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one or more model calls. `estimated`: counted by us, because the provider could not tell."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    estimated: bool = False

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            self.cached_tokens + other.cached_tokens,
            self.estimated or other.estimated,
        )


@dataclass(frozen=True, slots=True)
class Text:
    """A fragment of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A fragment of the model's words why it won't answer, in the place of an answer."""

    text: str


@dataclass(frozen=True, slots=True)
class TopLogprob:
    """A token that could have stood in a place, and how likely it was. `utf8` may be a part of a character only; None
    where the provider does not say."""

    token: str
    logprob: float
    utf8: bytes | None = None

    @property
    def spelled(self) -> bytes:
        """The bytes that it adds to the text."""
        return self.token.encode("utf-8", "replace") if self.utf8 is None else self.utf8


@dataclass(frozen=True, slots=True)
class TokenLogprob(TopLogprob):
    """A token of the answer, and the most likely ones in its place."""

    top_logprobs: tuple[TopLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Logprobs:
    """Tokens of the answer with their probabilities, in its order: they stand before the text of the same batch."""

    tokens: tuple[TokenLogprob, ...]


@dataclass(frozen=True, slots=True)
class Reasoning:
    """A fragment of what the model thinks aloud (`reasoning_content`)."""

    text: str


@dataclass(frozen=True, slots=True)
class CallPart:
    """A fragment of a tool call. Fragments of one call share `index`; `id` and `name` come with the first."""

    index: int
    arguments: str = ""
    id: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Finish:
    """Why the model stopped. At most one per stream."""

    reason: FinishReason


@dataclass(frozen=True, slots=True)
class Used:
    """What the call cost, as the provider counted it. `model` is the name the provider answered with."""

    usage: Usage
    model: str | None = None


Piece = Text | Refusal | Logprobs | Reasoning | CallPart | Finish | Used


class Model(Protocol):
    """A language model.

    `stream` raises a `ModelError` (above). A failure before the first piece has been retried where that helps; one
    after it never is. Closing the generator closes the connection to the provider at once. Safe to use from many
    tasks at the same time.
    """

    @property
    def name(self) -> str:
        """As the operator writes it: `offline`, `openai:gpt-4o`."""

    @property
    def fingerprint(self) -> str | None:
        """OpenAI's `system_fingerprint`, where there is something to say."""

    @property
    def gives_logprobs(self) -> bool:
        """Whether `Params.logprobs` may be asked of it. One that is asked may still stay silent about them."""

    def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], params: Params
    ) -> AsyncGenerator[Sequence[Piece], None]: ...

    async def close(self) -> None: ...


class ModelError(Exception):
    """A model call failed. `message` may be shown to the caller; it holds no secret. `status` and `code` are the
    provider's, `retry_after` the seconds that it asks to wait, `param` the request's field at fault."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        retry_after: float | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.retry_after = retry_after
        self.param = param


class ModelRefused(ModelError):
    """The request itself is at fault."""


class ModelRateLimited(ModelError):
    """Too many requests, after our retries."""


class ModelUnavailable(ModelError):
    """The provider is away, broken, or does not let us in."""


class ModelTimeout(ModelError):
    """The provider stayed silent for too long."""
