"""The options of a server in code: the settings, by field name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypedDict


class Options(TypedDict, total=False):
    """What `servers.settings.Settings` says of each holds here too, with its defaults; what is left out keeps its default.

    - `host` 127.0.0.1, `port` 8001 (0: the system chooses one); `allow_anonymous`: listen beyond loopback without keys.
    - `api_keys`: each `key` or `tenant:key`. None: everybody may call.
    - `cors_origins`: page origins, `True` for all of them (as is the default), `False` for none.
    - `model_aliases`: names or globs that clients may use, and what each stands for; the first that matches wins.
    - `search_provider`: where agents search besides the library; with one, they can read pages too.
    - `sandbox`: where programs that a model wrote are run; `sandbox_python`: the interpreter
      that `bubblewrap` takes; `sandbox_cache`: where `wasi` keeps its compiled one.
    - `mcp_config`: the path of a file that describes MCP servers; `mcp_enabled`: the team is one itself, at `/mcp`.
    - `llm_model`, `supervisor_model` and so on, `openai_api_key`, `openai_base_url` and the keys for searches come from the
      environment when they are left out. Nothing else does.
    """

    host: str
    port: int
    api_keys: str | Iterable[str]
    allow_anonymous: bool
    cors_origins: str | Iterable[str] | bool
    cors_methods: str | Iterable[str]
    model_name: str
    model_aliases: str | Mapping[str, str]
    max_context_tokens: int
    token_model: str
    llm_model: str
    supervisor_model: str
    researcher_model: str
    analyst_model: str
    writer_model: str
    openai_api_key: str
    openai_base_url: str
    storage_url: str
    blob_url: str
    anonymous_ttl_hours: float
    stream_retention: float
    max_iterations: int
    run_timeout: float
    agent_timeout: float
    max_concurrent_runs: int
    max_runs_of_tenant: int
    max_queued_runs: int
    drain_seconds: float
    runtime_url: str
    worker: bool
    stream_progress: bool
    library_path: str | Path
    search_provider: str
    tavily_api_key: str
    brave_api_key: str
    exa_api_key: str
    searxng_url: str
    wikipedia_language: str
    sandbox: str
    sandbox_python: str | Path
    sandbox_cache: str | Path
    mcp_config: str | Path
    mcp_enabled: bool
    max_body_mb: float
