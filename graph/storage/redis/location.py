"""What a `redis://` URL says: where the server is, and how this store lives in it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from graph.storage.port import StorageError

DEFAULT_PREFIX = "cortex-flow"
SHORTEST_LIFETIME = 60
PATIENCE_SECONDS = 10.0

_PREFIX = re.compile(r"[A-Za-z0-9._-]{1,64}")  # no colon: one store's keys can't begin like another's
_OF_THE_DRIVER = frozenset(
    {
        "client_name",
        "db",
        "health_check_interval",
        "max_connections",
        "socket_connect_timeout",
        "socket_keepalive",
    }
)
_OURS = frozenset({"prefix", "socket_timeout", "ttl"})
_OF_TLS = frozenset(
    {"ssl_ca_certs", "ssl_ca_path", "ssl_cert_reqs", "ssl_certfile", "ssl_check_hostname", "ssl_keyfile"}
)


@dataclass(frozen=True, slots=True)
class Location:
    """`url` is for the driver, and may hold a password; `name` is for messages."""

    url: str = field(repr=False)
    name: str
    prefix: str
    lifetime: int
    patience: float  # seconds that an answer may take

    @classmethod
    def of(cls, url: str) -> Location:
        """Raises `StorageError` for what can't be read. `prefix`, `ttl` and `socket_timeout` are ours, some parameters are the
        driver's."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "localhost", parts.port or 6379
        except ValueError:
            raise StorageError("the port of a Redis URL is a number: redis://user:password@host:6379/0") from None
        options = _options(parts.query, tls=parts.scheme == "rediss")
        prefix, lifetime = _prefix(options.pop("prefix", "")), _lifetime(options.pop("ttl", ""))
        patience = _patience(options.pop("socket_timeout", ""))
        database = parts.path.strip("/") or options.get("db", "0")
        if not re.fullmatch(r"[0-9]{1,9}", database) or parts.fragment:
            raise StorageError("a Redis URL ends in the number of a database: redis://user:password@host:6379/0")
        return cls(
            urlunsplit(parts._replace(query=urlencode(options))),
            f"{parts.scheme}://{host}:{port}/{int(database)}",
            prefix,
            lifetime,
            patience,
        )


def _options(query: str, *, tls: bool) -> dict[str, str]:
    given = parse_qsl(query, keep_blank_values=True)
    options = dict(given)
    if len(options) < len(given):
        raise StorageError("a parameter stands twice in the Redis URL")
    for name in sorted(options.keys() - _OF_THE_DRIVER - _OURS):
        if name not in _OF_TLS:
            known = ", ".join(sorted(_OURS | _OF_THE_DRIVER | _OF_TLS))
            raise StorageError(f"the Redis URL has a parameter {name!r:.40} that is not known here; known: {known}")
        if not tls:
            raise StorageError(f"the parameter {name} of the Redis URL is for rediss://")
    return options


def _prefix(given: str) -> str:
    prefix = given or DEFAULT_PREFIX
    if not _PREFIX.fullmatch(prefix):
        raise StorageError(f"the prefix {prefix!r:.80} of the Redis URL can't be used: 1 to 64 of A-Z a-z 0-9 . _ -")
    return prefix


def _lifetime(given: str) -> int:
    if not re.fullmatch(r"[0-9]{0,10}", given) or 0 < int(given or 0) < SHORTEST_LIFETIME:
        raise StorageError(
            f"the ttl {given!r:.40} of the Redis URL can't be used: whole seconds, {SHORTEST_LIFETIME} or more, 0 = for ever"
        )
    return int(given or 0)


def _patience(given: str) -> float:
    if not re.fullmatch(r"(?:[0-9]{1,6}(?:\.[0-9]{1,3})?)?", given) or (given and not float(given)):
        raise StorageError(
            f"the socket_timeout {given!r:.40} of the Redis URL can't be used: seconds, such as 10 or 2.5"
        )
    return float(given or PATIENCE_SECONDS)
