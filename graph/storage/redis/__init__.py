"""`redis://host:6379/0` and `rediss://`: one Redis for many processes, plain 6.2 or newer, no modules.

`location` reads the URL, `client` sends commands and scripts (`commit.lua`, `query.lua`), `preparation` looks at the server when
it is opened, `listener` is the one connection that hears of what others append, `keys` and `packing` say what stands where and how,
`faults` has Redis' errors in the port's words, `storage` is the port.
"""

from graph.storage.redis.storage import RedisStorage

__all__ = ["RedisStorage"]
