"""What is kept and can be read and changed without an engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graph.assistants import Assistants
    from graph.files import Files
    from graph.storage.port import Storage
    from graph.threads import Threads
    from graph.vector_stores.stores import VectorStores


@dataclass(frozen=True, slots=True)
class Rooms:
    """The kept things of a storage that is open. Who works there may be another process: what it changes is seen here."""

    storage: Storage
    assistants: Assistants
    threads: Threads
    files: Files
    stores: VectorStores


def rooms(storage: Storage, token_model: str) -> Rooms:
    """The rooms of a storage. `token_model` is whose tokens messages are counted in."""
    from graph.assistants import Assistants
    from graph.conversations import Conversations
    from graph.files import Files
    from graph.recorder import Stores
    from graph.runs import Runs
    from graph.threads import Threads
    from graph.tokens import open_tokenizer
    from graph.vector_stores.stores import VectorStores

    conversations = Conversations(storage, open_tokenizer(token_model), ttl_hours=0)
    threads = Threads(Stores(storage, conversations, Runs(storage, conversations)))
    return Rooms(storage, Assistants(storage), threads, Files(storage), VectorStores(storage))
