"""A server as a part of somebody's program."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from pathlib import Path
from typing import Any

import openai
import pytest

from servers import BadSettings, OpenAIServer, StartFailed, settings
from servers.options import Options
from servers.settings import Settings
from tests.servers.asgi import ask
from tests.servers.embedded import client_of, made, say, thinking_with, user
from tests.upstream import Reply, Upstream


async def test_a_life() -> None:
    server = made()
    assert not server.is_running()
    await server.start()
    try:
        assert server.is_running()
        assert server.get_base_url() == f"{server.get_url()}/v1"
        assert (await say(server, "Hello!")).choices[0].message.content
    finally:
        await server.stop()
    assert not server.is_running()
    await server.stop()


async def test_another_life_after_the_first() -> None:
    server = made()
    for _ in range(2):
        async with server:
            assert (await say(server, "Hello!")).usage.total_tokens > 0
            with pytest.raises(RuntimeError, match="open already"):
                await server.start()
            assert server.is_running()


def test_where_it_is() -> None:
    assert OpenAIServer().get_base_url() == "http://127.0.0.1:8001/v1"
    assert made(host="0.0.0.0", port=80, api_keys=["k"]).get_url() == "http://localhost:80"
    assert made(host="::", port=80, allow_anonymous=True).get_url() == "http://localhost:80"
    assert made(host="::1", port=80).get_url() == "http://[::1]:80"
    with pytest.raises(RuntimeError, match="port"):
        made().get_url()


async def test_a_wildcard_can_be_dialled() -> None:
    async with made(host="0.0.0.0", api_keys="k") as server:
        assert server.get_url().startswith("http://localhost:")
        assert (await say(server, "Hello!", key="k")).choices


async def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = made(port=taken.getsockname()[1])
        with pytest.raises(OSError, match="in use"):
            await server.start()
        assert not server.is_running()
    async with server:
        assert (await say(server, "Hello!")).choices


async def test_a_storage_that_is_taken(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/one.db"
    async with made(storage_url=url):
        second = made(storage_url=url)
        with pytest.raises(StartFailed, match=r"^storage_url: "):
            await second.start()
        assert not second.is_running()
    async with second:
        assert (await say(second, "Hello!")).choices


async def test_two_in_one_process_share_nothing() -> None:
    async with made(model_name="red", api_keys=["k"]) as red, made(model_name="blue") as blue:
        assert red.get_url() != blue.get_url()
        await say(red, "My name is Alice.", key="k", extra_body={"conversation_id": "c"})
        told = await say(blue, "What is my name?", extra_body={"conversation_id": "c"})
        assert "Alice" not in told.choices[0].message.content
        with pytest.raises(openai.AuthenticationError):
            await say(red, "Hello!", key="wrong")
        with pytest.raises(openai.NotFoundError):
            await say(blue, "Hello!", model="red")


async def test_signals_stay_the_applications() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    async with made() as server:
        assert (await say(server, "Hello!")).choices
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


async def test_stopping_lets_answers_end() -> None:
    hold = asyncio.Event()
    async with Upstream(Reply("One two three", hold=hold)) as upstream, made(**thinking_with(upstream)) as server:
        async with client_of(server) as client:
            stream = await client.chat.completions.create(model="cortex-flow", messages=[user("Count")], stream=True)
            said = [(await anext(stream)).choices[0].delta.content or ""]
            stopping = asyncio.create_task(server.stop())
            await asyncio.sleep(0)
            assert not server.is_running()
            hold.set()
            said += [chunk.choices[0].delta.content or "" async for chunk in stream]
        assert "".join(said) == "One two three"
        await stopping


async def test_stopping_at_once_ends_them() -> None:
    async with Upstream(Reply("One two", hold=asyncio.Event())) as upstream, made(**thinking_with(upstream)) as server:
        asking = asyncio.create_task(say(server, "Count"))
        await upstream.wait_requests(1)
        await server.stop(0)
        with pytest.raises(openai.APIError):
            await asking
        await upstream.wait_idle()


async def test_what_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Which models there are, the keys for searches, and nothing else."""
    (tmp_path / ".env").write_text("LLM_MODEL=openai:of-dotenv\n")
    for name, value in {
        "LLM_MODEL": "openai:gpt-4o",
        "WRITER_MODEL": "openai:o3",
        "OPENAI_API_KEY": "secret",
        "BRAVE_SEARCH_API_KEY": "secret",
        "TAVILY_API_KEY": "secret",
        "SEARCH_PROVIDER": "tavily",
        "SEARXNG_URL": "http://localhost:1",
        "OPENAI_COMPAT_PORT": "1",
        "PORT": "2",
        "OPENAI_COMPAT_API_KEYS": "k",
        "STORAGE_URL": "oracle://x",
        "MAX_ITERATIONS": "no number",
    }.items():
        monkeypatch.setenv(name, value)
    chosen = OpenAIServer().settings
    assert (chosen.llm_model, chosen.agent_models) == ("openai:gpt-4o", {"writer": "openai:o3"})
    keys = (chosen.openai_api_key, chosen.brave_api_key, chosen.tavily_api_key)
    assert [settings.revealed(key) for key in keys] == ["secret"] * 3
    assert (chosen.search_provider, chosen.searxng_url) == ("library", None)
    assert (chosen.port, chosen.api_keys, chosen.storage_url) == (8001, (), settings.DEFAULT_STORAGE)
    assert OpenAIServer(llm_model="offline").settings.llm_model == "offline"


