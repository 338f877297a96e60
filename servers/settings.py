"""What the operator configures, by environment or `.env`. Nothing else in the project reads the environment."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

from dotenv import load_dotenv
from pydantic import AliasChoices, BaseModel, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, EnvSettingsSource, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from agents.tools.mcp.settings import McpServer
from servers.context import DEFAULT_TENANT
from servers.mcp_config import servers_of

DEFAULT_STORAGE = "sqlite:///cortex-flow.db"
AGENTS = ("supervisor", "researcher", "analyst", "writer")
ABOUT_MODELS = (
    "llm_model",
    "embedding_model",
    *(f"{agent}_model" for agent in AGENTS),
    "openai_api_key",
    "openai_base_url",
)
KEYS_FOR_SEARCHES = ("tavily_api_key", "brave_api_key", "exa_api_key")
OF_THE_COMMAND = (  # no options in code
    "enabled",
    "database_provider",
    "redis_url",
    "cosmos_endpoint",
    "cosmos_key",
    "cosmos_database",
    "log_format",
    "log_level",
)
TENANT = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"


class BadSettings(Exception):
    """A setting can't be used. The message is one line and names the variable; it holds no secret."""


class ApiKey(BaseModel, frozen=True):
    """A key that clients send, and the tenant whose objects it opens."""

    tenant: str = Field(pattern=TENANT)
    secret: SecretStr = Field(min_length=1)


class ModelAlias(BaseModel, frozen=True):
    """A name or glob that clients may use, and the model it stands for."""

    pattern: str = Field(min_length=1)
    target: str = Field(min_length=1)


