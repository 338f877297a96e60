"""What is Redis' own: its URL, what a server may do to those who use it, and what is there after it was killed."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest

from graph.storage import (
    Append,
    Conflict,
    Delete,
    Drop,
    Put,
    Storage,
    StorageError,
    StorageUnavailable,
    migrate,
    open_storage,
)
from tests.graph.storage.redis_server import RedisServer, free_port, needs_redis_server, redis_server

pytestmark = needs_redis_server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as server:
        yield server


@pytest.fixture
def lasting(tmp_path: Path) -> Iterator[RedisServer]:
    """A server that has on disk what it has answered for."""
    with redis_server(tmp_path, "--appendonly", "yes", "--appendfsync", "always") as server:
        yield server


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little patience at the start."""
    monkeypatch.setattr("graph.storage.redis.client.START_SECONDS", 0.2)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Storage]:
    storage = open_storage(url, "memory://")
    await storage.open()
    try:
        yield storage
    finally:
        await storage.close()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://me:secret@host:port/0", "port of a Redis URL is a number"),
        ("redis://me:secret@host/zero", "number of a database"),
        ("redis://me:secret@host/0?prefix=a:b", "the prefix 'a:b'"),
        ("redis://me:secret@host/0?prefix=" + "x" * 65, "the prefix"),
        ("redis://me:secret@host/0?ttl=-1", "the ttl '-1'"),
        ("redis://me:secret@host/0?ttl=59", "60 or more"),
        ("redis://me:secret@host/0?ttl=1&ttl=2", "twice"),
        ("redis://me:secret@host/0?socket_timeout=soon", "the socket_timeout 'soon'"),
        ("redis://me:secret@host/0?decode_responses=true", "'decode_responses' that is not known"),
        ("redis://me:secret@host/0?ssl_ca_certs=x", "for rediss://"),
    ],
)
def test_a_url_that_can_not_be_used_is_refused(url: str, said: str) -> None:
    with pytest.raises(StorageError, match=said) as raised:
        open_storage(url)
    assert "secret" not in str(raised.value)


async def test_a_value_that_the_driver_refuses(server: RedisServer) -> None:
    with pytest.raises(StorageError, match="max_connections"):
        await open_storage(f"{server.url}?max_connections=many").open()


@pytest.mark.usefixtures("hurried")
async def test_a_server_that_is_not_there_is_told_in_one_line(server: RedisServer) -> None:
    server.kill()
    with pytest.raises(StorageUnavailable, match=rf"^redis://127.0.0.1:{server.port}/0 can't be reached") as raised:
        await open_storage(server.url.replace("//", "//me:secret@")).open()
    assert "secret" not in str(raised.value)
    assert "\n" not in str(raised.value)


async def test_a_server_that_comes_later_is_waited_for(server: RedisServer) -> None:
    server.kill()
    storage = open_storage(server.url, "memory://")
    opening = asyncio.create_task(storage.open())
    await asyncio.to_thread(server.start)
    await opening
    await storage.commit("t", Put("k", "a", b"1"))
    await storage.close()


async def test_a_wrong_password_is_not_tried_again(server: RedisServer) -> None:
    with server.client() as client:
        client.config_set("requirepass", "right secret")
    with pytest.raises(StorageError, match="refuses this user") as raised:
        await open_storage(server.url.replace("//", "//:wrong-secret@"), "memory://").open()
    assert "wrong-secret" not in str(raised.value)
    async with opened(server.url.replace("//", "//:right%20secret@")) as storage:
        await storage.commit("t", Append("log", (b"1",)))
        assert await storage.read("t", "log") == [(1, b"1")]


async def test_a_cluster_is_refused_by_name(tmp_path: Path) -> None:
    with (
        redis_server(tmp_path, "--cluster-enabled", "yes") as server,
        pytest.raises(StorageError, match="Redis Cluster"),
    ):
        await open_storage(server.url, "memory://").open()


