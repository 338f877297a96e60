"""What a provider is: a way to open models, and the settings it may need."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from agents.models.port import Model, ModelError

OPENAI_BASE_URL = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """How to reach providers. Times are seconds.

    - `silence_timeout`: the longest wait for the first byte of a streamed answer, and between two reads.
    - `answer_timeout`: the longest wait for an answer that comes in one piece, silent until it is there.
    - `retries`: how often a call is tried again before its first piece; `backoff`: the first wait is random up to it,
      and it doubles from try to try.
    """

    openai_api_key: str | None = field(default=None, repr=False)
    openai_base_url: str = OPENAI_BASE_URL
    openai_organization: str | None = None
    connect_timeout: float = 10.0
    silence_timeout: float = 60.0
    answer_timeout: float = 600.0
    retries: int = 3
    backoff: float = 0.25


class Provider(Protocol):
    """A way to open models. `open` raises `ModelNotConfigured`; `close` ends what its models share."""

    def open(self, model: str) -> Model: ...

    async def close(self) -> None: ...


class ModelNotConfigured(ModelError):
    """There is no such model here: `message` says what to install or which variable to set."""
