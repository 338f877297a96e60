"""`sqlite:///relative/path`, `sqlite:////absolute/path`, `sqlite:///:memory:`: one file, one server, nothing to install.

`location` reads the URL, `lock` and `neighbours` know who else has the file open, `preparation` and `schema` make its tables,
`connections`, `database` and `transaction` lead to them, `checkpointer` empties the write-ahead log; `documents`, `logs`, `names` and
`whole` are what is asked, `faults` has SQLite's errors in the port's words, `storage` is the port.
"""

from graph.storage.sqlite.storage import SqliteStorage

__all__ = ["SqliteStorage"]
