"""The offline model: no key, no network, the same answer every time, and it really works the team."""

from agents.models.offline.model import OfflineModel

__all__ = ["OfflineModel"]
