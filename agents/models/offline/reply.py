"""What the offline model may answer with, and what it says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ABOUT = (
    "I am Cortex Flow's offline demonstrator: I quote the library, compute, and put findings together, but I have no "
    "knowledge of my own. Set LLM_MODEL to connect a real model, for example LLM_MODEL=openai:gpt-4o with "
    "OPENAI_API_KEY."
)


NOTHING_FOUND = "The library has nothing on "
NOTHING_TO_ANALYSE = "There is nothing to analyse: the request has no figures, and there are no findings to compare."


def is_empty_handed(report: str) -> bool:
    """Whether a report of the offline model says that there was nothing to report."""
    return not report.strip() or report.startswith((NOTHING_FOUND, NOTHING_TO_ANALYSE))


@dataclass(frozen=True, slots=True)
class Say:
    """An answer in words."""

    text: str


@dataclass(frozen=True, slots=True)
class Use:
    """A tool to be called."""

    name: str
    arguments: Mapping[str, Any]


Reply = Say | tuple[Use, ...]
