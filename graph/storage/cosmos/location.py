"""Where a container is, by URL."""

from __future__ import annotations

import re
from base64 import b64decode
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from graph.storage.port import StorageError

FORM = "cosmos://ACCOUNT.documents.azure.com/DATABASE/CONTAINER?key=KEY"
CONTAINER = "cortex-flow"
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_. -]{0,254}")
_PARAMETERS = frozenset({"key", "emulator"})


@dataclass(frozen=True, slots=True)
class Location:
    """A container of an account. `emulator`: it is spoken to without TLS, and not asked how consistent it is."""

    endpoint: str
    database: str
    container: str
    key: str = field(repr=False)
    emulator: bool = False

    @classmethod
    def of(cls, url: str) -> Location:
        """Raises `StorageError`, which never shows the key."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise StorageError(f"the URL can't be read; it has the form {FORM}") from None
        if not host or parts.username is not None or parts.fragment:
            raise StorageError(f"the URL of a Cosmos DB container has the form {FORM}")
        # A key is base64: its plus is a plus, whether it was quoted or not.
        given = dict(parse_qsl(parts.query.replace("+", "%2B"), keep_blank_values=True))
        if unknown := sorted(given.keys() - _PARAMETERS):
            raise StorageError(f"a cosmos:// URL has no parameter {unknown[0]!r:.100}; known: key, emulator")
        if not given.get("key"):
            raise StorageError(f"the URL names no key: {FORM}")
        if not _is_base64(given["key"]):
            raise StorageError("the key of a cosmos:// URL is base64, as the portal shows it")
        emulator = _flag(given.get("emulator", "false"))
        address = f"[{host}]" if ":" in host else host
        scheme, standard = ("http", 8081) if emulator else ("https", 443)
        return cls(f"{scheme}://{address}:{port or standard}/", *_names(parts.path), given["key"], emulator)


def _names(path: str) -> tuple[str, str]:
    names = [unquote(name) for name in path.strip("/").split("/")]
    if len(names) == 1:
        names.append(CONTAINER)
    if len(names) != 2 or not all(map(_NAME.fullmatch, names)):
        raise StorageError(
            "the URL names a database, and after it may name a container, of letters, digits, hyphens, underscores, "
            f"dots and spaces: {FORM}"
        )
    return names[0], names[1]


def _is_base64(key: str) -> bool:
    try:
        return bool(b64decode(key, validate=True))
    except ValueError:
        return False


def _flag(text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise StorageError("the parameter emulator of a cosmos:// URL is true or false")
    return text.lower() == "true"
