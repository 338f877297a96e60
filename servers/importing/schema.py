"""OpenAI's objects as a dump has them. They were written by programs of all ages: what has only been renamed is read as
what it is called today."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from servers.assistants import schema as wire
from servers.invalid import by_type
from servers.metadata import Metadata
from servers.wire import ImagePart, RefusalPart, Wire

LATEST = 253_402_300_799  # the last second of the year 9999


_REST = "[A-Za-z0-9_.-]{1,200}$"

AssistantId = Annotated[str, Field(pattern=f"^asst_{_REST}")]
ThreadId = Annotated[str, Field(pattern=f"^thread_{_REST}")]
MessageId = Annotated[str, Field(pattern=f"^msg_{_REST}")]
RunId = Annotated[str, Field(pattern=f"^run_{_REST}")]
FileId = Annotated[str, Field(pattern=f"^file-{_REST}")]
Time = Annotated[int, Field(ge=0, le=LATEST)]


class DumpedAssistant(wire.AssistantFields):
    """An assistant. Sampling that it has by default is as good as nothing: OpenAI's objects always say it."""

    id: AssistantId
    created_at: Time

    @model_validator(mode="before")
    @classmethod
    def _today(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        fields = {key: each for key, each in value.items() if not (key in ("temperature", "top_p") and each == 1)}
        if isinstance(fields.get("tools"), list):
            fields["tools"] = [_tool(each) for each in fields["tools"]]
        if fields.get("file_ids") and not fields.get("tool_resources"):
            fields["tool_resources"] = {"code_interpreter": {"file_ids": fields["file_ids"]}}
        fields["response_format"] = _format(fields.get("response_format"))
        return fields


class FileOf(Wire):
    file_id: str
    url: str | None = None
    title: str | None = None


class Citation(Wire):
    type: Literal["file_citation"]
    text: str
    start_index: int = Field(ge=0)
    end_index: int = Field(ge=0)
    file_citation: FileOf


class FilePath(Wire):
    type: Literal["file_path"]
    text: str
    start_index: int = Field(ge=0)
    end_index: int = Field(ge=0)
    file_path: FileOf


class Text(Wire):
    value: str
    annotations: list[
        Annotated[
            Annotated[Citation, Tag("~file_citation")] | Annotated[FilePath, Tag("~file_path")], Discriminator(by_type)
        ]
    ] = Field(default_factory=list)


class TextPart(Wire):
    type: Literal["text"]
    text: Annotated[Text, BeforeValidator(lambda value: {"value": value} if isinstance(value, str) else value)]


Part = Annotated[
    Annotated[TextPart, Tag("~text")]
    | Annotated[RefusalPart, Tag("~refusal")]
    | Annotated[ImagePart, Tag("~image_url")]
    | Annotated[wire.FileImagePart, Tag("~image_file")],
    Discriminator(by_type),
]


class IncompleteDetails(Wire):
    reason: Literal["content_filter", "max_tokens", "run_cancelled", "run_expired", "run_failed"]


class DumpedMessage(Wire):
    """A message; within a thread it need not say which. One that was just being written has stayed incomplete."""

    id: MessageId
    created_at: Time
    thread_id: ThreadId | None = None
    role: Literal["user", "assistant", "system"]
    content: list[Part]
    status: Literal["completed", "incomplete", "in_progress"] | None = None
    incomplete_details: IncompleteDetails | None = None
    completed_at: Time | None = None
    incomplete_at: Time | None = None
    assistant_id: AssistantId | None = None
    run_id: RunId | None = None
    attachments: Annotated[list[wire.Attachment], Field(max_length=wire.MAX_FILES)] | None = None
    metadata: Metadata | None = None

    @model_validator(mode="before")
    @classmethod
    def _today(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        fields = {**value, "content": _parts(value.get("content"))}
        if fields.get("file_ids") and not fields.get("attachments"):
            fields["attachments"] = [{"file_id": id, "tools": [{"type": "file_search"}]} for id in fields["file_ids"]]
        if isinstance(fields.get("attachments"), list):  # those without a file say nothing
            fields["attachments"] = [_attachment(each) for each in fields["attachments"] if _names_a_file(each)]
        return fields


class DumpedThread(Wire):
    """A thread; its messages may stand in it."""

    id: ThreadId
    created_at: Time
    metadata: Metadata | None = None
    tool_resources: wire.ToolResources | None = None


def _decoded(content: Any) -> Any:
    if not isinstance(content, str):
        return content
    try:
        return b64decode("".join(content.split()), validate=True)
    except ValueError:
        raise PydanticCustomError("base64", "it is no base64") from None


class DumpedFile(Wire):
    """A file. `content` has its bytes in base64; OpenAI does not hand out those of every file."""

    id: FileId
    created_at: Time
    filename: str = Field(min_length=1, max_length=1024)
    purpose: str = Field(min_length=1, max_length=64)
    size: int | None = Field(None, alias="bytes")
    expires_at: Time | None = None
    content: Annotated[bytes | None, Field(strict=False), BeforeValidator(_decoded)] = None

    @model_validator(mode="after")
    def _whole(self) -> DumpedFile:
        if self.content is not None and self.size not in (None, len(self.content)):
            raise PydanticCustomError(
                "size", "content has {got} bytes, not {bytes}", {"got": len(self.content), "bytes": self.size}
            )
        return self


def _tool(tool: Any) -> Any:
    """A tool without nulls. What has been called `retrieval` is `file_search`."""
    if not isinstance(tool, dict):
        return tool
    said = _said(tool)
    if said.get("type") == "retrieval":
        return {"type": "file_search"}
    return {key: _said(each) if key in ("function", "file_search") else each for key, each in said.items()}


def _said(value: Any) -> Any:
    return {key: each for key, each in value.items() if each is not None} if isinstance(value, dict) else value


def _format(value: Any) -> Any:
    """A response format. Where a client's object was dumped, the schema is under the name of its attribute."""
    match value:
        case {"json_schema": {"schema_": schema, **rest}}:
            return {**value, "json_schema": {**_said(rest), "schema": schema}}
        case {"json_schema": Mapping() as described}:
            return {**value, "json_schema": _said(described)}
        case _:
            return value


def _parts(content: Any) -> Any:
    match content:
        case None | "":
            return []
        case str():
            return [{"type": "text", "text": content}]
        case _:
            return content


def _names_a_file(attachment: Any) -> bool:
    return not isinstance(attachment, dict) or bool(attachment.get("file_id"))


def _attachment(attachment: Any) -> Any:
    if not isinstance(attachment, dict) or not isinstance(attachment.get("tools"), list):
        return attachment
    return {**attachment, "tools": [_tool(each) for each in attachment["tools"]]}