async def test_a_server_that_forgets_is_warned_of(server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    with server.client() as client:
        client.config_set("maxmemory", "100mb")
        client.config_set("maxmemory-policy", "allkeys-lru")
    async with opened(server.url):
        pass
    told = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert ["nothing on disk" in told[0], "noeviction" in told[1], len(told)] == [True, True, 2]
    caplog.clear()
    with server.client() as client:
        client.config_set("appendonly", "yes")
        client.config_set("maxmemory-policy", "noeviction")
    async with opened(server.url):
        pass
    assert caplog.records == []


async def test_who_chose_no_place_for_files_is_told(
    server: RedisServer, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    storage = open_storage(server.url)
    await storage.open()
    await storage.put_blob("t", "key", b"1")
    await storage.close()
    assert any("BLOB_URL" in record.message for record in caplog.records)
    assert (tmp_path / "cortex-flow-files").is_dir()


async def test_two_prefixes_are_two_stores(server: RedisServer) -> None:
    async with opened(f"{server.url}?prefix=a") as one, opened(f"{server.url}?prefix=a.d") as other:
        await one.commit("t", Put("k", "x", b"1"), Append("log", (b"1",)))
        assert await other.get("t", "k", "x") is None
        assert [stored async for stored in other.everything()] == []
        assert len([stored async for stored in one.everything()]) == 2


async def test_a_schema_of_the_future_is_refused(server: RedisServer) -> None:
    assert await migrate(server.url) == (0, 1)
    assert await migrate(server.url) == (1, 1)
    for version, said in (("9", "newer Cortex Flow"), ("old", "another program")):
        with server.client() as client:
            client.set("cortex-flow:schema", version)
        for attempt in (open_storage(server.url, "memory://").open(), migrate(server.url)):
            with pytest.raises(StorageError, match=said):
                await attempt


async def test_a_server_that_has_forgotten_the_scripts_is_told_them_again(server: RedisServer) -> None:
    async with opened(server.url) as storage:
        for number in range(3):
            await storage.commit("t", Put("k", str(number), b"", "p"))
            with server.client() as client:
                client.script_flush()
            assert len(await storage.query("t", "k", parent="p")) == number + 1


async def test_one_process_hears_what_another_writes(server: RedisServer) -> None:
    async with opened(server.url) as here, opened(server.url) as there:
        waits = [asyncio.create_task(here.wait("t", "a:log", after, 60)) for after in (0, 0, 1)]
        await asyncio.sleep(0)
        await there.commit("t", Append("a:log", (b"1",)))
        assert await asyncio.gather(*waits[:2]) == [True, True]
        await there.commit("t", Append("a:log", (b"2",)))
        assert await waits[2]


async def test_a_waiter_hears_again_when_its_connection_was_cut(server: RedisServer) -> None:
    async with opened(server.url) as here, opened(server.url) as there:
        wait = asyncio.create_task(here.wait("t", "log", 0, 60))
        await asyncio.to_thread(server.until_listened, "cortex-flow:e:t:log")
        with server.client() as client:
            assert client.execute_command("CLIENT", "KILL", "TYPE", "pubsub") == 1
        await there.commit("t", Append("log", (b"1",)))  # while nobody listens, or just again
        assert await wait


async def test_a_store_that_is_closed_lets_nobody_wait(server: RedisServer) -> None:
    async with opened(server.url) as storage:
        wait = asyncio.create_task(storage.wait("t", "log", 0, 60))
        await asyncio.to_thread(server.until_listened, "cortex-flow:e:t:log")
    with pytest.raises(StorageError, match="not open"):
        await wait


async def test_a_replica_is_unavailable_until_it_is_promoted(server: RedisServer) -> None:
    async with opened(server.url) as storage:
        await storage.commit("t", Put("k", "a", b"1"))
        with server.client() as client:
            client.execute_command("REPLICAOF", "127.0.0.1", "1")
            with pytest.raises(StorageUnavailable, match="replica"):
                await storage.commit("t", Put("k", "a", b"2"))
            client.execute_command("REPLICAOF", "NO", "ONE")
        await storage.commit("t", Put("k", "a", b"3", expect=1))


async def test_a_full_server_takes_all_of_a_commit_or_nothing(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(server.url) as storage:
        await storage.commit("t", Put("k", "a", b"1", "p"), Append("log", (b"1",)))
        with server.client() as client:
            client.config_set("maxmemory", "1")
            for _ in range(3):
                with pytest.raises(StorageUnavailable, match="full"):
                    await storage.commit("t", Put("k", "b", b"2", "p"), Put("k", "a", b"2"), Append("log", (b"2",)))
            assert [each.id for each in await storage.query("t", "k", parent="p")] == ["a"]
            assert await storage.read("t", "log") == [(1, b"1")]
            await storage.commit("t", Delete("k", "a"))
            client.config_set("maxmemory", "0")
        await storage.commit("t", Put("k", "b", b"2", "p"))
    assert sum("more memory" in record.message for record in caplog.records) == 1


async def test_what_is_given_up_does_not_disturb_the_others(server: RedisServer) -> None:
    async with opened(server.url) as storage:
        names = [f"{number}" for number in range(50)]
        await storage.commit("t", *(Put("k", name, name.encode()) for name in names))
        for _ in range(20):
            reads = [asyncio.create_task(storage.get("t", "k", name)) for name in names]
            await asyncio.sleep(0)
            for read in reads[::2]:
                read.cancel()
            outcomes = await asyncio.gather(*reads, return_exceptions=True)
            assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes[::2])
            bodies = [
                outcome.body.decode()
                for outcome in outcomes[1::2]
                if outcome and not isinstance(outcome, BaseException)
            ]
            assert bodies == names[1::2]


async def test_a_server_that_hangs_is_unavailable_and_comes_back(server: RedisServer) -> None:
    async with opened(f"{server.url}?socket_timeout=0.3") as storage:
        with server.client() as client:
            client.execute_command("CLIENT", "PAUSE", "1000", "ALL")
        with pytest.raises(StorageUnavailable, match="no answer in time"):
            await storage.commit("t", Put("k", "a", b""))
        back = False
        while not back:
            with suppress(StorageUnavailable):
                await storage.get("t", "k", "a")
                back = True


async def test_what_was_acknowledged_is_there_after_every_kill(lasting: RedisServer) -> None:
    """Writers count up, each in a log of its own and with a document beside it, while the server is killed again and again."""
    writers, kills = 4, 4
    over, ended = asyncio.Event(), asyncio.Event()
    async with opened(lasting.url) as storage:
        acknowledged = [0] * writers
        busy = asyncio.Condition()

        async def write(number: int) -> None:
            log, count = f"log{number}", 0
            while not over.is_set():
                count += 1
                entry = str(count).encode()
                try:
                    await storage.commit(
                        "t", Put("k", f"{log}-{count}", entry, log, 0), Append(log, (entry,), count - 1)
                    )
                    acknowledged[number] = count
                    async with busy:
                        busy.notify_all()
                except StorageUnavailable:
                    count = await length(log)
                    assert count in {acknowledged[number], acknowledged[number] + 1}
                    acknowledged[number] = count

        async def length(log: str) -> int:
            while True:
                with suppress(StorageUnavailable):
                    return len(await storage.read("t", log, limit=1_000_000))
                await asyncio.sleep(0.01)

        async def follow(number: int) -> int:
            seen = 0
            while not (ended.is_set() and seen == acknowledged[number]):
                with suppress(StorageUnavailable):
                    await storage.wait("t", f"log{number}", seen, 60)
                    entries = await storage.read("t", f"log{number}", seen, 1_000_000)
                    assert [int(body) for _, body in entries] == list(range(seen + 1, seen + 1 + len(entries)))
                    seen += len(entries)
            return seen

        async def disturb() -> None:
            for _ in range(kills):
                goal = sum(acknowledged) + 100
                async with busy:
                    await busy.wait_for(lambda goal=goal: sum(acknowledged) >= goal)  # type: ignore[misc]
                lasting.kill()
                await asyncio.to_thread(lasting.start)
            over.set()

        followers = [asyncio.create_task(follow(number)) for number in range(writers)]
        await asyncio.gather(disturb(), *map(write, range(writers)))
        filed = [*acknowledged]
        acknowledged[:] = [count + 1 for count in filed]
        ended.set()
        for number, count in enumerate(filed):
            await storage.commit("t", Append(f"log{number}", (str(count + 1).encode(),), count))
        assert await asyncio.gather(*followers) == acknowledged
        for number, count in enumerate(filed):
            found = await storage.query("t", "k", parent=f"log{number}", order="asc", limit=1_000_000)
            assert [int(each.body) for each in found] == list(range(1, count + 1))


async def test_a_conflict_after_the_server_came_back_is_a_true_one(lasting: RedisServer) -> None:
    async with opened(lasting.url) as storage:
        await storage.commit("t", Append("log", (b"1",), 0))
        lasting.kill()
        with pytest.raises(StorageUnavailable):
            await storage.commit("t", Append("log", (b"2",), 1))
        await asyncio.to_thread(lasting.start)
        await storage.commit("t", Append("log", (b"2",), 1))
        with pytest.raises(Conflict):
            await storage.commit("t", Append("log", (b"2",), 1))


async def test_by_tls(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    options = ["--tls-cert-file", str(certificate), "--tls-key-file", str(key), "--tls-auth-clients", "no"]
    with redis_server(tmp_path, *options) as server:
        port = free_tls_port(server)
        url = f"rediss://127.0.0.1:{port}/0"
        async with opened(f"{url}?ssl_ca_certs={certificate}") as storage:
            await storage.commit("t", Put("k", "a", b"1"))
            assert await storage.get("t", "k", "a")


@pytest.mark.usefixtures("hurried")
async def test_a_certificate_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    options = ["--tls-cert-file", str(certificate), "--tls-key-file", str(key), "--tls-auth-clients", "no"]
    with redis_server(tmp_path, *options) as server, pytest.raises(StorageUnavailable, match="certificate"):
        await open_storage(f"rediss://127.0.0.1:{free_tls_port(server)}/0", "memory://").open()


def free_tls_port(server: RedisServer) -> int:
    port = free_port()
    with server.client() as client:
        client.config_set("tls-port", port)
    return port


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    places = folder / "server.crt", folder / "server.key"
    places[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    places[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return places


def test_without_its_package_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['redis'] = None\n"
        "from graph.storage import StorageError, open_storage\n"
        "try: open_storage('redis://localhost')\n"
        "except StorageError as error: print(error)\n"
    )
    root = Path(__file__).parents[3]
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=root, check=True, timeout=60, capture_output=True, text=True
    )
    assert "pip install 'cortex-flow[redis]'" in ended.stdout


async def test_any_text_is_a_name_of_no_other(server: RedisServer) -> None:
    """Names that would be the same keys if they were only joined."""
    names = ["a", "a:b", "b", ":", "a%3Ab", "%3A", "1:a", "\ud800"]
    async with opened(server.url) as storage:
        for tenant in names:
            for kind in names:
                await storage.commit(
                    tenant,
                    *(Put(kind, id, (tenant + kind + id).encode("utf-8", "surrogatepass"), id, 0, id) for id in names),
                )
        for tenant in names:
            for kind in names:
                for id in names:
                    [found] = await storage.query(tenant, kind, parent=id, label=id)
                    assert found.body == (tenant + kind + id).encode("utf-8", "surrogatepass")
        assert len([each async for each in storage.everything()]) == len(names) ** 3


async def test_nothing_is_left_of_what_was_deleted(server: RedisServer) -> None:
    async with opened(server.url) as storage:
        await storage.commit("t", Put("k", "a", b"", "p", 0, "l", due=1), Append("log", (b"1",)))
        await storage.commit(
            "t", Put("k", "a", b"", "q", None, "m", due=2), Put("k", "b", b"", "x" * 500, 0, "y" * 500)
        )
        await storage.commit("t", Put("k", "a", b""), Put("k", "b", b"", "z", label="l", due=3))
        await storage.commit("t", Delete("k", "a"), Put("k", "a", b"", "p", 0, "l", due=1), Delete("k", "b"))
        await storage.commit("t", Delete("k", "a"), Drop("log"))
    with server.client() as client:
        assert {*client.scan_iter()} == {"cortex-flow:schema", "cortex-flow:sequence"}