def test_settings_of_the_command_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_COMPAT_API_KEYS", "acme:k")
    monkeypatch.setenv("OPENAI_COMPAT_PORT", "7000")
    monkeypatch.setenv("MAX_ITERATIONS", "3")
    chosen = OpenAIServer(settings=settings.load(), port=9000).settings
    assert (chosen.port, chosen.max_iterations) == (9000, 3)
    assert [key.tenant for key in chosen.api_keys] == ["acme"]


def test_options_in_pythons_own_way() -> None:
    chosen = made(
        api_keys=["one", "acme:two"],
        cors_origins=["https://a.example"],
        cors_methods=["GET"],
        model_aliases={"gpt-*": "cortex-flow"},
        library_path=Path.cwd(),
    ).settings
    assert [key.tenant for key in chosen.api_keys] == ["default", "acme"]
    assert (chosen.cors_origins, chosen.cors_methods) == (("https://a.example",), ("GET",))
    assert [(alias.pattern, alias.target) for alias in chosen.model_aliases] == [("gpt-*", "cortex-flow")]
    assert made(cors_origins=True).settings.cors_origins == ("*",)
    assert made(cors_origins=False).settings.cors_origins == ()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"port": 70000}, r"^port: "),
        ({"api_keys": ["ac me:k"]}, r"^api_keys: write each as key or tenant:key"),
        ({"host": "0.0.0.0"}, r"^host: .*Set api_keys, or allow_anonymous=true"),
        ({"storage_url": "memory://", "max_iterations": 0}, r"^max_iterations: "),
    ],
)
def test_a_bad_option_is_called_by_its_name(options: dict[str, Any], told: str) -> None:
    with pytest.raises(BadSettings, match=told):
        OpenAIServer(**options)


@pytest.mark.parametrize("option", ["prot", "enabled", "log_level"])
def test_an_option_that_there_is_not(option: str) -> None:
    with pytest.raises(TypeError, match=repr(option)):
        made(**{option: 1})


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"storage_url": "oracle://x"}, "storage_url"),
        ({"llm_model": "openai:x"}, "llm_model"),
        ({"writer_model": "openai:x"}, "writer_model"),
        ({"search_provider": "altavista"}, "search_provider"),
        ({"writer_model": "openai:x", "agent_models": {"writer": "gpt-4o"}}, r"agent_models\['writer'\]"),
    ],
)
async def test_what_only_opening_finds_out(options: dict[str, Any], told: str) -> None:
    server = made(**options)
    with pytest.raises(BadSettings, match=rf"^{told}: "):
        await server.start()
    assert not server.is_running()


async def test_a_key_that_is_missing_is_called_by_its_option() -> None:
    with pytest.raises(BadSettings, match="search_provider=exa needs a key: set exa_api_key"):
        await made(search_provider="exa").start()


def test_every_option_is_a_setting() -> None:
    assert set(Options.__annotations__) <= set(Settings.model_fields) - set(settings.OF_THE_COMMAND)


async def test_requests_are_logged_where_that_is_wanted(caplog: pytest.LogCaptureFixture) -> None:
    async with made(logging=True) as told, made() as silent:
        await ask(told.app, "GET", "/health?told")
        await ask(silent.app, "GET", "/v1/models")
    lines = [record.getMessage() for record in caplog.records if record.name == "servers.access"]
    assert len(lines) == 1
    assert lines[0].startswith("GET /health")
    assert not logging.getLogger("servers.access").handlers
    assert logging.getLogger("servers.access").level == logging.NOTSET


async def test_a_program_without_logging_sees_them_on_its_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logging.getLogger("servers.access"), "propagate", False)
    async with made(logging=True) as server:
        await ask(server.app, "GET", "/health")
    assert "GET /health 200" in capsys.readouterr().err


async def test_the_application_can_be_served_by_anybody() -> None:
    server = made()
    closed = await ask(server.app, "GET", "/v1/models")
    assert (closed.status, closed.error["code"]) == (503, "not_ready")
    incoming: asyncio.Queue[Any] = asyncio.Queue()
    outgoing: asyncio.Queue[Any] = asyncio.Queue()
    running = asyncio.ensure_future(server.app({"type": "lifespan", "state": {}}, incoming.get, outgoing.put))
    await incoming.put({"type": "lifespan.startup"})
    assert await outgoing.get() == {"type": "lifespan.startup.complete"}
    assert (await ask(server.app, "GET", "/v1/models")).status == 200
    await incoming.put({"type": "lifespan.shutdown"})
    assert await outgoing.get() == {"type": "lifespan.shutdown.complete"}
    await running


async def test_a_stream_that_its_reader_leaves_is_not_paid_for() -> None:
    async with (
        Upstream(Reply("One two three", hold=asyncio.Event())) as upstream,
        made(**thinking_with(upstream)) as server,
    ):
        async with client_of(server) as client:
            stream = await client.chat.completions.create(model="cortex-flow", messages=[user("Count")], stream=True)
            await anext(stream)
            await stream.close()
        await upstream.wait_closed(1)


def test_importing_is_all_it_takes() -> None:
    import servers

    for name in servers.__all__:
        assert getattr(servers, name) is not None
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = servers.no_such_thing
