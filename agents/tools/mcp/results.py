"""What an MCP server answers a call with, as the text that a model reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, assert_never

import orjson
from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)

from agents.tools.port import ToolOutput

CHARACTERS: Final = 30_000


def output(result: CallToolResult) -> ToolOutput:
    """The result in words: its texts, else what it says in a structured way. What is no text is named, since tool outputs
    are text to all models; what is too long is cut, and says so."""
    parts = [*_told(result)]
    texts = any(isinstance(block, TextContent | EmbeddedResource) for block in result.content)
    if result.structured_content is not None and not texts:
        parts.append(orjson.dumps(result.structured_content).decode())
    text = "\n".join(filter(None, parts)) or "(The tool answered with nothing.)"
    if len(text) > CHARACTERS:
        text = f"{text[:CHARACTERS]}\n(the answer is longer: cut at {CHARACTERS} of {len(text)} characters)"
    return ToolOutput(text, "error" if result.is_error else "ok")


def _told(result: CallToolResult) -> Iterator[str]:
    return map(_text, result.content)


def _text(block: ContentBlock) -> str:
    match block:
        case TextContent(text=text):
            return text
        case ImageContent(data=data, mime_type=kind):
            return _unseen("an image", kind, data)
        case AudioContent(data=data, mime_type=kind):
            return _unseen("a sound", kind, data)
        case EmbeddedResource(resource=TextResourceContents(uri=uri, text=text)):
            return f"[{uri}]\n{text}"
        case EmbeddedResource(resource=BlobResourceContents(uri=uri, mime_type=kind, blob=data)):
            return _unseen(str(uri), kind or "application/octet-stream", data)
        case ResourceLink(name=name, uri=uri, description=description):
            return f"[{name}: {uri}]{f' {description}' if description else ''}"
        case EmbeddedResource():
            return ""
        case _:
            assert_never(block)


def _unseen(what: str, kind: str, data: str) -> str:
    size = len(data) * 3 // 4
    return f"[{what} of {size} bytes, {kind}, which can't be shown here]"
