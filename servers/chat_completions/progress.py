"""The agents' work as one readable text, for clients that show how an answer comes about."""

from __future__ import annotations


class Progress:
    """Lets one agent speak at a time. What others say meanwhile is held back until it has finished.

    Each method returns what may be shown now, with a heading wherever the speaker changes.
    """

    def __init__(self) -> None:
        self._speaker: str | None = None
        self._last: str | None = None
        self._held: dict[str, list[str]] = {}
        self._names: dict[str, str] = {}
        self._finished: set[str] = set()

    def started(self, speaker: str, agent: str, task: str) -> str:
        """An agent was given a task."""
        return self.said(speaker, agent, f"{task}\n\n")

    def said(self, speaker: str, agent: str, text: str) -> str:
        """An agent said something; `speaker` tells apart two assignments of one agent."""
        self._names[speaker] = agent
        if self._speaker is None:
            self._speaker = speaker
        if self._speaker != speaker:
            self._held.setdefault(speaker, []).append(text)
            return ""
        return self._headed(speaker, text)

    def finished(self, speaker: str) -> str:
        """An agent has finished: the next ones have their turn."""
        if speaker in self._held:
            self._finished.add(speaker)
        if speaker != self._speaker:
            return ""
        self._speaker = None
        return "".join(self._next())

    def _next(self) -> list[str]:
        shown = []
        while self._held and self._speaker is None:
            speaker = next(iter(self._held))
            shown.append(self._headed(speaker, "".join(self._held.pop(speaker))))
            if speaker in self._finished:
                self._finished.discard(speaker)
            else:
                self._speaker = speaker
        return shown

    def _headed(self, speaker: str, text: str) -> str:
        if speaker == self._last:
            return text
        before, self._last = self._last, speaker
        return f"{'' if before is None else chr(10) * 2}**{self._names[speaker]}**\n\n{text}"
