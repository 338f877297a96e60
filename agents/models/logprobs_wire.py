"""The probabilities of tokens, as OpenAI's chat wire tells them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from agents.models.port import TokenLogprob, TopLogprob


def decode_logprobs(logprobs: Mapping[str, Any], said: Mapping[str, Any]) -> Sequence[TokenLogprob]:
    """The tokens of the answer among those of a delta or a message. Some servers count the reasoning's among them: where
    there is some, only tokens that spell the text are the answer's."""
    tokens = [_token(each) for each in logprobs.get("content") or ()]
    if not (said.get("reasoning_content") or said.get("reasoning")):
        return tokens
    return _spelling(tokens, said.get("content"))


def _token(entry: Mapping[str, Any]) -> TokenLogprob:
    alternatives = tuple(TopLogprob(*_of(each)) for each in entry.get("top_logprobs") or ())
    return TokenLogprob(*_of(entry), alternatives)


def _of(entry: Mapping[str, Any]) -> tuple[str, float, bytes | None]:
    spelled = entry.get("bytes")
    return str(entry["token"]), float(entry["logprob"]), None if spelled is None else bytes([*spelled])


def _spelling(tokens: Sequence[TokenLogprob], text: object) -> Sequence[TokenLogprob]:
    """The last row of tokens that spells this text; none where there is no such row."""
    if not isinstance(text, str) or not text:
        return ()
    wanted, spelled = text.encode(), [token.spelled for token in tokens]
    start = b"".join(spelled).rfind(wanted)
    if start < 0:
        return ()
    ends = accumulate(map(len, spelled))
    return [
        token
        for token, end in zip(tokens, ends, strict=True)
        if start <= end - len(token.spelled) and end <= start + len(wanted)
    ]
