"""Pin every version, without naming an index: `uv run poe lock`, with `--upgrade` for the newest of everything.

A `uv.lock` carries the addresses of the index it was made with and breaks behind another one, so it is not committed.
Its versions are, twice: as `constraint-dependencies` in pyproject.toml, where every `uv run` obeys them, and with
hashes in requirements.lock, for `--require-hashes`. `--check` says, without network, whether the two are up to date.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PROJECT = ROOT / "pyproject.toml"
REQUIREMENTS = ROOT / "requirements.lock"

CLIENTS = ("--no-extra", "clients")  # it is for programs that call the service, and nothing of it runs here
HEAD = "# Every version that runs, with hashes: written by `uv run poe lock`. Without the tools of development.\n# inputs: {}\n"
CONSTRAINTS = re.compile(r"^constraint-dependencies = \[(?:\]|.*?^\])", re.DOTALL | re.MULTILINE)
PIN = re.compile(r"^(?P<name>[a-z0-9-]+)==(?P<version>[^\s;\\]+)(?: ; (?P<marker>[^\\]+?))?(?: \\)?$", re.MULTILINE)


def main() -> None:
    parser = argparse.ArgumentParser(description="Pin every version, without naming an index.")
    parser.add_argument("--check", action="store_true", help="only say whether the pins are up to date")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions, not the pinned ones")
    arguments = parser.parse_args()
    if not arguments.check:
        write(arguments.upgrade)
    elif problems := [*stale()]:
        sys.exit("\n".join([*problems, "Run `uv run poe lock`."]))


def write(upgrade: bool) -> None:
    """Resolve anew, keeping the versions of the last `uv.lock` where they still fit, and write both files."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if (ROOT / "uv.lock").exists():
            shutil.copy(ROOT / "uv.lock", folder)
        _lock(folder, _constrained([]), *["--upgrade"] if upgrade else [])
        project = _constrained(_pins(_export(folder, "--all-groups", "--no-hashes")))
        _lock(folder, project)
        requirements = HEAD.format(digest(project)) + _export(folder, "--no-dev", *CLIENTS)
    PROJECT.write_text(project, encoding="utf-8")
    REQUIREMENTS.write_text(requirements, encoding="utf-8")
    print(f"{len(PIN.findall(requirements))} packages to run, {len(_constraints(project))} with development")


def stale() -> Iterator[str]:
    """What is out of date, in sentences."""
    project, requirements = PROJECT.read_text(encoding="utf-8"), REQUIREMENTS.read_text(encoding="utf-8")
    if f"# inputs: {digest(project)}\n" not in requirements:
        yield "requirements.lock was written for other requirements than those in pyproject.toml."
    if "://" in requirements or "--index" in requirements:
        yield "requirements.lock names an index."
    pins = _versions(_constraints(project))
    for match in PIN.finditer(requirements):
        if match["version"] not in pins[match["name"]]:
            yield f"requirements.lock has {match['name']} {match['version']}, pyproject.toml has not."
    for name, version in _installed():
        if pins[name] and version not in pins[name]:
            yield f"{name} {version} is installed, pyproject.toml pins {' or '.join(sorted(pins[name]))}."


def digest(project: str) -> str:
    """A fingerprint of all that pyproject.toml says about versions."""
    content = tomllib.loads(project)
    keys = ("requires-python", "dependencies", "optional-dependencies")
    inputs = [*(content["project"].get(key) for key in keys), content["dependency-groups"], _constraints(project)]
    return "sha256:" + hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def _constrained(pins: list[str]) -> str:
    """pyproject.toml with these constraints."""
    lines = "".join(f"    {json.dumps(pin)},\n" for pin in pins)
    block = f"constraint-dependencies = [\n{lines}]" if pins else "constraint-dependencies = []"
    text, count = CONSTRAINTS.subn(lambda _: block, PROJECT.read_text(encoding="utf-8"))
    if count != 1:
        sys.exit("pyproject.toml needs exactly one `constraint-dependencies = [...]`.")
    return text


def _constraints(project: str) -> list[str]:
    pins: list[str] = tomllib.loads(project)["tool"]["uv"]["constraint-dependencies"]
    return pins


def _pins(exported: str) -> list[str]:
    """One line per package; with markers only where the version depends on them."""
    found = defaultdict(list)
    for match in PIN.finditer(exported):
        found[match["name"]].append(match)
    alone = (f"{name}=={matches[0]['version']}" for name, matches in found.items() if len(matches) == 1)
    forked = (match[0] for matches in found.values() if len(matches) > 1 for match in matches)
    return sorted([*alone, *forked])


def _versions(pins: list[str]) -> defaultdict[str, set[str]]:
    versions = defaultdict(set)
    for match in PIN.finditer("\n".join(pins)):
        versions[match["name"]].add(match["version"])
    return versions


def _installed() -> Iterator[tuple[str, str]]:
    for distribution in importlib.metadata.distributions():
        yield re.sub(r"[-_.]+", "-", distribution.name).lower(), distribution.version


def _lock(folder: Path, project: str, *options: str) -> None:
    (folder / PROJECT.name).write_text(project, encoding="utf-8")
    _uv(folder, "lock", "--quiet", *options)


def _export(folder: Path, *options: str) -> str:
    shape = ("--frozen", "--all-extras", "--no-emit-project", "--no-header", "--no-annotate")
    return _uv(folder, "export", *shape, *options)


def _uv(folder: Path, *arguments: str) -> str:
    uv = os.environ.get("UV") or shutil.which("uv") or sys.exit("uv is not on the PATH.")
    done = subprocess.run([uv, *arguments], cwd=folder, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"uv {arguments[0]} failed:\n{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
