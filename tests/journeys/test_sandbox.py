"""`SANDBOX=wasi`: an assistant's programs have pandas and matplotlib."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agents.tools.sandbox.backends import without_wasi
from tests.journeys.fixtures import thinking_with
from tests.journeys.server import Server, running
from tests.journeys.stage import Stage
from tests.replies import Reply
from tests.upstream import by_agent

pytestmark = [
    pytest.mark.skipif(without_wasi() is not None, reason=without_wasi() or ""),
    pytest.mark.xdist_group("journeys-trouble"),
    pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The Assistants API is deprecated:DeprecationWarning"),
]

SALES = b"city,price\nRome,1\nOslo,2.5\nRome,4\n"
MEANS = "import pandas as pd\nmeans = pd.read_csv('/mnt/data/sales.csv').groupby('city').price.mean()\nmeans.to_dict()"
PLOT = "import matplotlib.pyplot as plt\nmeans.plot.bar()\nplt.show()"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, stage: Stage) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("wasi")
    with running(folder, SANDBOX="wasi", **thinking_with(stage)) as server:
        yield server


def test_pandas_reads_an_uploaded_table_and_matplotlib_draws_it(server: Server, stage: Stage) -> None:
    client = server.client()
    tools: Any = [{"type": "code_interpreter"}]
    stage.play(
        by_agent(
            supervisor=[Reply(calls=[("python", {"code": MEANS})]), Reply(calls=[("python", {"code": PLOT})]), "Drawn."]
        )
    )
    sales = client.files.create(file=("sales.csv", SALES), purpose="assistants")
    resources: Any = {"code_interpreter": {"file_ids": [sales.id]}}
    assistant = client.beta.assistants.create(model="cortex-flow", tools=tools, tool_resources=resources)
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "The mean price by city, drawn."}])
    done = client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
    assert done.status == "completed", done
    steps = client.beta.threads.runs.steps.list(done.id, thread_id=thread.id, order="asc")
    calls: list[Any] = [call for step in steps for call in getattr(step.step_details, "tool_calls", [])]
    means, drawn = [call.code_interpreter.outputs for call in calls]
    assert means[0].logs == "{'Oslo': 2.5, 'Rome': 2.5}"
    [image] = [output.image.file_id for output in drawn if output.type == "image"]
    content = client.beta.threads.messages.list(thread.id, run_id=done.id).data[0].content
    assert [part.image_file.file_id for part in content if part.type == "image_file"] == [image]
    assert client.files.content(image).read().startswith(b"\x89PNG")
    assert client.files.retrieve(image).filename == "figure-1.png"


def test_an_unknown_sandbox_ends_the_start(tmp_path: Path) -> None:
    refused = Server(tmp_path, {"SANDBOX": "docker"})
    assert refused.fail() == 2
    assert "SANDBOX: there is no 'docker'. Choose one of monty, wasi, bubblewrap." in refused.log
