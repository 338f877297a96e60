"""The room that speaks HTTP. To add a dialect, write one folder with a `routes.py` that has a `router`, and name it here.

Nothing is imported before it is needed: `/health` answers while the rest is still loading. What other programs take from
here, to have a server of their own, is loaded when they do.

- Dialects: `chat_completions/`, `assistants/`, `mcp/`; what is no run: `resources/`.
- What all of them take: `given` (from a request), `wire`, `metadata` and `chunking` (what bodies are made of), `ids`, `invalid`
  (the first thing wrong), `json_body`, `form`, `file_references`, `pages`; and answer with: `content`, `sse`, `errors`.
- The application around them: `app`, `api`, `observation`, `cors`, `body`, `auth`, `idempotency` (with `recording`),
  `leaving`, `context`, `service`, `routing`.
- Opened and run: `settings`, `options`, `mcp_config`, `backend`, `team`, `imports`, `server`, `serve`, `fleet`,
  `worker`, `http_server`,
  `protocol`, `mounting`, `logs`, `version`; by `openai_compat_server` or the command: `cli`, `commands`, `terminal/`.
- For programs: `adapter` (on `calls`, `in_process`, `objects`), `blocking`, `types`, `clients/`; without a team
  `thread_manager`, `thread_storage`, `rooms`; what was kept elsewhere: `importing/`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from servers.adapter import OpenAIAdapter
    from servers.backend import StartFailed
    from servers.errors import ApiError
    from servers.mounting import mount, mounted
    from servers.server import OpenAIServer, create_openai_adapter, create_openai_server
    from servers.settings import BadSettings, Settings
    from servers.thread_manager import ThreadManager
    from servers.thread_storage import ThreadStorage, create_thread_storage

DIALECTS: tuple[str, ...] = ("chat_completions", "assistants", "mcp")

_HOMES = {
    "ApiError": "servers.errors",
    "BadSettings": "servers.settings",
    "OpenAIAdapter": "servers.adapter",
    "OpenAIServer": "servers.server",
    "Settings": "servers.settings",
    "StartFailed": "servers.backend",
    "ThreadManager": "servers.thread_manager",
    "ThreadStorage": "servers.thread_storage",
    "create_openai_adapter": "servers.server",
    "create_openai_server": "servers.server",
    "create_thread_storage": "servers.thread_storage",
    "mount": "servers.mounting",
    "mounted": "servers.mounting",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


__all__ = [
    "DIALECTS",
    "ApiError",
    "BadSettings",
    "OpenAIAdapter",
    "OpenAIServer",
    "Settings",
    "StartFailed",
    "ThreadManager",
    "ThreadStorage",
    "create_openai_adapter",
    "create_openai_server",
    "create_thread_storage",
    "mount",
    "mounted",
]
