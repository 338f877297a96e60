"""The engine and what it stands on: opened beside the running server, drained and closed at its end."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from contextlib import AsyncExitStack
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Final

from graph.runtime import IN_PROCESS, Job, Runtime, RuntimeFailed, open_runtime, runtime_of
from graph.storage import Storage, StorageError, UnknownScheme, index_folder, open_storage
from servers.imports import check_names, without_collections
from servers.settings import BadSettings, Settings, revealed, variable, without_password
from servers.team import Team, tool_settings

if TYPE_CHECKING:
    from agents.crew import Crew
    from agents.models import Models, ModelSettings
    from agents.models.embeddings import OpenAIEmbeddings
    from agents.tools import Toolbox
    from graph.engine import Engine, EngineSettings
    from graph.library import FolderLibrary
    from graph.tokens import Tokenizer
    from graph.vector_stores.knowledge import Knowledge
    from servers.mcp.host import Host
    from servers.service import Service


_SETTLED: Final = 10.0  # seconds
_HEAVY = (
    "agents.models",
    "agents.tools",
    "graph.engine",
    "graph.library",
    "graph.tokens",
    "graph.vector_stores.knowledge",
)


class StartFailed(Exception):
    """The server can't work here. The message is one line."""


class Backend:
    """Everything that takes time to open, in the order in which it is needed. Used by one event loop.

    `alone`: this is the server of its storage. A command is not: it may stand beside a server, answers chats of its own,
    and leaves durable runs to the server. `team` is who works here.
    """

    def __init__(self, settings: Settings, *, alone: bool = True, team: Team | None = None) -> None:
        self._settings = settings
        self._team = team or Team()
        self._alone = alone
        self._closers = AsyncExitStack()
        self._engine: Engine | None = None
        self._knowledge: Knowledge | None = None
        self._mcp: Host | None = None
        self._runtime: Runtime | None = None

    async def claim(self) -> Storage:
        """Open the storage and, for a server, make sure that it is ours. Raises `BadSettings` or `StartFailed`."""
        storage = storage_of(self._settings)
        if self._alone:
            self._runtime = _runtime(self._settings, storage)
        try:
            await storage.open(claim=self._alone)
        except StorageError as error:
            raise StartFailed(f"{variable('storage_url')}: {error}") from error
        self._closers.push_async_callback(storage.close)
        return storage

    async def open(self, storage: Storage) -> Service:
        """Load and open the rest. Raises `BadSettings` or `NamesTaken`."""
        await asyncio.to_thread(_load)
        models = await self._models()
        library = self._library()
        tools = await self._tools()
        knowledge = await self.open_knowledge(storage)
        return await self._service(storage, models, library, tools, knowledge)

    async def drain(self, seconds: float) -> None:
        """Take no more runs; give those at work this long to end, and hang up on MCP's clients, who hold on to connections."""
        if self._knowledge is not None:
            await self._knowledge.stop()
        if self._engine is not None:
            await self._engine.drain(seconds)
        if self._mcp is not None:
            await self._mcp.close()

    async def close(self) -> None:
        """Close everything, newest first."""
        await self._closers.aclose()

    async def _models(self) -> Models:
        from agents.models import Models

        settings = self._settings
        of_agents = {**settings.agent_models, **self._team.models}
        models = Models(settings.llm_model, of_agents, _model_settings(settings))
        self._closers.push_async_callback(models.close)
        await _check_models(models, self._named_models())
        return models

    def _named_models(self) -> Mapping[str, str]:
        """The configured models, by the setting that names each."""
        of_team = self._team.models
        own = {agent: name for agent, name in self._settings.agent_models.items() if agent not in of_team}
        return {
            variable("llm_model"): self._settings.llm_model,
            **{variable(f"{agent}_model"): name for agent, name in own.items()},
            **{f"agent_models[{agent!r}]": name for agent, name in of_team.items()},
        }

    def _library(self) -> FolderLibrary:
        from graph.library import FolderLibrary

        library = FolderLibrary([self._settings.library_path] if self._settings.library_path else [])
        self._closers.callback(library.close)
        library.start()
        return library

    async def _tools(self) -> Toolbox:
        """The agents' tools, in a thread, since the packages of the web take long to import."""
        from agents.tools import ToolNotConfigured, open_tools

        try:
            tools = await asyncio.to_thread(open_tools, tool_settings(self._settings))
        except ToolNotConfigured as error:
            raise BadSettings(error.message) from error
        self._closers.push_async_callback(tools.close)
        tools.start()
        if not self._alone:  # a command asks at once
            await tools.settled(_SETTLED)
        return tools

    async def open_knowledge(self, storage: Storage) -> Knowledge:
        """The vector stores, for who needs nothing else. What their searches need is kept beside a database that is a file, by
        the server of it."""
        from graph.vector_stores.knowledge import Knowledge

        s = self._settings
        folder = index_folder(s.storage_url) if self._alone else None
        embeddings = await self._embeddings()
        self._knowledge = Knowledge(storage, s.token_model, embeddings=embeddings, index_folder=folder)
        self._closers.push_async_callback(self._knowledge.close)
        return self._knowledge

    async def _embeddings(self) -> OpenAIEmbeddings | None:
        from agents.models import ModelNotConfigured
        from agents.models.embeddings import open_embeddings

        name = self._settings.embedding_model
        if name is None:
            return None
        try:
            opened = await asyncio.to_thread(open_embeddings, name, _model_settings(self._settings))
        except ModelNotConfigured as error:
            raise BadSettings(f"{variable('embedding_model')}: {error.message}") from error
        self._closers.push_async_callback(opened.close)
        return opened

    async def _service(
        self, storage: Storage, models: Models, library: FolderLibrary, tools: Toolbox, knowledge: Knowledge
    ) -> Service:
        from graph.assistants import Assistants
        from graph.completions import Completions
        from graph.files import Files
        from graph.repeats import Repeats
        from graph.tokens import open_tokenizer
        from graph.uploads import Uploads
        from servers.mcp.host import Host
        from servers.routing import routing
        from servers.service import Service

        s = self._settings
        tokenizer, crew = open_tokenizer(s.token_model), self._team.crew(tools.tools, tools.offers)
        _check_offers(s, crew.names)
        engine = self._made(storage, models, tokenizer, library, tools, crew, knowledge)
        self._mcp = Host(engine, crew, s)
        self._closers.push_async_callback(self._mcp.close)
        if self._alone:
            await self._begin(storage, engine, knowledge)
        files = Files(storage)
        return Service(
            s,
            engine,
            models,
            tokenizer,
            routing(s, models.find, crew.names),
            Completions(storage),
            Assistants(storage),
            files,
            Uploads(storage, files),
            knowledge,
            self._mcp,
            Repeats(storage, engine.lease),
        )

    def _made(
        self,
        storage: Storage,
        models: Models,
        tokenizer: Tokenizer,
        library: FolderLibrary,
        tools: Toolbox,
        crew: Crew,
        knowledge: Knowledge,
    ) -> Engine:
        """The engine, which is closed at the end."""
        from graph.engine import Engine
        from graph.vector_stores.library import Shelves, StoredLibrary

        self._engine = engine = Engine(
            storage=storage,
            models=models,
            tokenizer=tokenizer,
            library=Shelves(library, StoredLibrary(knowledge)),
            settings=_engine_settings(self._settings),
            crew=crew,
            run_files=partial(knowledge.of_run, window=self._settings.max_context_tokens),
            sandbox=tools.sandbox,
            forgetters=[knowledge.stores.forget],
            runtime=self._runtime,
            chores={"ingest": knowledge.wake},
        )
        self._closers.push_async_callback(engine.close)
        return engine

    async def _begin(self, storage: Storage, engine: Engine, knowledge: Knowledge) -> None:
        """Take up what there is to do in the background."""
        assert self._runtime is not None
        try:
            await engine.open(alone=not storage.shared)
        except RuntimeFailed as error:
            raise StartFailed(f"{variable('runtime_url')}: {error}") from error
        if self._settings.worker:
            knowledge.start(engine.lease)
        else:
            knowledge.leave(partial(self._runtime.offer, Job("ingest", "", "")))


