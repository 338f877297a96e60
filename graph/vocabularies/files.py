"""Reading the bundled vocabularies: no network, no cache folder.

A file is gzip over one line of JSON (`name`, `pattern`, `tokens`), then one byte with the length of each token, then
the tokens themselves, in the order of their ranks. `.ci/vocabularies.py` writes it.
"""

from __future__ import annotations

import gzip
import json
from importlib.resources import files
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tiktoken import Encoding


def load(name: str) -> Encoding:
    """The encoding `name`, in 0.1 to 0.3 s. Raises `ImportError` without tiktoken, `FileNotFoundError` without data."""
    from tiktoken import Encoding  # its import costs 50 ms: at the first count, not at start

    pattern, ranks = read(name)
    encoding = Encoding(name, pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    ranks.clear()  # the encoding has its own copy, and keeps this one for pickling alone: 11 to 22 MB
    return encoding


def read(name: str) -> tuple[str, dict[bytes, int]]:
    """The pattern by which text is split into words, and the rank of each token."""
    head, _, body = gzip.decompress((files(__package__) / f"{name}.gz").read_bytes()).partition(b"\n")
    facts = json.loads(head)
    count: int = facts["tokens"]
    places = pairwise(accumulate(body[:count], initial=count))
    return facts["pattern"], {body[start:end]: rank for rank, (start, end) in enumerate(places)}
