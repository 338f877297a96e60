"""The wire of the Assistants API's requests. Keys that are not named here are ignored."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from servers.chunking import ChunkingStrategy
from servers.errors import BadRequest
from servers.invalid import by_type
from servers.metadata import Metadata
from servers.wire import (
    MAX_MESSAGES,
    MAX_PARTS,
    Effort,
    FunctionTool,
    ImagePart,
    NamedChoice,
    ObjectFormat,
    SchemaFormat,
    Temperature,
    TextFormat,
    TopP,
    Wire,
    one_or_many,
    word_or_kind,
)

MAX_TOOLS: Final = 128
MAX_FILES: Final = 1_000
MAX_STORED: Final = 10_000
MAX_TEXT: Final = 256_000


class CodeInterpreter(Wire):
    type: Literal["code_interpreter"]


class RankingOptions(Wire):
    score_threshold: float = Field(ge=0, le=1, allow_inf_nan=False)
    ranker: Literal["auto", "default_2024_08_21"] | None = None


class FileSearchOptions(Wire):
    max_num_results: int | None = Field(None, ge=1, le=50)
    ranking_options: RankingOptions | None = None


class FileSearch(Wire):
    type: Literal["file_search"]
    file_search: FileSearchOptions | None = None


def _kind(value: Any) -> str | None:
    if isinstance(value, dict) and "type" not in value and "function" in value:
        return "~function"
    return by_type(value)


Tool = Annotated[
    Annotated[CodeInterpreter, Tag("~code_interpreter")]
    | Annotated[FileSearch, Tag("~file_search")]
    | Annotated[FunctionTool, Tag("~function")],
    Discriminator(_kind),
]
Tools = Annotated[list[Tool], Field(max_length=MAX_TOOLS, fail_fast=True)]

FileIds = Annotated[list[str], Field(max_length=20)]


class CodeResources(Wire):
    file_ids: FileIds = Field(default_factory=list)


class NewStore(Wire):
    """A vector store that is made with what names it."""

    file_ids: Annotated[list[str], Field(max_length=MAX_STORED)] | None = None
    chunking_strategy: ChunkingStrategy | None = None
    metadata: Metadata | None = None


class SearchResources(Wire):
    vector_store_ids: Annotated[list[str], Field(max_length=1)] | None = None
    vector_stores: Annotated[list[NewStore], Field(max_length=1)] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.vector_store_ids and self.vector_stores:
            param = "tool_resources.file_search.vector_stores"
            message = "Give 'vector_store_ids' or 'vector_stores', not both."
            raise BadRequest(message, param, "mutually_exclusive_parameters")
        return self


class ToolResources(Wire):
    code_interpreter: CodeResources | None = None
    file_search: SearchResources | None = None


ResponseFormat = Annotated[
    Annotated[Literal["auto"], Tag("~word")]
    | Annotated[TextFormat, Tag("~text")]
    | Annotated[ObjectFormat, Tag("~json_object")]
    | Annotated[SchemaFormat, Tag("~json_schema")],
    Discriminator(word_or_kind),
]


class OtherChoice(Wire):
    """A tool that is the server's own."""

    type: Literal["code_interpreter", "file_search"]


ToolChoice = Annotated[
    Annotated[Literal["none", "auto", "required"], Tag("~word")]
    | Annotated[NamedChoice, Tag("~function")]
    | Annotated[OtherChoice, Tag("~code_interpreter")]
    | Annotated[OtherChoice, Tag("~file_search")],
    Discriminator(word_or_kind),
]


class AssistantFields(Wire):
    """What an assistant is made of. A null is as good as nothing."""

    model: str | None = Field(None, min_length=1)
    name: str | None = Field(None, max_length=256)
    description: str | None = Field(None, max_length=512)
    instructions: str | None = Field(None, max_length=MAX_TEXT)
    reasoning_effort: Effort | None = None
    tools: Tools | None = None
    tool_resources: ToolResources | None = None
    metadata: Metadata | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    response_format: ResponseFormat | None = None


class FileImage(Wire):
    file_id: str = Field(min_length=1)
    detail: Literal["auto", "low", "high"] | None = None


class FileImagePart(Wire):
    type: Literal["image_file"]
    image_file: FileImage


class TextPart(Wire):
    type: Literal["text"]
    text: str = Field(max_length=MAX_TEXT)


Part = Annotated[
    Annotated[TextPart, Tag("~text")]
    | Annotated[ImagePart, Tag("~image_url")]
    | Annotated[FileImagePart, Tag("~image_file")],
    Discriminator(by_type),
]


Content = Annotated[
    Annotated[Annotated[str, Field(max_length=MAX_TEXT)] | None, Tag("~one")]
    | Annotated[list[Part], Field(min_length=1, max_length=MAX_PARTS, fail_fast=True), Tag("~many")],
    Discriminator(one_or_many),
]


class AttachmentTool(Wire):
    type: Literal["code_interpreter", "file_search"]


class Attachment(Wire):
    file_id: str = Field(min_length=1)
    tools: list[AttachmentTool] | None = None


class CreateMessage(Wire):
    """A message for a thread: the user's where it does not say, and empty where there is nothing in it."""

    role: Annotated[
        Literal["user", "assistant", "system"], BeforeValidator(lambda role: "user" if role is None else role)
    ] = "user"
    content: Content = None
    attachments: Annotated[list[Attachment], Field(max_length=MAX_FILES)] | None = None
    metadata: Metadata | None = None


Messages = Annotated[list[CreateMessage], Field(max_length=MAX_MESSAGES, fail_fast=True)]


class ModifyMetadata(Wire):
    """A change of a message or a run."""

    metadata: Metadata | None = None


class ModifyThread(ModifyMetadata):
    tool_resources: ToolResources | None = None


class CreateThread(ModifyThread):
    messages: Messages | None = None


class Truncation(Wire):
    type: Literal["auto", "last_messages"]
    last_messages: int | None = Field(None, ge=1)


class RunFields(Wire):
    """What a run may be told, whether its thread is there or made with it."""

    assistant_id: str = Field(min_length=1)
    model: str | None = Field(None, min_length=1)
    reasoning_effort: Effort | None = None
    instructions: str | None = Field(None, max_length=MAX_TEXT)
    tools: Tools | None = None
    metadata: Metadata | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    stream: bool | None = None
    max_prompt_tokens: int | None = Field(None, ge=256)
    max_completion_tokens: int | None = Field(None, ge=256)
    truncation_strategy: Truncation | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None


class CreateRun(RunFields):
    additional_instructions: str | None = Field(None, max_length=MAX_TEXT)
    additional_messages: Messages | None = None


class CreateThreadAndRun(RunFields):
    thread: CreateThread | None = None
    tool_resources: ToolResources | None = None


class ToolOutput(Wire):
    """Some clients send a result that is no text."""

    tool_call_id: str = Field(min_length=1)
    output: str | None = None


class SubmitToolOutputs(Wire):
    tool_outputs: Annotated[list[ToolOutput], Field(max_length=MAX_TOOLS)]
    stream: bool | None = None
