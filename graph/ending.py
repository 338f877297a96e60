"""How a run ends by itself: as its last turn did."""

from __future__ import annotations

from graph import events as ev
from graph.items import Turn


def ending(turn: Turn | None) -> ev.RunCompleted | ev.RunIncomplete:
    """The end of a run whose newest turn this is."""
    match turn.finish if turn else "stop":
        case "length":
            return ev.RunIncomplete("max_completion_tokens")
        case "content_filter":
            return ev.RunIncomplete("content_filter")
        case _:
            return ev.RunCompleted()
