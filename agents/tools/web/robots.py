"""robots.txt as RFC 9309 describes it: what a site asks programs not to read.

The standard library's reader knows no wildcards and takes the first rule instead of the longest; matching here takes
time in proportion to the length of a rule and a path, whatever they hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

MAX_BYTES: Final = 500 * 1024  # what of a file has to be read, by the RFC

_ASCII = "".join(map(chr, range(0x21, 0x7F)))
_ESCAPE = re.compile("%([0-9a-fA-F]{2})")
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")
_PRODUCT = re.compile(r"[A-Za-z_-]+")


@dataclass(frozen=True, slots=True)
class Rule:
    """One line: paths that fit `pattern` may be read, or may not."""

    pattern: str
    allows: bool


@dataclass(frozen=True, slots=True)
class Rules:
    """What a site asks of one program."""

    rules: tuple[Rule, ...] = ()

    def allow(self, path: str) -> bool:
        """Whether a path with its query may be read: the longest rule that fits says so, and `Allow` among equals."""
        path = _normal(path)
        fitting = (rule for rule in self.rules if _fits(rule.pattern, path))
        best = max(fitting, key=lambda rule: (len(rule.pattern), rule.allows), default=None)
        return best is None or best.allows


def read(body: bytes, product: str) -> Rules:
    """The rules for a program by the name of its product: those of its own groups, else those for everybody."""
    own: list[Rule] = []
    everybody: list[Rule] = []
    named = False
    for agents, rules in _groups(body[:MAX_BYTES].decode("utf-8", "replace")):
        if product.lower() in agents:
            named = True
            own += rules
        elif "*" in agents:
            everybody += rules
    return Rules(tuple(own if named else everybody))


def _groups(text: str) -> Iterator[tuple[set[str], list[Rule]]]:
    """Programs and their rules. A group begins with the first of several `User-agent` lines."""
    agents: set[str] = set()
    rules: list[Rule] = []
    begun = False
    for key, value in _lines(text):
        if key == "user-agent":
            if begun:
                yield agents, rules
                agents, rules, begun = set(), [], False
            agents.add(_product(value))
        elif key in ("allow", "disallow"):
            begun = True
            if value.startswith(("/", "*")):
                rules.append(Rule(_normal(value), key == "allow"))
    if agents:
        yield agents, rules


def _lines(text: str) -> Iterator[tuple[str, str]]:
    for line in text.removeprefix("\ufeff").splitlines():
        key, colon, value = line.partition("#")[0].partition(":")
        if colon:
            yield key.strip().lower(), value.strip()


def _product(value: str) -> str:
    """The name in `CortexFlow/1.0`; `*` is everybody."""
    match = _PRODUCT.match(value)
    return match[0].lower() if match else value


def _normal(path: str) -> str:
    """A path or pattern with what is escaped written in one way."""
    return _ESCAPE.sub(_escape, quote(path, safe=_ASCII))


def _escape(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return character if _UNRESERVED.fullmatch(character) else match[0].upper()


def _fits(pattern: str, path: str) -> bool:
    """`*` stands for anything, and `$` at the end for the end."""
    first, *rest = pattern.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    place = len(first)
    last = rest.pop() if rest and pattern.endswith("$") else None
    for part in rest:
        found = path.find(part, place)
        if found < 0:
            return False
        place = found + len(part)
    if not pattern.endswith("$"):
        return True
    return place == len(path) if last is None else path.endswith(last) and len(path) - len(last) >= place
