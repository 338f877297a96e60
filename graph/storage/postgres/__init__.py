"""`postgresql://user:password@host:5432/database?schema=public&table=cortex_flow`: for many servers, on a database that is there.

`place` reads the URL, `schema` has the tables and the procedure by which everything is written, `connections` the pool,
`listener` the one connection that hears of what others append, `documents` and `logs` what is asked, `writes` how a commit
is sent, `faults` the driver's errors in the port's words, `storage` the port.
"""

from graph.storage.postgres.storage import PostgresStorage

__all__ = ["PostgresStorage"]
