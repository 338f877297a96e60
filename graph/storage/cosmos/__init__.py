"""Azure Cosmos DB, by its NoSQL API. `account` speaks to it, `commits` makes a commit of many items one, `storage` is
the port over both."""

from graph.storage.cosmos.storage import CosmosStorage

__all__ = ["CosmosStorage"]
