"""`sqlite:///relative/path`, `sqlite:////absolute/path`, `sqlite:///:memory:`: one file, one server, nothing to install."""

from graph.storage.sqlite.storage import SqliteStorage

__all__ = ["SqliteStorage"]
