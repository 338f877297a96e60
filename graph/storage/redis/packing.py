"""A document as one string: a head of fixed size, its parent, label and due, its body. `commit.lua` writes it."""

from __future__ import annotations

from struct import Struct

from graph.storage.port import Document
from graph.storage.redis.keys import decoded

_HEAD = Struct(">QQIIB")  # version, sequence, the lengths of parent, of label plus one (0 = none) and of due
_DUE = Struct(">QI")  # sequence, the length of the tenant; tenant and id follow


def unpacked(id: str, raw: bytes) -> tuple[Document, int | None]:
    """The document and its due."""
    version, sequence, parents, labels, dues = _HEAD.unpack_from(raw)
    label = _HEAD.size + parents
    due = label + max(labels - 1, 0)
    body = due + dues
    document = Document(
        id,
        decoded(raw[_HEAD.size : label]),
        sequence,
        version,
        raw[body:],
        decoded(raw[label:due]) if labels else None,
    )
    return document, int(raw[due:body]) if dues else None


def due_of(member: bytes) -> tuple[str, str]:
    """The tenant and the id of what is due."""
    _, length = _DUE.unpack_from(member)
    end = _DUE.size + length
    return decoded(member[_DUE.size : end]), decoded(member[end:])
