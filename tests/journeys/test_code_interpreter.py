"""Assistants that run programs: on the files that they were given, and leaving files and images behind."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.journeys.server import Server
from tests.journeys.stage import Stage
from tests.replies import Reply, transfer
from tests.servers.openai_schema import check
from tests.upstream import by_agent

pytestmark = [
    pytest.mark.xdist_group("journeys-trouble"),
    pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The Assistants API is deprecated:DeprecationWarning"),
]

TOOLS: Any = [{"type": "code_interpreter"}]
SALES = b'\xef\xbb\xbfproduct,price,unit count\napple,1.50,10\npear,2.25,4\nplum,"1,200.00",1\n'
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
DRAW = f"import base64\nwith open('/mnt/data/chart.png', 'wb') as f:\n    f.write(base64.b64decode({base64.b64encode(PNG)!r}))"
WRITE = "with open('/mnt/data/héllo wörld.csv', 'w') as f:\n    f.write('a,b')\nprint('written')"


@pytest.fixture
def client(offline: Server) -> OpenAI:
    return offline.client()


def uploaded(client: OpenAI, name: str = "sales.csv", content: bytes = SALES) -> str:
    return client.files.create(file=(name, content), purpose="assistants").id


def with_files(*ids: str) -> Any:
    return {"code_interpreter": {"file_ids": list(ids)}}


def asked(client: OpenAI, assistant: str, question: str, thread: str | None = None, **message: Any) -> Any:
    """The run that answers a question, when it is over."""
    thread = thread or client.beta.threads.create().id
    client.beta.threads.messages.create(thread, role="user", content=question, **message)
    run = client.beta.threads.runs.create_and_poll(thread_id=thread, assistant_id=assistant)
    assert run.status == "completed", run
    return run


def answer(client: OpenAI, run: Any) -> Any:
    message = client.beta.threads.messages.list(run.thread_id, run_id=run.id).data[0]
    check("MessageObject", message.to_dict(), without=())
    return message


def text_of(client: OpenAI, run: Any) -> str:
    return str(answer(client, run).content[0].text.value)


def programs(client: OpenAI, run: Any) -> Sequence[Any]:
    steps = client.beta.threads.runs.steps.list(run.id, thread_id=run.thread_id, order="asc")
    for step in steps:
        check("RunStepObject", step.to_dict(), without=())
    details = [step.step_details for step in steps]
    calls = [call for each in details if each.type == "tool_calls" for call in each.tool_calls]
    return [call.code_interpreter for call in calls if call.type == "code_interpreter"]


def logs(program: Any) -> str:
    return "".join(output.logs for output in program.outputs if output.type == "logs")


def test_the_mean_of_a_column_is_computed_from_the_file(client: OpenAI) -> None:
    resources = with_files(uploaded(client))
    assistant = client.beta.assistants.create(model="cortex-flow", tools=TOOLS, tool_resources=resources)
    run = asked(client, assistant.id, "What is the mean of the column price in sales.csv?")
    assert "price mean: 401.25" in text_of(client, run)
    [program] = programs(client, run)
    assert "csv.reader" in program.input
    assert "401.25" not in program.input
    assert logs(program) == "price mean: 401.25"


def test_an_attached_file_is_read_in_this_run_and_in_later_ones(client: OpenAI) -> None:
    assistant = client.beta.assistants.create(model="cortex-flow", tools=TOOLS)
    file = uploaded(client, "../../etc/sales figures.csv")
    attachments = [{"file_id": file, "tools": TOOLS}]
    run = asked(client, assistant.id, "What is the sum of the unit count?", attachments=attachments)
    assert "unit count sum: 15" in text_of(client, run)
    thread = client.beta.threads.retrieve(run.thread_id)
    assert thread.to_dict()["tool_resources"] == with_files(file)
    again = asked(client, assistant.id, "And the maximum of the price?", run.thread_id)
    assert "price maximum: 1200" in text_of(client, again)
    client.files.delete(file)
    gone = asked(client, assistant.id, "What is the minimum of the price?", run.thread_id)
    assert "price minimum" not in text_of(client, gone)


def test_a_result_is_left_as_a_file(client: OpenAI) -> None:
    assistant = client.beta.assistants.create(
        model="cortex-flow", tools=TOOLS, tool_resources=with_files(uploaded(client))
    )
    run = asked(client, assistant.id, "Compute the mean of the price in sales.csv and save it as a file.")
    content = answer(client, run).content[0].text
    [mark] = content.annotations
    assert mark.type == "file_path"
    assert content.value[mark.start_index : mark.end_index] == mark.text == "sandbox:/mnt/data/result.csv"
    file = client.files.retrieve(mark.file_path.file_id)
    assert (file.filename, file.purpose) == ("result.csv", "assistants_output")
    made = client.files.content(file.id).read()
    assert made.split() == [b"series,statistic,value", b"price,mean,401.25"]
    assert [each.id for each in client.files.list(purpose="assistants_output") if each.id == file.id] == [file.id]
    later = asked(client, assistant.id, "What is the count of the value in result.csv?", run.thread_id)
    assert "value count: 1" in text_of(client, later)
    client.files.delete(file.id)
    with pytest.raises(openai.NotFoundError):
        client.files.content(file.id)


def test_a_model_keeps_its_names_and_its_files_and_images_reach_the_answer(scripted: Server, stage: Stage) -> None:
    client = scripted.client()
    link = "sandbox:/mnt/data/héllo wörld.csv"
    stage.play(
        by_agent(
            supervisor=[
                Reply(calls=[("python", {"code": f"x = 20\n{WRITE}"})]),
                Reply(calls=[("python", {"code": f"{DRAW}\nx + 1"})]),
                f"21 🎉: [here]({link}), and not sandbox:/mnt/data/none.csv; again {link}",
            ]
        )
    )
    assistant = client.beta.assistants.create(
        model="cortex-flow", tools=TOOLS, tool_resources=with_files(uploaded(client))
    )
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "Go."}])
    with client.beta.threads.runs.stream(thread_id=thread.id, assistant_id=assistant.id) as stream:
        events = list(stream)
        [message] = stream.get_final_messages()
        run: Any = stream.current_run
    stored = answer(client, run)
    assert stored.to_dict() == message.to_dict()
    text, image = stored.content
    assert [text.text.value[mark.start_index : mark.end_index] for mark in text.text.annotations] == [link, link]
    assert {mark.type for mark in text.text.annotations} == {"file_path"}
    assert client.files.content(text.text.annotations[0].file_path.file_id).read() == b"a,b"
    assert client.files.retrieve(text.text.annotations[0].file_path.file_id).filename == "héllo wörld.csv"
    assert client.files.content(image.image_file.file_id).read() == PNG
    first, second = programs(client, run)
    assert logs(first).startswith("written\n(Kept for the user")
    assert [output.type for output in first.outputs] == ["logs"]
    assert logs(second).startswith("21\n")
    assert second.outputs[1].to_dict() == {"type": "image", "image": {"file_id": image.image_file.file_id}}
    told = [event.data.to_dict() for event in events if event.event == "thread.run.step.delta"]
    for each in told:
        check("RunStepDeltaObject", each, without=())
    assert any("'type': 'image'" in str(each) for each in told)
    for event in events:
        if event.event == "thread.message.delta":
            check("MessageDeltaObject", event.data.to_dict(), without=())
    [offered] = [
        tool["function"]["description"]
        for tool in stage.requests[0].body["tools"]
        if tool["function"]["name"] == "python"
    ]
    assert offered.endswith("Files that are there, under /mnt/data: sales.csv")
    [*_, spoken] = stage.requests[1].body["messages"]
    assert link in spoken["content"]


def test_the_analyst_has_the_files_too(scripted: Server, stage: Stage) -> None:
    client = scripted.client()
    code = "len(open('/mnt/data/sales.csv').read().splitlines())\nopen('/mnt/data/n.txt', 'w').write('4')"
    stage.play(
        by_agent(
            supervisor=[Reply(calls=[transfer("analyst")]), "See sandbox:/mnt/data/n.txt."],
            analyst=[Reply(calls=[("python", {"code": code})]), "It is in sandbox:/mnt/data/n.txt."],
        )
    )
    assistant = client.beta.assistants.create(
        model="cortex-flow", tools=TOOLS, tool_resources=with_files(uploaded(client))
    )
    run = asked(client, assistant.id, "How long is it?")
    [mark] = answer(client, run).content[0].text.annotations
    assert client.files.content(mark.file_path.file_id).read() == b"4"
    [program] = programs(client, run)
    assert "n.txt" in logs(program)


def test_programs_and_files_outlive_a_question_to_the_client(scripted: Server, stage: Stage) -> None:
    client = scripted.client()
    stage.play(
        by_agent(
            supervisor=[
                Reply(calls=[("python", {"code": f"x = 7\n{WRITE}"})]),
                Reply(calls=[("weather", {})]),
                Reply(calls=[("python", {"code": "print(x, open('/mnt/data/héllo wörld.csv').read())"})]),
                "Done.",
            ]
        )
    )
    weather: Any = {"type": "function", "function": {"name": "weather"}}
    assistant = client.beta.assistants.create(model="cortex-flow", tools=[*TOOLS, weather])
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "Go."}])
    run = client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
    assert run.required_action is not None
    [call] = run.required_action.submit_tool_outputs.tool_calls
    outputs: Any = [{"tool_call_id": call.id, "output": "sun"}]
    run = client.beta.threads.runs.submit_tool_outputs_and_poll(
        run_id=run.id, thread_id=thread.id, tool_outputs=outputs
    )
    assert run.status == "completed"
    assert logs(programs(client, run)[-1]) == "7 a,b"


def test_a_function_of_the_client_s_with_that_name_is_a_function(scripted: Server, stage: Stage) -> None:
    client = scripted.client()
    stage.play(by_agent(supervisor=[Reply(calls=[("python", {"code": "1"})]), "Done."]))
    function: Any = {"type": "function", "function": {"name": "python", "parameters": {"type": "object"}}}
    assistant = client.beta.assistants.create(model="cortex-flow", tools=[*TOOLS, function])
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "Go."}])
    run = client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
    assert run.status == "requires_action"
    assert {"python", "team_python"} <= {tool["function"]["name"] for tool in stage.requests[0].body["tools"]}
    assert programs(client, run) == []


def test_chat_tells_the_files_in_its_metadata(scripted: Server, stage: Stage) -> None:
    client = scripted.client()
    stage.play(by_agent(analyst=[Reply(calls=[("python", {"code": WRITE})]), "See sandbox:/mnt/data/héllo wörld.csv."]))
    data = "data:text/csv;base64," + base64.b64encode(SALES).decode()
    part: Any = {"type": "file", "file": {"filename": "sales.csv", "file_data": data}}
    content: Any = [{"type": "text", "text": "Go."}, part]
    said = client.chat.completions.create(model="cortex-flow-analyst", messages=[{"role": "user", "content": content}])
    assert said.choices[0].message.content == "See sandbox:/mnt/data/héllo wörld.csv."
    metadata: Any = said.metadata
    [file] = metadata["files"]
    assert file["name"] == "héllo wörld.csv"
    assert client.files.content(file["id"]).read() == b"a,b"
    assert "sales.csv" in stage.requests[0].body["tools"][0]["function"]["description"]
    expires = client.files.retrieve(file["id"]).to_dict()["expires_at"]
    assert isinstance(expires, int)


def test_tenants_do_not_see_each_other_s_files(scripted: Server, stage: Stage) -> None:
    client = scripted.client()
    stage.play(
        by_agent(supervisor=[Reply(calls=[("python", {"code": "import os\nos.listdir('/mnt/data')"})]), "None."])
    )
    assistant = client.beta.assistants.create(model="cortex-flow", tools=TOOLS)
    run = asked(client, assistant.id, "Which files are there?")
    assert logs(programs(client, run)[0]) == "[]"