class Settings(BaseSettings):
    """All settings with their defaults. Times are seconds; an empty variable counts as absent."""

    model_config = SettingsConfigDict(env_ignore_empty=True, frozen=True, extra="ignore", hide_input_in_errors=True)

    enabled: bool = Field(True, validation_alias="OPENAI_COMPAT_ENABLE")
    host: str = Field("127.0.0.1", validation_alias="OPENAI_COMPAT_HOST", min_length=1)
    port: int = Field(8001, validation_alias=AliasChoices("OPENAI_COMPAT_PORT", "PORT"), ge=0, le=65535)
    model_name: str = Field("cortex-flow", validation_alias="OPENAI_COMPAT_MODEL_NAME", pattern=r"^[!-~]{1,128}$")
    api_keys: Annotated[tuple[ApiKey, ...], NoDecode] = Field((), validation_alias="OPENAI_COMPAT_API_KEYS")
    allow_anonymous: bool = Field(False, validation_alias="OPENAI_COMPAT_ALLOW_ANONYMOUS")
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(("*",), validation_alias="OPENAI_COMPAT_CORS_ORIGINS")
    cors_methods: Annotated[tuple[str, ...], NoDecode] = Field(
        ("GET", "POST", "DELETE", "OPTIONS"), validation_alias="OPENAI_COMPAT_CORS_METHODS"
    )
    max_context_tokens: int = Field(8000, validation_alias="OPENAI_COMPAT_MAX_CONTEXT_TOKENS", ge=1)
    token_model: str = Field("gpt-4", validation_alias="OPENAI_COMPAT_TOKEN_MODEL")

    llm_model: str = Field("offline", validation_alias="LLM_MODEL")
    supervisor_model: str | None = Field(None, validation_alias="SUPERVISOR_MODEL")
    researcher_model: str | None = Field(None, validation_alias="RESEARCHER_MODEL")
    analyst_model: str | None = Field(None, validation_alias="ANALYST_MODEL")
    writer_model: str | None = Field(None, validation_alias="WRITER_MODEL")
    model_aliases: Annotated[tuple[ModelAlias, ...], NoDecode] = Field((), validation_alias="MODEL_ALIASES")
    embedding_model: str | None = Field(None, validation_alias="EMBEDDING_MODEL")
    openai_api_key: SecretStr | None = Field(None, validation_alias="OPENAI_API_KEY")
    openai_base_url: str | None = Field(None, validation_alias="OPENAI_BASE_URL", pattern=r"^https?://")

    database_provider: Literal["redis", "cosmos"] | None = Field(None, validation_alias="DATABASE_PROVIDER")
    redis_url: SecretStr | None = Field(None, validation_alias="REDIS_URL")
    cosmos_endpoint: str | None = Field(None, validation_alias="COSMOS_ENDPOINT", pattern=r"^https?://[^/?#]+/?$")
    cosmos_key: SecretStr | None = Field(None, validation_alias="COSMOS_KEY")
    cosmos_database: str = Field("assistants-api", validation_alias="COSMOS_DATABASE_ID")
    storage_url: str = Field(default_factory=lambda given: _chosen_storage(given), validation_alias="STORAGE_URL")
    blob_url: str | None = Field(None, validation_alias="BLOB_URL")
    anonymous_ttl_hours: float = Field(24, validation_alias="ANONYMOUS_CONVERSATION_TTL_HOURS", ge=0, le=1_000_000)
    stream_retention: float = Field(300, validation_alias="STREAM_RETENTION_SECONDS", ge=0, le=1_000_000)

    max_iterations: int = Field(8, validation_alias="MAX_ITERATIONS", ge=1)
    run_timeout: float = Field(600, validation_alias="RUN_TIMEOUT_SECONDS", gt=0, le=10_000_000)
    agent_timeout: float = Field(120, validation_alias="AGENT_TIMEOUT_SECONDS", gt=0, le=10_000_000)
    max_concurrent_runs: int = Field(2000, validation_alias="MAX_CONCURRENT_RUNS", ge=1)
    max_runs_of_tenant: int = Field(0, validation_alias="MAX_CONCURRENT_RUNS_PER_TENANT", ge=0)
    max_queued_runs: int = Field(0, validation_alias="MAX_QUEUED_RUNS", ge=0)
    drain_seconds: float = Field(30, validation_alias="DRAIN_SECONDS", ge=0, le=10_000_000)
    runtime_url: str | None = Field(None, validation_alias="RUNTIME_URL")
    worker: bool = Field(True, validation_alias="WORKER")
    stream_progress: bool = Field(False, validation_alias="STREAM_PROGRESS")

    library_path: Path | None = Field(None, validation_alias="LIBRARY_PATH")
    search_provider: str = Field("library", validation_alias="SEARCH_PROVIDER")
    tavily_api_key: SecretStr | None = Field(None, validation_alias="TAVILY_API_KEY")
    brave_api_key: SecretStr | None = Field(
        None, validation_alias=AliasChoices("BRAVE_API_KEY", "BRAVE_SEARCH_API_KEY")
    )
    exa_api_key: SecretStr | None = Field(None, validation_alias="EXA_API_KEY")
    searxng_url: SecretStr | None = Field(None, validation_alias=AliasChoices("SEARXNG_URL", "SEARX_HOST"))
    wikipedia_language: str = Field("en", validation_alias="WIKIPEDIA_LANGUAGE")

    sandbox: str = Field("monty", validation_alias="SANDBOX")
    sandbox_python: Path | None = Field(None, validation_alias="SANDBOX_PYTHON")
    sandbox_cache: Path | None = Field(None, validation_alias="SANDBOX_CACHE")

    mcp_config: Annotated[tuple[McpServer, ...], NoDecode] = Field((), validation_alias="MCP_CONFIG")
    mcp_enabled: bool = Field(True, validation_alias="MCP_ENABLE")

    max_body_mb: float = Field(25, validation_alias="MAX_BODY_MB", gt=0, le=1_000_000)
    log_format: Literal["text", "json"] = Field("text", validation_alias="LOG_FORMAT")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", validation_alias="LOG_LEVEL")

    @field_validator("cors_origins", "cors_methods", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        if isinstance(value, bool):
            return ("*",) if value else ()
        return tuple(_split(value.replace(" ", ","))) if isinstance(value, str) else value

    @field_validator("api_keys", mode="before")
    @classmethod
    def _keyed(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(map(_api_key, _split(value)))
        if not isinstance(value, Iterable):
            return value
        return tuple(_api_key(each) if isinstance(each, str) else each for each in value)

    @field_validator("model_aliases", mode="before")
    @classmethod
    def _aliased(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            return tuple({"pattern": pattern, "target": target} for pattern, target in value.items())
        return tuple(_alias(each) for each in _split(value)) if isinstance(value, str) else value

    @field_validator("log_format", "log_level", "database_provider", "search_provider", "sandbox", mode="before")
    @classmethod
    def _lowered(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value

    @field_validator("mcp_config", mode="before")
    @classmethod
    def _described(cls, value: Any) -> Any:
        if not isinstance(value, str | Path):
            return value
        try:
            return servers_of(Path(value).read_bytes(), os.environ)
        except OSError as error:
            raise PydanticCustomError("file", "{why}", {"why": f"can't read the file: {error.strerror}"}) from None
        except ValueError as error:
            raise PydanticCustomError("mcp", "{why}", {"why": str(error)}) from None

    @field_validator("library_path")
    @classmethod
    def _folder(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_dir():
            raise PydanticCustomError("folder", "there is no such folder")
        return value

    @model_validator(mode="after")
    def _guarded(self) -> Settings:
        if self.enabled and not (self.api_keys or self.allow_anonymous or _is_loopback(self.host)):
            raise BadSettings(
                f"OPENAI_COMPAT_HOST: {self.host} can be reached from other machines and no key is asked for. Set "
                "OPENAI_COMPAT_API_KEYS, or OPENAI_COMPAT_ALLOW_ANONYMOUS=true to let everybody in."
            )
        return self

    @model_validator(mode="after")
    def _available(self) -> Settings:
        if self.database_provider and "storage_url" not in self.model_fields_set:
            if self.database_provider == "redis" and self.redis_url is None:
                raise BadSettings("DATABASE_PROVIDER: redis needs REDIS_URL, redis://localhost:6379 for example.")
            if self.database_provider == "cosmos" and (self.cosmos_endpoint is None or self.cosmos_key is None):
                raise BadSettings("DATABASE_PROVIDER: cosmos needs COSMOS_ENDPOINT and COSMOS_KEY.")
        return self

    @property
    def agent_models(self) -> Mapping[str, str]:
        """The agents that have a model of their own."""
        named = {agent: getattr(self, f"{agent}_model") for agent in AGENTS}
        return {agent: model for agent, model in named.items() if model}

    @property
    def searches_web(self) -> bool:
        """Whether the researcher can look things up on the web."""
        return self.search_provider != "library"

    @property
    def hints(self) -> Iterator[str]:
        """What an operator may have expected and does not get."""
        if self.redis_url and not self.database_provider and "storage_url" not in self.model_fields_set:
            yield f"REDIS_URL alone chooses no storage: everything is kept in {self.storage_url} (STORAGE_URL, DATABASE_PROVIDER)."


class EmbeddedSettings(Settings):
    """Settings of a server inside an application: of the environment they take which models there are and the keys for
    searches, and nothing else."""

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *_: Any, **__: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, _SharedEnvironment(settings_cls)


class _SharedEnvironment(EnvSettingsSource):
    def __call__(self) -> dict[str, Any]:
        wanted = {_VARIABLES[field] for field in (*ABOUT_MODELS, *KEYS_FOR_SEARCHES)}
        return {name: value for name, value in super().__call__().items() if name in wanted}


def load(**overrides: Any) -> Settings:
    """The settings of this process, with `.env` read into its environment first (what is set there already wins).
    `overrides` are fields by name and win over both; None is no override. Raises `BadSettings`."""
    try:
        load_dotenv(".env", override=False)
    except UnicodeDecodeError as error:
        raise BadSettings(f".env: this is no UTF-8 text ({error.reason} at byte {error.start})") from None
    return _made(Settings, overrides)


def listening_nowhere(**overrides: Any) -> Settings:
    """What `load` gives, for a command that no client can reach, whatever address the servers beside it have."""
    return load(host="127.0.0.1", **overrides)


def embedded(base: Settings | None = None, **options: Any) -> Settings:
    """The settings of a server inside an application. `options` are fields by name and win over what `base` was given;
    None is no option. Raises `BadSettings`, and `TypeError` for an option that there is not."""
    for name in options:
        if name not in Settings.model_fields or name in OF_THE_COMMAND:
            raise TypeError(f"There is no option {name!r}.")
    given = {name: getattr(base, name) for name in base.model_fields_set} if base else {}
    try:
        return _made(EmbeddedSettings, {**given, **options})
    except BadSettings as error:
        raise BadSettings(in_code(str(error))) from None


def _made(kind: type[Settings], fields: Mapping[str, Any]) -> Settings:
    try:
        return kind(**{_VARIABLES[name]: value for name, value in fields.items() if value is not None})
    except ValidationError as error:
        lines = (f"{_variable(each)}: {_complaint(each)}" for each in error.errors(include_url=False))
        raise BadSettings("; ".join(lines)) from None


def in_code(message: str) -> str:
    """A message about variables as one about options."""
    return re.sub(r"[A-Z][A-Z_]+", lambda found: _FIELDS.get(found[0], found[0]), message)


def revealed(secret: SecretStr | None) -> str | None:
    """A secret as it is, for those who have to present it."""
    return secret.get_secret_value() if secret else None


def variable(field: str) -> str:
    """The environment variable of a field."""
    return _VARIABLES[field]


def without_password(url: str) -> str:
    """A URL as it may be shown, also one whose password has characters in it that should have been percent-encoded."""
    return re.sub(r"([?&](?:key|(?:ssl)?password)=)[^&]*", r"\1***", re.sub(r"(?<=://)(?!/).*@", "***@", url))


def cosmos_url(endpoint: str, key: str, database: str) -> str:
    """The storage in a database of an account, `https://...`. One that is spoken to without TLS is an emulator."""
    scheme, _, address = endpoint.partition("://")
    emulator = "&emulator=true" if scheme == "http" else ""
    return f"cosmos://{address.rstrip('/')}/{quote(database, safe='')}?key={quote(key, safe='')}{emulator}"


def _chosen_storage(given: Mapping[str, Any]) -> str:
    """The storage of who sets no STORAGE_URL."""
    endpoint, key = given.get("cosmos_endpoint"), revealed(given.get("cosmos_key"))
    if given.get("database_provider") == "cosmos" and endpoint and key:
        return cosmos_url(endpoint, key, given["cosmos_database"])
    chosen = given.get("redis_url") if given.get("database_provider") == "redis" else None
    return revealed(chosen) or DEFAULT_STORAGE


def _first_alias(alias: Any) -> str:
    return str(alias.choices[0] if isinstance(alias, AliasChoices) else alias)


_VARIABLES = {name: _first_alias(field.validation_alias) for name, field in Settings.model_fields.items()}
_FIELDS = {variable: name for name, variable in _VARIABLES.items()}


def _variable(error: ErrorDetails) -> str:
    place = str(error["loc"][0]) if error["loc"] else "settings"
    return _VARIABLES.get(place, place)


def _complaint(error: ErrorDetails) -> str:
    message = error["msg"].removeprefix("Value error, ")
    return message[:1].lower() + message[1:]


def _split(text: str) -> Iterator[str]:
    return (each for part in text.split(",") if (each := part.strip()))


def _api_key(text: str) -> ApiKey:
    tenant, colon, secret = text.partition(":")
    try:
        return (
            ApiKey(tenant=tenant, secret=SecretStr(secret))
            if colon
            else ApiKey(tenant=DEFAULT_TENANT, secret=SecretStr(text))
        )
    except ValidationError:
        raise PydanticCustomError("api_key", "write each as key or tenant:key, a tenant in [A-Za-z0-9._-]") from None


def _alias(text: str) -> ModelAlias:
    pattern, _, target = (part.strip() for part in text.partition("="))
    try:
        return ModelAlias(pattern=pattern, target=target)
    except ValidationError:
        raise PydanticCustomError("alias", "write each as name=model, such as gpt-*=cortex-flow") from None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
