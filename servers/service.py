"""What the routes stand on. It is opened once per process and handed to the application."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import Request

from servers.routing import Routing
from servers.settings import Settings

if TYPE_CHECKING:
    from agents.models import Models
    from graph.assistants import Assistants
    from graph.completions import Completions
    from graph.engine import Engine
    from graph.files import Files
    from graph.repeats import Repeats
    from graph.tokens import Tokenizer
    from graph.uploads import Uploads
    from graph.vector_stores.knowledge import Knowledge
    from servers.mcp.host import Host


@dataclass(frozen=True, slots=True)
class Service:
    """The engine and its neighbours, as routes use them."""

    settings: Settings
    engine: Engine
    models: Models
    tokenizer: Tokenizer
    routing: Routing
    completions: Completions
    assistants: Assistants
    files: Files
    uploads: Uploads
    knowledge: Knowledge
    mcp: Host
    repeats: Repeats


def service_of(request: Request) -> Service:
    """The service behind a request."""
    service: Service = request.app.state.service
    return service
