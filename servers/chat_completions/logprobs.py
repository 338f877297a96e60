"""`choices[].logprobs`: the answer's tokens, and what could have stood in their place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from agents.models.port import TokenLogprob, TopLogprob
from graph.items import Message
from graph.run import Run


def logprobs(tokens: Iterable[TokenLogprob]) -> dict[str, Any] | None:
    """As OpenAI writes them; None where there are none."""
    content = [{**_token(token), "top_logprobs": [_token(top) for top in token.top_logprobs]} for token in tokens]
    return {"content": content, "refusal": None} if content else None


def tokens_of(run: Run, first_item: int = 0) -> list[TokenLogprob]:
    """The tokens of all that a leg has said."""
    return [token for item in run.items[first_item:] if isinstance(item, Message) for token in item.logprobs]


def _token(token: TopLogprob) -> dict[str, Any]:
    return {
        "token": token.token,
        "logprob": token.logprob,
        "bytes": None if token.utf8 is None else list(token.utf8),
    }
