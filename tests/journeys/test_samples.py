"""What people have written for OpenAI's Assistants API runs here as it is, with the clients of then and of now."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.capable import capable, text_of
from tests.journeys.drivers import LONGEST, NODE, need_node
from tests.journeys.server import Server
from tests.journeys.stage import Stage
from tests.replies import Reply
from tests.upstream import Body

pytestmark = pytest.mark.xdist_group("journeys-talk")

PYTHON1 = Path(__file__).parents[1] / "python1"
RUNS_IN = {"openai-python": "now", "openai-python 1": "python1", "openai": "node", "openai4": "node"}
SEEN: dict[str, Any] = {
    "quickstart": ["completed", "Hello! You said: What is 2 + 2?"],
    "migration": [
        "completed",
        'Hello! You said: Analyze the sentiment of this review: "Absolutely loved this product!"',
        True,
    ],
    "memory": ["Hello! You said: Hi, my name is Alex", "Your name is Alex."],
    "tool_outputs": [
        "requires_action",
        [["get_weather", {"city": "Rome"}]],
        "completed",
        "Hello! You said: sun",
        ["tool_calls", "message_creation"],
    ],
    "errors": [404, True, "not_found"],
    "models": [
        ["ollama/llama3.2:3b", "completed", "Hello! You said: Hello"],
        ["openai/gpt-4o", "completed", "Hello! You said: Hello"],
    ],
    "management": [True, "Code Expert", 0.5, {"n": "0"}, {"source": "web"}, [True] * 4],
    "cancelling": "cancelled",
    "streaming": [
        "completed",
        True,
        1,
        1,
        "Hello! You said: Good morningHello! You said: sun",
        ["Hello! You said: Good morning", "Hello! You said: sun"],
        ['{"city":"Rome"}'],
    ],
    "file_upload": ["data.csv", "a,b\n1,2\n", True],
    "streaming_async": ["completed", "Hello! You said: Good morning", ["Hello! You said: Good morning"]],
}
PLAYED = [(client, name) for client in RUNS_IN for name in SEEN if "python" in client or not name.endswith("_async")]

Play = Callable[[dict[str, str]], Any]


def player(command: Sequence[str], folder: Path) -> Iterator[Play]:
    """A process that plays samples, one after the other."""
    with subprocess.Popen(
        command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        orders, answers = process.stdin, process.stdout

        def play(order: dict[str, str]) -> Any:
            orders.write(json.dumps(order) + "\n")
            orders.flush()
            told = json.loads(answers.readline() or '{"failed": "the process has ended"}')
            assert "failed" not in told, told["failed"]
            return told

        try:
            yield play
        finally:
            process.communicate(timeout=LONGEST)


@pytest.fixture(scope="session")
def now() -> Iterator[Play]:
    yield from player([sys.executable, "samples.py"], PYTHON1)


@pytest.fixture(scope="session")
def python1() -> Iterator[Play]:
    interpreter = PYTHON1 / ".venv" / "bin" / "python"
    if not interpreter.exists():
        missing = "The client of then is not installed: `uv run poe python1`."
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    yield from player([str(interpreter), "samples.py"], PYTHON1)


@pytest.fixture(scope="session")
def node() -> Iterator[Play]:
    need_node()
    yield from player([str(shutil.which("node")), "samples.mjs"], NODE)


@pytest.mark.parametrize(("client", "name"), PLAYED)
def test_a_sample(client: str, name: str, scripted: Server, stage: Stage, request: pytest.FixtureRequest) -> None:
    stage.play(remembering)
    play: Play = request.getfixturevalue(RUNS_IN[client])
    told = play({"client": client, "play": name, "url": f"{scripted.url}/v1"})
    assert told["told"] == SEEN[name]
    if client.startswith("openai-python"):
        assert told["version"].startswith("1.") == client.endswith(" 1")


def remembering(body: Body) -> Reply:
    """A capable model that knows who it talks with."""
    said = [text_of(message) for message in body["messages"] if message["role"] == "user"]
    if said[-1] == "What is my name?":
        names = re.findall(r"my name is (\w+)", " ".join(said))
        return Reply(f"Your name is {names[-1]}." if names else "You have not told me.")
    return capable(body)


def test_the_curl_flow(scripted: Server, stage: Stage) -> None:
    stage.play("Hello to you.")
    wire = scripted.wire()

    def curl(path: str, data: str | None = None, method: str = "POST") -> Any:
        answer = wire.ask(method, path, data.encode() if data else None)
        assert answer.status == 200, answer
        return answer.json

    assistant = curl("/v1/assistants", '{"name":"Helper","instructions":"Answer briefly.","model":"gpt-4o-mini"}')
    thread = curl("/v1/threads")
    messages = f"/v1/threads/{thread['id']}/messages"
    curl(messages, '{"role":"user","content":"Hello!"}')
    run = curl(f"/v1/threads/{thread['id']}/runs", f'{{"assistant_id":"{assistant["id"]}"}}')
    followed = wire.ask("GET", f"/v1/threads/{thread['id']}/runs/{run['id']}?stream=true")
    assert followed.body.endswith(b"data: [DONE]\n\n")
    newest, question = curl(messages, method="GET")["data"]
    assert newest["content"][0]["text"]["value"] == "Hello to you."
    assert question["content"][0]["text"]["value"] == "Hello!"
    assert "Answer briefly." in stage.requests[-1].body["messages"][0]["content"]
