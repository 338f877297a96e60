"""Messages of a dump, as the conversation log keeps them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agents.models.port import ImagePart, Message, Part, TextPart
from agents.tools.port import Source
from graph import attachments
from graph.items import Annotation
from graph.messages import StoredMessage
from servers.assistants import schema as wire
from servers.ids import bare
from servers.importing import schema
from servers.wire import ImagePart as WireImage
from servers.wire import RefusalPart


def stored(dumped: schema.DumpedMessage) -> StoredMessage:
    """The message with its own id and times."""
    at, ended = dumped.created_at * 1000, dumped.completed_at or dumped.incomplete_at
    return StoredMessage(
        bare(dumped.id, "msg_"),
        Message(dumped.role, _content(dumped.content)),
        at,
        run_id=dumped.run_id and bare(dumped.run_id, "run_"),
        status="completed" if dumped.status in (None, "completed") else "incomplete",
        annotations=tuple(_annotations(dumped.content)),
        refusal=bool(dumped.content) and all(isinstance(part, RefusalPart) for part in dumped.content),
        incomplete_reason=dumped.incomplete_details.reason if dumped.incomplete_details else None,
        ended_at=ended * 1000 if ended and ended * 1000 != at else None,
        assistant_id=dumped.assistant_id,
        attachments=tuple(each.model_dump(exclude_none=True) for each in dumped.attachments or ()),
        metadata=dumped.metadata or {},
    )


def _content(parts: Sequence[schema.Part]) -> str | tuple[Part, ...]:
    """One text is a text; several parts stay what they are."""
    match tuple(map(_part, parts)):
        case ():
            return ""
        case (TextPart(text),):
            return text
        case several:
            return several


def _part(part: schema.TextPart | RefusalPart | WireImage | wire.FileImagePart) -> Part:
    match part:
        case schema.TextPart(text=text):
            return TextPart(text.value)
        case RefusalPart(refusal=text):
            return TextPart(text)
        case WireImage(image_url=image):
            return ImagePart(image.url, image.detail)
        case wire.FileImagePart(image_file=image):
            return ImagePart(attachments.of_file(image.file_id), image.detail)


def _annotations(parts: Sequence[schema.Part]) -> Iterator[Annotation]:
    """The marks, by their places in all text parts together."""
    begin = 0
    for part in parts:
        if isinstance(part, schema.TextPart):
            for mark in part.text.annotations:
                yield _annotation(mark, begin)
            begin += len(part.text.value)
        elif isinstance(part, RefusalPart):
            begin += len(part.refusal)


def _annotation(mark: schema.Citation | schema.FilePath, begin: int) -> Annotation:
    place = begin + mark.start_index, begin + mark.end_index
    match mark:
        case schema.FilePath(file_path=made):
            return Annotation(*place, mark.text, Source(made.file_id, file_id=made.file_id), path=True)
        case schema.Citation(file_citation=cited) if cited.url:
            return Annotation(*place, mark.text, Source(cited.title or cited.url, url=cited.url))
        case schema.Citation(file_citation=cited):
            return Annotation(*place, mark.text, Source(cited.file_id, file_id=cited.file_id))
