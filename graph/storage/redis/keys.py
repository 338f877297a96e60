"""The names of keys. All of a store begin with its prefix and a letter that says what they are:

    prefix:schema                                 the schema version
    prefix:sequence                               the newest document's sequence
    prefix:d:tenant:kind:id                       a document (`packing`)
    prefix:k:tenant:kind                          ids of a kind, by sequence
    prefix:p:tenant:kind:parent                   ids under a parent, by sequence
    prefix:l:tenant:kind:label                    ids with a label, by sequence
    prefix:b:tenant:kind:length:parent:label      ids with both, by sequence; the parent's length in bytes
    prefix:u:kind                                 documents of all tenants that have a `due`, by it
    prefix:e:tenant:log                           a log, and the channel that says that it has grown

Any text may be a name: what is not the last part has its colons escaped. `commit.lua` makes the same names.
"""

from __future__ import annotations

from collections.abc import Callable


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def decoded(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogatepass")


def part(text: str) -> bytes:
    """A name that others may follow."""
    return encoded(text).replace(b"%", b"%25").replace(b":", b"%3A")


def unpart(raw: bytes) -> str:
    return decoded(raw.replace(b"%3A", b":").replace(b"%25", b"%"))


class Keys:
    """The keys of one store."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix.encode() + b":"
        self.schema = self.prefix + b"schema"
        self.sequence = self.prefix + b"sequence"

    def shelf(self, tenant: str, kind: str) -> bytes:
        """What the keys of all documents of a kind begin with; an id follows."""
        return b"%bd:%b:%b:" % (self.prefix, part(tenant), part(kind))

    def index(self, tenant: str, kind: str, parent: str | None, label: str | None) -> bytes:
        """The ids that a query looks through."""
        letter = (
            b"k" if parent is None and label is None else b"p" if label is None else b"l" if parent is None else b"b"
        )
        base = b"%b%b:%b:%b" % (self.prefix, letter, part(tenant), part(kind))
        if label is None:
            return base if parent is None else b"%b:%b" % (base, encoded(parent))
        if parent is None:
            return b"%b:%b" % (base, encoded(label))
        return b"%b:%d:%b:%b" % (base, len(encoded(parent)), encoded(parent), encoded(label))

    def due(self, kind: str) -> bytes:
        return b"%bu:%b" % (self.prefix, part(kind))

    def log(self, tenant: str, log: str) -> bytes:
        return b"%be:%b:%b" % (self.prefix, part(tenant), encoded(log))

    def log_of(self, key: bytes) -> tuple[str, str]:
        """The tenant and the name of a log."""
        return self._split(key, decoded)

    def shelf_of(self, key: bytes) -> tuple[str, str]:
        """The tenant and the kind of the index of a kind."""
        return self._split(key, unpart)

    def _split(self, key: bytes, last: Callable[[bytes], str]) -> tuple[str, str]:
        tenant, _, rest = key[len(self.prefix) + 2 :].partition(b":")
        return unpart(tenant), last(rest)