def _load() -> None:
    """Import what the first request needs, and look whether it is ours. Runs in a thread, beside the event loop."""
    with without_collections():
        for name in _HEAVY:
            import_module(name)
        check_names()


def refuse_alone(settings: Settings, wanted: str) -> None:
    """Raise `BadSettings` where the configured storage serves one process alone. `wanted` is what can't be had then."""
    if not storage_of(settings).shared:
        raise BadSettings(
            f"{wanted}: one process alone serves {without_password(settings.storage_url)}. Set "
            f"{variable('storage_url')} to a database that processes share."
        )


def storage_of(settings: Settings) -> Storage:
    """The storage that is configured, to be opened. Raises `BadSettings` or `StartFailed`."""
    try:
        return open_storage(settings.storage_url, settings.blob_url)
    except UnknownScheme as error:
        raise BadSettings(f"{variable('storage_url')}: {error}") from error
    except StorageError as error:
        raise StartFailed(f"{variable('storage_url')}: {error}") from error


def _runtime(settings: Settings, storage: Storage) -> Runtime:
    """The runtime that is configured, or fits the storage."""
    configured = settings.runtime_url
    url = configured or runtime_of(settings.storage_url)
    alone = url.startswith(f"{IN_PROCESS}://")
    if not (storage.shared or alone):
        raise BadSettings(
            f"{variable('runtime_url')}: {without_password(url)} is for processes that share a storage, and one alone "
            f"serves {without_password(settings.storage_url)}"
        )
    if alone and not settings.worker:
        raise BadSettings(
            f"{variable('worker')}: nobody would carry runs: they wait in no queue ({variable('runtime_url')})"
        )
    try:
        return open_runtime(url, settings.max_concurrent_runs, settings.max_runs_of_tenant, works=settings.worker)
    except RuntimeFailed as error:
        raise BadSettings(f"{variable('runtime_url')}: {error}") from error


