"""What is packed and installed: our names are ours, the data travels with the code, the settings are documented."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import tomllib
import zipfile
from pathlib import Path

import pytest
from pydantic import AliasChoices

from servers.settings import Settings, load

ROOT = Path(__file__).parent.parent
ROOMS = ("servers", "agents", "graph")
DISTRIBUTION = "cortex-flow"
DATA = (".gz", ".md", ".html", ".css", ".js", ".svg", ".txt", "LICENSE", "py.typed")


@pytest.mark.parametrize("room", ROOMS)
def test_our_import_names_are_ours(room: str) -> None:
    """`agents` is also the import name of the OpenAI Agents SDK: the two cannot live in one environment."""
    spec = importlib.util.find_spec(room)
    assert spec is not None
    assert spec.origin == str(ROOT / room / "__init__.py")
    owners = importlib.metadata.packages_distributions().get(room, [DISTRIBUTION])
    assert set(owners) == {DISTRIBUTION}


def test_the_installed_command_is_ours() -> None:
    [command] = importlib.metadata.entry_points(group="console_scripts", name="cortex-flow")
    assert command.value == "servers.cli:main"
    assert command.dist is not None
    assert command.dist.name == DISTRIBUTION


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names in the wheel that users install. uv builds it with its own backend: offline, in half a second."""
    uv, folder = os.environ.get("UV") or shutil.which("uv"), tmp_path_factory.mktemp("wheel")
    assert uv, "the tests need uv: run them by `uv run`"
    command = [uv, "build", "--wheel", "--quiet", "--out-dir", str(folder), str(ROOT)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    [path] = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


def test_the_wheel_holds_the_rooms_and_their_data(wheel: set[str]) -> None:
    files = (path for room in ROOMS for path in (ROOT / room).rglob("*") if path.name.endswith((".py", *DATA)))
    missing = {path.relative_to(ROOT).as_posix() for path in files} - wheel
    assert not missing
    assert {"graph/vocabularies/cl100k_base.gz", "graph/vocabularies/o200k_base.gz"} <= wheel
    assert [name for name in wheel if name.startswith("graph/sample_library/")]


def test_the_wheel_holds_nothing_else(wheel: set[str]) -> None:
    assert {name.partition("/")[0] for name in wheel if ".dist-info/" not in name} == set(ROOMS)
    assert not [name for name in wheel if "__pycache__" in name or name.endswith((".db", ".env"))]
    licences = {name.partition("/licenses/")[2] for name in wheel if "/licenses/" in name}
    assert licences == {"LICENSE", "graph/vocabularies/LICENSE"}


def test_no_committed_file_of_the_lock_names_an_index() -> None:
    assert "://" not in (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pins = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["uv"]
    assert not {"index", "index-url", "extra-index-url", "find-links"} & pins.keys()
    assert all(re.match(r"^[a-z0-9-]+==[^ ;]+( ; .+)?$", pin) for pin in pins["constraint-dependencies"])


def variables() -> list[list[str]]:
    """The environment variables of each setting, the one to use first."""
    aliases = [field.validation_alias for field in Settings.model_fields.values()]
    return [
        [str(name) for name in alias.choices] if isinstance(alias, AliasChoices) else [str(alias)] for alias in aliases
    ]


def documented() -> dict[str, str]:
    """The variables of .env.example: lines of `NAME=value`, commented out or not."""
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    matches = [match for line in lines if (match := re.match(r"(?:#\s?)?([A-Z][A-Z0-9_]+)=(.*)", line))]
    names = [match[1] for match in matches]
    assert len(names) == len(set(names)), "a variable is listed twice"
    return {match[1]: match[2].partition(" #")[0].strip() for match in matches}


def test_the_example_environment_lists_every_setting() -> None:
    names = documented().keys()
    assert {first for first, *_ in variables()} <= names
    assert names <= {name for each in variables() for name in each}


def test_the_example_environment_shows_the_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Copied as it is, with every line switched on, it changes nothing."""
    monkeypatch.chdir(tmp_path)
    for name in (name for each in variables() for name in each):
        monkeypatch.delenv(name, raising=False)
    plain = load().model_dump()
    for name, value in documented().items():
        monkeypatch.setenv(name, value)
    assert load().model_dump() == plain
