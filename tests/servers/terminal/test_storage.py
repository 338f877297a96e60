"""`cortex-flow storage copy` as a process, and what the real server answers over the copy."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from tests import backends
from tests.journeys.server import COMMAND, running
from tests.servers.terminal.test_chat import environment

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
KEYS = "acme:k,other:l"


def copied(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND[0], "storage", "copy", *arguments],
        cwd=folder,
        env=environment(folder, {}),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def store(folder: Path, name: str) -> dict[str, str]:
    return {"STORAGE_URL": f"sqlite:///{folder}/{name}.db", "OPENAI_COMPAT_API_KEYS": KEYS}


def populate(client: OpenAI) -> list[str]:
    """A chat, a vector store with a file, an assistant that has it, and threads with runs, whose ids are returned."""
    for turn in ("My name is Alice.", "What is my name?"):
        client.chat.completions.create(
            model="cortex-flow",
            messages=[{"role": "user", "content": turn}],
            store=True,
            extra_body={"conversation_id": "talk"},
        )
    file = client.files.create(
        file=("whales.md", b"# Whales\n\nThe blue whale is the largest animal."), purpose="assistants"
    )
    shelf = client.vector_stores.create(name="animals")
    client.vector_stores.files.create_and_poll(file.id, vector_store_id=shelf.id)
    assistant = client.beta.assistants.create(
        model="cortex-flow",
        name="Keeper",
        tools=[{"type": "file_search"}],
        tool_resources={"file_search": {"vector_store_ids": [shelf.id]}},
    )
    threads = []
    for question in ("Which animal is the largest?", "And what did I ask?"):
        thread = client.beta.threads.create(messages=[{"role": "user", "content": question}])
        client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
        threads.append(thread.id)
    return threads


def answers(client: OpenAI, threads: list[str]) -> dict[str, Any]:
    """All that a client can read."""
    told: dict[str, Any] = {
        "completions": [each.model_dump() for each in client.chat.completions.list()],
        "assistants": [each.model_dump() for each in client.beta.assistants.list()],
        "files": [each.model_dump() for each in client.files.list()],
        "content": [client.files.content(each.id).content for each in client.files.list()],
        "stores": [each.model_dump() for each in client.vector_stores.list()],
    }
    for each in client.vector_stores.list():
        told[f"in {each.id}"] = [file.model_dump() for file in client.vector_stores.files.list(each.id)]
        found = client.vector_stores.search(each.id, query="the largest animal")
        told[f"found in {each.id}"] = [hit.model_dump() for hit in found]
    for thread in threads:
        told[thread] = client.beta.threads.retrieve(thread).model_dump()
        told[f"said in {thread}"] = [each.model_dump() for each in client.beta.threads.messages.list(thread)]
        for run in client.beta.threads.runs.list(thread):
            told[run.id] = run.model_dump()
            steps = client.beta.threads.runs.steps.list(run.id, thread_id=thread)
            told[f"steps of {run.id}"] = [step.model_dump() for step in steps]
    return told


def without_passing(told: dict[str, Any]) -> dict[str, Any]:
    """`last_active_at` is when a store was last searched, which it was since."""
    for store in told["stores"]:
        store.pop("last_active_at", None)
    return told


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[list[str]]:
    """A store of each backend that can be reached by another process."""
    with ExitStack() as stack:
        urls = []
        for scheme in backends.EVERY:
            if scheme != "memory" and backends.GROUNDS[scheme].available():
                folder = tmp_path / scheme
                folder.mkdir()
                urls.append(stack.enter_context(backends.empty(scheme, folder)))
        yield urls


@pytest.mark.timeout(300)
def test_a_server_answers_the_same_over_every_copy(tmp_path: Path, chain: list[str]) -> None:
    with running(tmp_path, **store(tmp_path, "first")) as server:
        refused = copied(tmp_path, f"sqlite:///{tmp_path}/first.db", f"sqlite:///{tmp_path}/early.db")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "is in use by another server" in refused.stderr
        url = f"{server.url}/v1"
        with OpenAI(base_url=url, api_key="k") as acme, OpenAI(base_url=url, api_key="l") as other:
            threads = [populate(acme), populate(other)]
            expected = [without_passing(answers(acme, threads[0])), without_passing(answers(other, threads[1]))]
    urls = [f"sqlite:///{tmp_path}/first.db", *chain, f"sqlite:///{tmp_path}/last.db"]
    tables = []
    for number, (source, target) in enumerate(pairwise(urls)):
        blobs = [str(tmp_path / "first-files") if number == 0 else str(tmp_path / f"blobs-{number}")]
        blobs.append(str(tmp_path / f"blobs-{number + 1}"))
        ended = copied(tmp_path, source, target, "--from-blobs", blobs[0], "--to-blobs", blobs[1])
        assert ended.returncode == 0, ended.stderr
        assert all(" WARNING graph.storage.redis" in line for line in ended.stderr.splitlines()), ended.stderr
        tables.append(ended.stdout)
    assert len(set(tables)) == 1
    assert "acme" in tables[0]
    with running(tmp_path, **store(tmp_path, "last"), BLOB_URL=blobs[1]) as server:
        url = f"{server.url}/v1"
        with OpenAI(base_url=url, api_key="k") as acme, OpenAI(base_url=url, api_key="l") as other:
            assert without_passing(answers(acme, threads[0])) == expected[0]
            assert without_passing(answers(other, threads[1])) == expected[1]
            said = acme.chat.completions.create(
                model="cortex-flow",
                messages=[{"role": "user", "content": "What is my name?"}],
                extra_body={"conversation_id": "talk"},
            )
            assert "Alice" in (said.choices[0].message.content or "")


@pytest.mark.parametrize(
    ("source", "target", "complaint"),
    [
        ("memory://", "sqlite:///b.db", "gone with its process"),
        ("sqlite:///a.db", "memory://", "gone with its process"),
        ("sqlite:///a.db", "sqlite:///a.db", "the same storage"),
        ("mysql://me:secret@host/a", "sqlite:///b.db", "no storage backend serves mysql://"),
        ("sqlite:///a.db", "cosmos://host/b?key=c2VjcmV0&ttl=1", "no parameter 'ttl'"),
    ],
)
def test_what_can_not_be_copied_is_one_line(tmp_path: Path, source: str, target: str, complaint: str) -> None:
    ended = copied(tmp_path, source, target)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert complaint in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert "secret" not in ended.stderr
    assert "c2VjcmV0" not in ended.stderr


def test_an_empty_storage_is_copied_and_one_that_is_not_is_refused(tmp_path: Path) -> None:
    ended = copied(tmp_path, "sqlite:///a.db", "sqlite:///b.db")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "There was nothing to copy.\n", "")
    with (
        running(tmp_path, **store(tmp_path, "b")) as server,
        OpenAI(base_url=f"{server.url}/v1", api_key="k") as client,
    ):
        client.files.create(file=("a.txt", b"a"), purpose="assistants")
    refused = copied(tmp_path, "sqlite:///a.db", f"sqlite:///{tmp_path}/b.db")
    assert refused.returncode == 1
    assert "A copy needs an empty storage" in refused.stderr
