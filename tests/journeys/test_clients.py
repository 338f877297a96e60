"""The clients that people use, each with the same scenarios of tools, against a running server."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.drivers import Driver, LangChain, Node, OpenAIPython, node
from tests.journeys.fixtures import thinking_with
from tests.journeys.scenarios import SCENARIOS, Refused, Request, Scenario, Seen, Step
from tests.journeys.server import Server, running
from tests.journeys.stage import Stage
from tests.upstream import Body

pytestmark = pytest.mark.xdist_group("journeys-talk")

PYTHON: Mapping[str, Driver] = {"openai-python": OpenAIPython, "langchain": LangChain}
NODE = {  # client: the script that drives it
    "openai": "openai",
    "openai4": "openai",
    "@ai-sdk/openai": "ai",
    "@ai-sdk/openai-compatible": "ai",
}
PLAYED = [
    (client, name)
    for client in [*PYTHON, *NODE]
    for name, scenario in SCENARIOS.items()
    if client not in scenario.without
]


@pytest.fixture(scope="session")
def openai_node() -> Iterator[Node]:
    with node("openai") as process:
        yield process


@pytest.fixture(scope="session")
def ai_node() -> Iterator[Node]:
    with node("ai") as process:
        yield process


@pytest.fixture
def driver(client: str, request: pytest.FixtureRequest) -> Driver:
    if client in PYTHON:
        return PYTHON[client]
    process: Node = request.getfixturevalue(f"{NODE[client]}_node")
    return process.client(client)


@pytest.fixture(scope="session")
def elsewhere(folder: Path, stage: Stage) -> Iterator[Server]:
    """A server on the same upstream that knows nothing of what the other one was told."""
    with running(folder / "elsewhere", **thinking_with(stage), STORAGE_URL="memory://") as server:
        yield server


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("client", "name"), PLAYED)
# The client's types say that `metadata` holds strings alone; ours holds what the guide promises.
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
def test_tools(
    name: str,
    stream: bool,
    driver: Driver,
    stage: Stage,
    scripted: Server,
    new_id: Callable[[], str],
    request: pytest.FixtureRequest,
) -> None:
    scenario = SCENARIOS[name]
    stage.play(scenario.script())
    session = driver({"url": base(scripted), "request": fields(scenario.request, stream, new_id)})
    for step in scenario.steps:
        url = base(request.getfixturevalue("elsewhere")) if step.elsewhere else base(scripted)
        check(step.sees, session(order(step, url)))
    check_upstream(scenario, stage)


def base(server: Server) -> str:
    return f"{server.url}/v1"


def fields(request: Request, stream: bool, new_id: Callable[[], str]) -> dict[str, Any]:
    """The fields of every request, but those that have nothing to say."""
    given = {name: value for name, value in asdict(request).items() if value not in (None, ())}
    remembered = {"conversation_id": new_id()} if given.pop("remembered") else {}
    likely = {"logprobs": True} if "top_logprobs" in given else {}
    return {"model": "cortex-flow", "stream": stream, **given, **likely, **remembered}


def order(step: Step, url: str) -> dict[str, Any]:
    told = asdict(step)
    return {"url": url, **{name: told[name] for name in ("say", "outputs", "alone", "loop") if told[name]}}


def check(expected: Seen | Refused, told: Mapping[str, Any]) -> None:
    match expected:
        case Refused(status=status, param=param):
            assert told == {"refused": status, "param": param}
        case Seen(parsed=None):
            calls = [list(call) for call in expected.calls]
            tokens = {} if expected.tokens is None else {"tokens": [*expected.tokens]}
            assert told == {"text": expected.text, "calls": calls, "finish": expected.finish, **tokens}
        case Seen(parsed=parsed):
            assert told["parsed"] == parsed


def check_upstream(scenario: Scenario, stage: Stage) -> None:
    asked = stage.requests[0].body
    if scenario.prompt is not None:
        assert stage.prompt == [*scenario.prompt]
    if scenario.offered is not None:
        assert {tool["function"]["name"] for tool in asked["tools"]} == scenario.offered
    if scenario.agents is not None:
        assert stage.agents == [*scenario.agents]
    if scenario.request.schema is not None:
        assert asked["response_format"]["type"] == "json_schema"
    for name, value in scenario.asked.items():
        assert holds(asked, name, value)


def holds(body: Body, name: str, value: Any) -> bool:
    """Whether the field is this; for a list, whether it holds all this."""
    found = body.get(name)
    return all(each in (found or ()) for each in value) if isinstance(value, list) else bool(found == value)
