"""JSON schemas of clients, and documents of models against them.

Both come from outside, and a few hundred bytes of schema can take hours or gigabytes (docs/decisions/0016). So what is
*plain*, its cost bounded by its size, is checked here, in microseconds; everything else in a process of its own
(`graph.json_schema_process`), with limits on its time and memory, and so is what is wrong with a document, in words.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

if TYPE_CHECKING:
    from jsonschema_rs import Validator

LONGEST: Final = 256 * 1024  # bytes of a schema
_PLAIN_NODES: Final = 1000
_PLAIN_DEPTH: Final = 64
_PLAIN_PATTERNS: Final = 10
_PLAIN_WORK: Final = 5_000_000  # nodes of the schema times characters of the document
_REGEX_SIZE: Final = 256 * 1024
_SECONDS: Final = 10.0  # the process ends by itself before, where the system can limit its time
_PROCESSES: Final = 2
_PROCESS: Final = Path(__file__).with_name("json_schema_process.py")
_REMEMBERED: Final = 64
_NOT_PLAIN: Final = frozenset({"$dynamicRef", "$recursiveRef", "$id", "id", "$anchor", "$dynamicAnchor"})


class Plain(NamedTuple):
    """A schema ready for use, and its size with all references resolved."""

    validator: Validator
    nodes: int


class Verdict(NamedTuple):
    """What the process says: why the schema is of no use, whether the document fits, and if not, why."""

    fault: str | None
    fits: bool
    mistakes: str


class Schemas:
    """Checks schemas and documents. Belongs to one event loop."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(_PROCESSES)
        self._read: dict[bytes, Plain | None] = {}

    async def fault(self, schema: Mapping[str, Any]) -> str | None:
        """Why a schema is of no use, in a sentence; None = it can be followed."""
        try:
            body = orjson.dumps(schema)
        except orjson.JSONEncodeError as error:
            return f"it can't be written as JSON: {error}."
        if len(body) > LONGEST:
            return f"it has {len(body)} bytes, the maximum is {LONGEST}."
        if await self._plain(body) is not None:
            return None
        return (await self._ask(schema, None)).fault

    async def mistake(self, schema: Mapping[str, Any], text: str, value: Any) -> str | None:
        """What is wrong with a document, which is given as text and as value; None = it follows the schema."""
        plain = await self._plain(orjson.dumps(schema))
        if plain and plain.nodes * len(text) <= _PLAIN_WORK and plain.validator.is_valid(value):
            return None
        verdict = await self._ask(schema, text)
        return None if verdict.fits else f"It does not follow the JSON schema. {verdict.mistakes}".strip()

    async def _plain(self, body: bytes) -> Plain | None:
        """The schema, if it is plain and makes sense. A new one is read in a thread, and the library loaded there."""
        if body not in self._read:
            read = await asyncio.to_thread(_compiled, body)
            while len(self._read) >= _REMEMBERED:
                del self._read[next(iter(self._read))]
            self._read[body] = read
        return self._read[body]

    async def _ask(self, schema: Mapping[str, Any], text: str | None) -> Verdict:
        """Let the process decide. Where it comes to no end, the schema is at fault."""
        asked = orjson.dumps({"schema": schema, "document": text, "regex_size": _REGEX_SIZE})
        async with self._free:
            lines = await _run(asked)
        if not lines:
            return Verdict("it takes too much time or memory to follow.", False, "It is too intricate to be checked.")
        first = orjson.loads(lines[0])
        mistakes = orjson.loads(lines[1]) if len(lines) > 1 else []
        return Verdict(first["fault"], first["fits"], " ".join(mistakes))


async def _run(asked: bytes) -> list[bytes]:
    """The lines that the process has written before it ended, however it did."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        str(_PROCESS),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(_SECONDS):
            out, _ = await process.communicate(asked)
    except TimeoutError:
        return []
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return [line for line in out.split(b"\n") if line.endswith((b"}", b"]"))]


def _compiled(body: bytes) -> Plain | None:
    schema = orjson.loads(body)
    try:
        nodes = _Measure(schema).nodes(schema)
    except _NotPlain:
        return None
    from jsonschema_rs import RegexOptions, validator_for

    options = RegexOptions(size_limit=_REGEX_SIZE, dfa_size_limit=_REGEX_SIZE)  # linear, whatever the text
    try:
        return Plain(validator_for(schema, validate_formats=False, pattern_options=options, offline=True), nodes)
    except ValueError:  # the process understands more, or says what is wrong
        return None


class _NotPlain(Exception):
    """A schema whose cost is not seen from its size."""


class _Measure:
    """Counts a schema's nodes with all references resolved, and gives up where there are many, or no end of them."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._nodes = self._patterns = 0

    def nodes(self, schema: Any) -> int:
        """Raises `_NotPlain`."""
        self._count(schema, 0)
        return self._nodes

    def _count(self, node: Any, depth: int) -> None:
        self._nodes += 1
        if self._nodes > _PLAIN_NODES or depth > _PLAIN_DEPTH:
            raise _NotPlain
        if isinstance(node, list):
            for part in node:
                self._count(part, depth + 1)
        elif isinstance(node, dict):
            self._count_keys(node)
            for part in node.values():
                self._count(part, depth + 1)
            if isinstance(reference := node.get("$ref"), str):
                self._count(self._referred(reference), depth + 1)

    def _count_keys(self, node: dict[str, Any]) -> None:
        if any(isinstance(node.get(key), str) for key in _NOT_PLAIN):
            raise _NotPlain
        properties = node.get("patternProperties")
        self._patterns += isinstance(node.get("pattern"), str) + len(properties if isinstance(properties, dict) else ())
        if self._patterns > _PLAIN_PATTERNS:
            raise _NotPlain

    def _referred(self, reference: str) -> Any:
        """The part of the schema that a reference names, if it is one by `$defs` and keys alone."""
        found = self._root
        if not reference.startswith("#") or "%" in reference or "~" in reference:
            raise _NotPlain
        for key in filter(None, reference[1:].split("/")):
            if not isinstance(found, dict) or key not in found:
                raise _NotPlain
            found = found[key]
        return found
