"""`cosmos://ACCOUNT.documents.azure.com/DATABASE/CONTAINER?key=KEY`: Azure Cosmos DB, for many processes, by its NoSQL API.

`location` reads the URL, `account` speaks to the container, `names` says where what stands in it; `plans` and `commits` make a
commit of many items one, `records` are its items, `bodies` what is larger than one of them, `logs` their entries; `storage` is
the port.
"""

from graph.storage.cosmos.storage import CosmosStorage

__all__ = ["CosmosStorage"]
