"""The files to deploy with: as far as they can be tried without Docker. `.ci/run` takes the image's own steps."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes_validate.utils import validate
from typer.testing import CliRunner

from servers.commands import commands
from servers.settings import listening_nowhere, load

ROOT = Path(__file__).parents[2]
COMPOSE = ("compose.yaml", "compose.fleet.yaml")
MANIFESTS = sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml"))
VERSION = "1.33"


def documents(path: Path) -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load_all(path.read_text(encoding="utf-8")) if each]


def ours(name: str) -> Mapping[str, Mapping[str, Any]]:
    """The services of a compose file that run our image."""
    [file] = documents(ROOT / name)
    return {key: each for key, each in file["services"].items() if each["image"] == "cortex-flow"}


def workloads() -> Iterator[dict[str, Any]]:
    return (each for path in MANIFESTS for each in documents(path) if each["kind"] == "Deployment")


def variables() -> set[str]:
    """The environment variables that the service reads."""
    documented = (ROOT / ".env.example").read_text(encoding="utf-8")
    return set(re.findall(r"^([A-Z_]+)=", documented, re.MULTILINE))


def understood(arguments: list[str]) -> bool:
    """Whether the command line takes these arguments: it gets as far as explaining itself."""
    return CliRunner().invoke(commands, [*arguments, "--help"]).exit_code == 0


def test_dockerfile_has_no_fault_that_a_linter_knows() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    done = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_image_runs_as_nobody_in_particular_and_sets_only_what_exists() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert "USER 10001:10001" in dockerfile
    own = {"PATH", "PYTHONUNBUFFERED"}
    assert set(re.findall(r"^(?:ENV|   ) ([A-Z_]+)=", dockerfile, re.MULTILINE)) - own <= variables()


def test_image_gets_every_folder_that_the_package_is_made_of() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    [modules] = re.findall(r"^module-name = (\[.*\])", project, re.MULTILINE)
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    kept = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for module in yaml.safe_load(modules):
        assert f"COPY {module} {module}" in dockerfile
        assert f"!{module}" in kept


@pytest.mark.parametrize("name", COMPOSE)
def test_composed_services_are_told_what_they_understand(name: str) -> None:
    services = ours(name)
    assert services
    for service in services.values():
        assert set(service["environment"]) <= variables()
        assert understood(service.get("command", ["serve"]))


@pytest.mark.parametrize("name", COMPOSE)
def test_composed_services_are_locked_up(name: str) -> None:
    for service in ours(name).values():
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", COMPOSE)
def test_composed_services_have_settings_that_can_be_used(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for service in ours(name).values():
        plain = {key: _filled(text) for key, text in service["environment"].items()}
        with monkeypatch.context() as environment:
            for key, value in plain.items():
                environment.setenv(key, value)
            environment.setenv("OPENAI_COMPAT_HOST", "0.0.0.0")  # as in the image
            made = listening_nowhere() if service.get("command") == ["worker"] else load()
            assert made.storage_url == plain.get("STORAGE_URL", made.storage_url)


def _filled(text: str) -> str:
    """A value with its variables: what is asked for is given, what has a default has that."""
    asked = re.sub(r"\$\{[A-Z_]+:\?[^}]*\}", "given", text)
    return re.sub(r"\$\{[A-Z_]+:-([^}]*)\}", r"\1", asked)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_manifests_are_what_kubernetes_takes(path: Path) -> None:
    for each in documents(path):
        if each["kind"] != "Kustomization":
            validate(each, VERSION, strict=True)


def test_kustomization_names_every_manifest_but_the_example() -> None:
    [kustomization] = documents(ROOT / "deploy" / "kubernetes" / "kustomization.yaml")
    names = {path.name for path in MANIFESTS} - {"kustomization.yaml", "secret.example.yaml"}
    assert set(kustomization["resources"]) == names


def test_pods_are_locked_up_and_told_what_they_understand() -> None:
    seen = 0
    for workload in workloads():
        pod = workload["spec"]["template"]["spec"]
        [container] = pod["containers"]
        assert pod["securityContext"]["runAsUser"] == 10001
        assert pod["securityContext"]["runAsNonRoot"]
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert understood(container["args"])
        seen += 1
    assert seen == 2


def test_configuration_and_secret_hold_variables_that_exist() -> None:
    [config] = documents(ROOT / "deploy" / "kubernetes" / "config.yaml")
    [secret] = documents(ROOT / "deploy" / "kubernetes" / "secret.example.yaml")
    assert set(config["data"]) | set(secret["stringData"]) <= variables()


def test_pods_have_longer_to_stop_than_the_service_takes() -> None:
    longest = load().drain_seconds
    for workload in workloads():
        assert workload["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > longest
    for name in COMPOSE:
        for service in ours(name).values():
            assert int(service["stop_grace_period"].removesuffix("s")) > longest
