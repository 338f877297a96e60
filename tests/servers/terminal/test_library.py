"""`cortex-flow library` as a process, beside a server and without one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.journeys.server import COMMAND, running

QUESTION = "What is the quokkaphone?"


def library(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(folder, "library", *arguments)


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "STORAGE_URL": f"sqlite:///{folder}/cortex-flow.db"}
    return subprocess.run(
        [COMMAND[0], *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def handbook(folder: Path) -> Path:
    root = folder / "handbook"
    (root / "deep").mkdir(parents=True)
    (root / "deep" / "quokka.md").write_text("The quokkaphone is a telephone for quokkas.")
    (root / "other.txt").write_text("Nothing of interest.")
    (root / ".hidden.txt").write_text("The quokkaphone is secret.")
    (root / "broken.pdf").write_bytes(b"%PDF-1.7 broken")
    return root


def test_a_folder_is_added_asked_changed_and_removed(tmp_path: Path) -> None:
    root = handbook(tmp_path)
    added = library(tmp_path, "add", str(root))
    assert added.returncode == 1
    assert "3 of 3 documents are new or have changed." in added.stdout
    assert "broken.pdf: The file is broken" in added.stdout
    (root / "broken.pdf").unlink()
    again = library(tmp_path, "add", str(root))
    assert (again.returncode, again.stdout) == (0, "0 of 2 documents are new or have changed.\n")
    assert "a telephone for quokkas" in run(tmp_path, "chat", QUESTION).stdout
    (root / "deep" / "quokka.md").write_text("The quokkaphone is a musical instrument.")
    assert "1 of 2" in library(tmp_path, "add", str(root)).stdout
    answer = run(tmp_path, "chat", QUESTION).stdout
    assert "musical instrument" in answer
    assert "telephone" not in answer
    listed = library(tmp_path, "list").stdout
    assert "deep/quokka.md  (completed, 40 bytes)" in listed
    assert "hidden" not in listed
    assert library(tmp_path, "remove", "deep/quokka.md", "none.md").returncode == 1
    assert "musical" not in run(tmp_path, "chat", QUESTION).stdout


def test_a_server_on_the_same_file_finds_it_at_once(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        path = tmp_path / "quokka.txt"
        path.write_text("The quokkaphone is a telephone for quokkas.")
        assert library(tmp_path, "add", str(path)).returncode == 0
        said = server.client().chat.completions.create(
            model="cortex-flow", messages=[{"role": "user", "content": QUESTION}]
        )
        assert "telephone for quokkas" in (said.choices[0].message.content or "")
        assert list(server.client().files.list()) == []


def test_what_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    assert library(tmp_path, "add", str(tmp_path / "none")).returncode == 2
