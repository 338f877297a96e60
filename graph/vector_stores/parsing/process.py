"""The process that reads clients' files, which may be made to do harm: it may die of them. Started by `parsing.reader`.

Takes one JSON object per line: `path`, `name`, `size`, `overlap`. Answers each with lines: a chunk each, as `start`, `end`,
`head`, `text`, and at last `{"end": null}`, or `{"end": {"code", "message"}}` where the file can't be read.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from graph.tokens import Tokenizer, open_tokenizer
from graph.vector_stores.parsing.formats import Section, Unreadable, sections
from graph.vector_stores.parsing.splitting import split
from graph.vector_stores.values import Chunking

_BETWEEN: Final = 2  # characters between two sections


def main(token_model: str, memory: int) -> None:
    _limit(memory)
    logging.disable()
    tokenizer = open_tokenizer(token_model)
    for line in sys.stdin:
        asked = json.loads(line)
        _write({"end": _read(asked, tokenizer)})


def _limit(memory: int) -> None:
    """Where the system can: so much memory, and no core is dumped."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def _read(asked: dict[str, Any], tokenizer: Tokenizer) -> dict[str, str] | None:
    try:
        chunking = Chunking(asked["size"], asked["overlap"])
        for chunk in _chunks(sections(Path(asked["path"]), asked["name"]), tokenizer, chunking):
            _write(chunk)
    except Unreadable as error:
        return {"code": error.code, "message": error.message}
    except MemoryError:
        raise  # there is no going on
    except Exception as error:
        return {"code": "invalid_file", "message": f"The file is broken: {type(error).__name__}: {error!s:.200}"}
    return None


def _chunks(parts: list[Section], tokenizer: Tokenizer, chunking: Chunking) -> Iterator[dict[str, Any]]:
    place = 0
    for section in parts:
        head, taken = _head(section, tokenizer, chunking)
        own = Chunking(chunking.size - taken, min(chunking.overlap, (chunking.size - taken) // 2))
        for start, end in split(section.text, tokenizer.count, own if taken else chunking):
            before = head if start else ""
            text = f"{before}{section.text[start:end]}"
            yield {"start": place + start, "end": place + end, "head": len(before), "text": text}
        place += len(section.text) + _BETWEEN


def _head(section: Section, tokenizer: Tokenizer, chunking: Chunking) -> tuple[str, int]:
    """What stands before every piece of a section but the first, and its tokens; nothing where that would be much."""
    if not section.head:
        return "", 0
    head = f"{section.head}\n"
    tokens = tokenizer.count(head) if len(head) <= chunking.size else chunking.size
    return (head, tokens) if tokens * 4 <= chunking.size else ("", 0)


def _write(value: Any) -> None:
    sys.stdout.write(json.dumps(value))
    sys.stdout.write("\n")
    sys.stdout.flush()
