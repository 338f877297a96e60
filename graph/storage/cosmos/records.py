"""What an item holds. Pure values.

y, t, k, i      what it is (document, place, log, part, gone), its tenant, kind and id (a log: its name)
s, d, l         sequence, due and labels, for queries: of what is and of what may soon be
now             what it is worth (an image), null = nothing
next            what it may soon be worth: {commit, first: [partition, id], image}
mark            the commit whose first item this is, and the others that it locked: {commit, items: [[partition, id]]}
grave           it was put here to stop a commit, and must never be absent again
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graph.storage.cosmos.account import Item, Key

Image = Mapping[str, Any]
Fields = Mapping[str, Any]

DOCUMENT, PLACE, LOG, PART, GONE = "document", "place", "log", "part", "gone"
_KEPT = ("t", "k", "i")
_TELLING = (("version", DOCUMENT), ("length", LOG), ("at", PLACE))


def record(head: Fields, now: Image | None, *, next: Fields | None = None, mark: Fields | None = None) -> Fields:
    """The fields of an item. `head` says what it is, and may be another record of it."""
    images = [image for image in (now, next and next["image"]) if image is not None]
    fields: dict[str, Any] = {"y": _what(images), "now": now}
    fields |= {name: head[name] for name in _KEPT if name in head}
    for name, value in (("s", _sequence(images)), ("d", _due(images)), ("l", _labels(images))):
        if value is not None:
            fields[name] = value
    if next is not None:
        fields["next"] = next
    if mark is not None:
        fields["mark"] = mark
    if head.get("grave"):
        fields["grave"] = True
    return fields


def unlocked(item: Item, image: Image | None) -> Fields:
    """The item without its lock, worth this. What it was first of stays told."""
    return record(item.fields, image, mark=item.fields.get("mark"))


def lock(commit: str, first: Key, image: Image | None) -> Fields:
    return {"commit": commit, "first": list(first), "image": image}


def mark(commit: str, others: Sequence[Key]) -> Fields:
    return {"commit": commit, "items": [list(key) for key in others]}


def first_of(item: Item) -> Key:
    """The first item of the commit that has locked this one."""
    partition, id = item.fields["next"]["first"]
    return partition, id


def locked_by(item: Item | None) -> str | None:
    """The commit that has locked it."""
    return item.fields["next"]["commit"] if item is not None and item.fields.get("next") else None


def marked_by(item: Item | None) -> str | None:
    """The commit, done, whose first item it is."""
    return item.fields["mark"]["commit"] if item is not None and item.fields.get("mark") else None


def others_of(item: Item) -> list[Key]:
    """The items that the commit of its mark locked."""
    return [(partition, id) for partition, id in item.fields["mark"]["items"]]


def now(item: Item | None) -> Image | None:
    """What it is worth, as long as its lock is nobody's success."""
    image: Image | None = item.fields.get("now") if item is not None else None
    return image


def _what(images: Sequence[Image]) -> str:
    return next((what for name, what in _TELLING if any(name in image for image in images)), GONE)


def _sequence(images: Sequence[Image]) -> int | None:
    return next((image["sequence"] for image in images if "sequence" in image), None)


def _due(images: Sequence[Image]) -> int | None:
    return min((image["due"] for image in images if image.get("due") is not None), default=None)


def _labels(images: Sequence[Image]) -> list[str] | None:
    return [image["label"] for image in images if image.get("label") is not None] or None
