"""What an operator may set, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from servers import settings
from servers.settings import BadSettings, ModelAlias, Settings, listening_nowhere, load, without_password

EXAMPLE = Path(__file__).parents[2] / ".env.example"


def test_the_defaults() -> None:
    made = load()
    assert (made.enabled, made.host, made.port, made.model_name) == (True, "127.0.0.1", 8001, "cortex-flow")
    assert made.api_keys == ()
    assert made.cors_origins == ("*",)
    assert made.cors_methods == ("GET", "POST", "DELETE", "OPTIONS")
    assert (made.max_context_tokens, made.token_model, made.llm_model) == (8000, "gpt-4", "offline")
    assert made.storage_url == "sqlite:///cortex-flow.db"
    assert (made.max_iterations, made.run_timeout, made.agent_timeout, made.max_concurrent_runs) == (8, 600, 120, 2000)
    assert (made.max_body_mb, made.anonymous_ttl_hours, made.stream_progress) == (25, 24, False)
    assert list(made.hints) == []


@pytest.mark.parametrize(
    ("variables", "port", "expected"),
    [
        ({}, None, 8001),
        ({"PORT": "1"}, None, 1),
        ({"PORT": "1", "OPENAI_COMPAT_PORT": "2"}, None, 2),
        ({"PORT": "1", "OPENAI_COMPAT_PORT": "2"}, 3, 3),
        ({"PORT": "1", "OPENAI_COMPAT_PORT": ""}, None, 1),
        ({"PORT": ""}, None, 8001),
    ],
)
def test_which_port_wins(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], port: int | None, expected: int
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert load(port=port).port == expected


@pytest.mark.parametrize("name", ["HOST", "ENABLED", "API_KEYS", "MODEL_NAME", "host"])
def test_names_of_others_mean_nothing(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "x")
    assert load() == _defaults()
    assert load().host == "127.0.0.1"


def test_dotenv_is_read_into_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MAX_ITERATIONS", "5")
    monkeypatch.delenv("SOME_PROVIDERS_KEY", raising=False)
    lines = ["MAX_ITERATIONS=6", "LLM_MODEL='openai:gpt-4o'", "SOME_PROVIDERS_KEY=secret", "# a comment"]
    (tmp_path / ".env").write_text("\n".join(lines))
    try:
        made = load()
        assert (made.max_iterations, made.llm_model) == (5, "openai:gpt-4o"), "what is set already wins"
        assert os.environ["SOME_PROVIDERS_KEY"] == "secret"
    finally:
        for name in ("SOME_PROVIDERS_KEY", "LLM_MODEL"):
            os.environ.pop(name, None)


def test_a_dotenv_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"LLM_MODEL=\xff")
    with pytest.raises(BadSettings, match=r"^\.env: "):
        load()


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("OPENAI_COMPAT_PORT", "http", "valid integer"),
        ("OPENAI_COMPAT_PORT", "65536", "less than or equal to 65535"),
        ("PORT", "-1", "greater than or equal to 0"),
        ("OPENAI_COMPAT_ENABLE", "perhaps", "valid boolean"),
        ("OPENAI_COMPAT_MODEL_NAME", "two words", "pattern"),
        ("OPENAI_COMPAT_MAX_CONTEXT_TOKENS", "0", "greater than or equal to 1"),
        ("OPENAI_COMPAT_API_KEYS", "ac me:sk-secret", "tenant:key"),
        ("OPENAI_COMPAT_API_KEYS", "acme:", "tenant:key"),
        ("MODEL_ALIASES", "gpt-4o", "name=model"),
        ("MAX_ITERATIONS", "many", "valid integer"),
        ("RUN_TIMEOUT_SECONDS", "0", "greater than 0"),
        ("MAX_BODY_MB", "0", "greater than 0"),
        ("LOG_FORMAT", "xml", "'text' or 'json'"),
        ("LOG_LEVEL", "loud", "'debug'"),
        ("LIBRARY_PATH", "/no/such/folder", "no such folder"),
        ("OPENAI_BASE_URL", "localhost:11434", "pattern"),
        ("DATABASE_PROVIDER", "oracle", "'redis' or 'cosmos'"),
        ("DATABASE_PROVIDER", "redis", "needs REDIS_URL"),
        ("DATABASE_PROVIDER", "Cosmos", "needs COSMOS_ENDPOINT and COSMOS_KEY"),
        ("COSMOS_ENDPOINT", "name.documents.azure.com", "pattern"),
        ("ANONYMOUS_CONVERSATION_TTL_HOURS", "-1", "greater than or equal to 0"),
    ],
)
def test_a_bad_value_is_one_line_that_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, told: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(BadSettings) as caught:
        load()
    message = str(caught.value)
    named = "OPENAI_COMPAT_PORT" if variable == "PORT" else variable
    assert message.startswith(f"{named}: ")
    assert told in message
    assert "\n" not in message
    assert "secret" not in message


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "::1"])
def test_at_home_no_key_is_needed(host: str) -> None:
    assert load(host=host).host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "example.com"])
def test_beyond_loopback_keys_or_a_word_are_needed(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    with pytest.raises(BadSettings, match=r"^OPENAI_COMPAT_HOST: .*OPENAI_COMPAT_API_KEYS"):
        load(host=host)
    assert load(host=host, api_keys="k").host == host
    assert load(host=host, enabled=False).host == host
    monkeypatch.setenv("OPENAI_COMPAT_ALLOW_ANONYMOUS", "true")
    assert load(host=host).host == host


def test_keys_and_tenants(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_COMPAT_API_KEYS", " k1, acme:k2 ,,other:a:b,")
    keys = load().api_keys
    assert [(key.tenant, key.secret.get_secret_value()) for key in keys] == [
        ("default", "k1"),
        ("acme", "k2"),
        ("other", "a:b"),
    ]
    assert "k2" not in repr(load())


def test_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_COMPAT_CORS_METHODS", "GET POST,DELETE")
    monkeypatch.setenv("OPENAI_COMPAT_CORS_ORIGINS", "https://a, https://b")
    monkeypatch.setenv("MODEL_ALIASES", "gpt-*=cortex-flow, o* = openai:gpt-4o")
    made = load()
    assert made.cors_methods == ("GET", "POST", "DELETE")
    assert made.cors_origins == ("https://a", "https://b")
    assert made.model_aliases == (
        ModelAlias(pattern="gpt-*", target="cortex-flow"),
        ModelAlias(pattern="o*", target="openai:gpt-4o"),
    )


def test_models_of_agents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESEARCHER_MODEL", "openai:a")
    monkeypatch.setenv("WRITER_MODEL", "")
    assert load().agent_models == {"researcher": "openai:a"}


def test_keys_that_stand_there_for_other_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEARCH_PROVIDER", "Brave")
    monkeypatch.setenv("BRAVE_SEARCH_API_KEY", "secret")
    monkeypatch.setenv("SEARX_HOST", "http://me:secret@localhost:8888")
    made = load()
    assert (made.search_provider, made.searches_web, load(search_provider="library").searches_web) == (
        "brave",
        True,
        False,
    )
    assert made.brave_api_key is not None
    assert made.brave_api_key.get_secret_value() == "secret"
    assert made.searxng_url is not None
    assert "secret" not in repr(made)


def test_redis_alone_is_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://:password@host")
    [hint] = load().hints
    assert "STORAGE_URL" in hint
    assert "password" not in hint
    monkeypatch.setenv("STORAGE_URL", "memory://")
    assert list(load().hints) == []


@pytest.mark.parametrize(
    ("endpoint", "ending"),
    [
        ("https://name.documents.azure.com:443/", ""),
        ("https://name.documents.azure.com:443", ""),
        ("http://name.documents.azure.com:443/", "&emulator=true"),
    ],
)
def test_the_provider_cosmos_is_found_at_its_endpoint(
    monkeypatch: pytest.MonkeyPatch, endpoint: str, ending: str
) -> None:
    monkeypatch.setenv("DATABASE_PROVIDER", "cosmos")
    monkeypatch.setenv("COSMOS_ENDPOINT", endpoint)
    monkeypatch.setenv("COSMOS_KEY", "a+b/cQ==")
    expected = f"cosmos://name.documents.azure.com:443/assistants-api?key=a%2Bb%2FcQ%3D%3D{ending}"
    assert load().storage_url == expected
    assert without_password(expected) == f"cosmos://name.documents.azure.com:443/assistants-api?key=***{ending}"
    assert "cQ" not in repr(load().cosmos_key)


def test_the_provider_redis_is_found_at_its_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_PROVIDER", "Redis")
    monkeypatch.setenv("REDIS_URL", "redis://:password@host:6380/2?prefix=mine")
    assert load().storage_url == "redis://:password@host:6380/2?prefix=mine"
    assert list(load().hints) == []


def test_a_storage_url_wins_over_the_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_PROVIDER", "redis")
    monkeypatch.setenv("STORAGE_URL", "memory://")
    assert load().storage_url == "memory://"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:///x.db", "sqlite:///x.db"),
        ("postgresql://me:pw@host/db", "postgresql://***@host/db"),
        ("memory://", "memory://"),
        ("postgresql://me:p/w@host/db", "postgresql://***@host/db"),
        ("postgresql://me:p@w@host/db", "postgresql://***@host/db"),
        ("redis://:p#w@host/0", "redis://***@host/0"),
        ("redis://:p?w@host/0?prefix=a", "redis://***@host/0?prefix=a"),
        (
            "postgresql://host/db?password=p%40w&sslpassword=x&schema=a",
            "postgresql://host/db?password=***&sslpassword=***&schema=a",
        ),
        ("sqlite:////home/me@work/x.db", "sqlite:////home/me@work/x.db"),
    ],
)
def test_urls_are_shown_without_passwords(url: str, shown: str) -> None:
    assert without_password(url) == shown


def test_the_example_lists_what_has_an_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every variable with its default and a line about it, and no other."""
    lines = EXAMPLE.read_text().splitlines()
    shown: dict[str, str] = {}
    for before, line in zip(["", *lines], lines, strict=False):
        if line and not line.startswith("# "):
            name, _, value = line.removeprefix("#").partition("=")
            assert before.startswith("# "), f"{name} has no comment"
            shown[name] = value
    assert set(shown) == {settings.variable(field) for field in Settings.model_fields} | {"PORT"}
    for name, value in shown.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PORT")
    assert load() == _defaults()


def _defaults() -> Any:
    return Settings.model_construct()


def test_a_command_that_listens_nowhere_asks_for_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_COMPAT_HOST", "0.0.0.0")
    with pytest.raises(BadSettings, match="OPENAI_COMPAT_HOST"):
        load()
    assert listening_nowhere(worker=True).worker
