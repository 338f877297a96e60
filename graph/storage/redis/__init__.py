"""`redis://host:6379/0` and `rediss://`: one Redis for many processes, plain 6.2 or newer, no modules."""

from graph.storage.redis.storage import RedisStorage

__all__ = ["RedisStorage"]
