"""Keeps pages that a model asks for on the public web: no address of the host, of its network or of its cloud.

An address is looked at twice. `check` reads it as it is written and says at once what is wrong. The sockets are made
here too, and each is made for one IP address, which is looked at then: after the name was resolved, and whatever leads
there, a redirect or a name that means something else the second time.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from agents.tools.pages import MAX_CHARACTERS
from agents.tools.web.addresses import is_public
from agents.tools.web.resolver import Resolver

PORTS: Final = (80, 443)

_NUMBER = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")
_DOTTED = re.compile(r"(?:0|[1-9][0-9]{0,2})(?:\.(?:0|[1-9][0-9]{0,2})){3}")


class Blocked(OSError):
    """An address that must not be asked. The message is a sentence for the model.

    An `OSError`, because the sockets of a connection may fail with no other.
    """


class Guard:
    """The rule. `exempt` names addresses by IP and port that are asked all the same; `resolver` says what names mean, and
    is not trusted."""

    def __init__(self, exempt: Iterable[tuple[str, int]] = (), resolver: AbstractResolver | None = None) -> None:
        self._exempt = frozenset(exempt)
        self._resolver = resolver or Resolver()

    def check(self, address: str) -> URL:
        """The address as it will be asked, without its fragment. Raises `Blocked`."""
        url = _parsed(address)
        if url.scheme not in ("http", "https"):
            raise Blocked("Only addresses that begin with http:// or https:// can be read.")
        if url.user is not None or url.password is not None:
            raise Blocked("An address with a user name or a password in it is not read.")
        host, port = (url.raw_host or "").rstrip("."), url.port or 0
        if not host:
            raise Blocked("The address has no host.")
        if _NUMBER.fullmatch(host.rpartition(".")[2]) and not _DOTTED.fullmatch(host):
            raise Blocked("An IP address has to be written as four decimal numbers.")
        self._check_port(port)
        if _is_literal(host):
            self._check_ip(host, port)
        return url.with_fragment(None)

    def connector(self) -> aiohttp.TCPConnector:
        """A connector whose sockets lead nowhere else. Raises `Blocked` when it connects, as the cause of aiohttp's error."""
        return aiohttp.TCPConnector(
            resolver=self._resolver,
            use_dns_cache=False,
            socket_factory=self._socket,
            limit=64,
            limit_per_host=8,
            keepalive_timeout=5,
        )

    def _socket(self, info: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = info
        self._check_ip(str(address[0]), int(address[1]))
        return socket.socket(family, kind, protocol)

    def _check_ip(self, ip: str, port: int) -> None:
        if (ip, port) in self._exempt:
            return
        if not is_public(ip):
            raise Blocked("The address leads into a private or reserved network, which is not read.")
        if port not in PORTS:
            raise Blocked(_OTHER_PORT)

    def _check_port(self, port: int) -> None:
        if port not in PORTS and all(port != exempt for _, exempt in self._exempt):
            raise Blocked(_OTHER_PORT)


_OTHER_PORT = "Only the ports 80 and 443 are read."


def _parsed(address: str) -> URL:
    address = address.strip()
    if len(address) > MAX_CHARACTERS:
        raise Blocked(f"The address is longer than {MAX_CHARACTERS} characters.")
    if not address.isprintable():
        raise Blocked("The address has control characters in it.")
    try:
        return URL(address)
    except ValueError:
        raise Blocked("This is no address of a web page.") from None


def _is_literal(host: str) -> bool:
    return ":" in host or _DOTTED.fullmatch(host) is not None