def _engine_settings(settings: Settings) -> EngineSettings:
    from graph.engine import EngineSettings

    return EngineSettings(
        max_iterations=settings.max_iterations,
        run_timeout=settings.run_timeout,
        agent_timeout=settings.agent_timeout,
        max_concurrent_runs=settings.max_concurrent_runs,
        max_runs_of_tenant=settings.max_runs_of_tenant,
        max_queued_runs=settings.max_queued_runs,
        max_context_tokens=settings.max_context_tokens,
        stream_progress=settings.stream_progress,
        anonymous_ttl_hours=settings.anonymous_ttl_hours,
        stream_retention=settings.stream_retention,
    )


def _model_settings(settings: Settings) -> ModelSettings:
    from agents.models import ModelSettings

    key = revealed(settings.openai_api_key)
    if settings.openai_base_url is None:
        return ModelSettings(openai_api_key=key)
    return ModelSettings(openai_api_key=key, openai_base_url=settings.openai_base_url)


async def _check_models(models: Models, configured: Mapping[str, str]) -> None:
    """Open the configured models now, in a thread, since their packages take long to import."""
    from agents.models import ModelNotConfigured

    for place, name in configured.items():
        try:
            await asyncio.to_thread(models.get, name)
        except ModelNotConfigured as error:
            raise BadSettings(f"{place}: {error.message}") from error


def _check_offers(settings: Settings, agents: Collection[str]) -> None:
    """The tools of MCP servers are offered to agents that are there."""
    for server in settings.mcp_config:
        for name in server.agents or ():
            if name not in agents:
                known = ", ".join(agents)
                raise BadSettings(
                    f"{variable('mcp_config')}: server {server.name!r}: there is no agent {name!r}, but {known}"
                )
