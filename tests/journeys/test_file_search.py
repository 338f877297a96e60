"""Assistants that search files: the answer quotes the right one, and its citation stands where its mark is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

HANDBOOK = {
    "vacation.md": "# Vacation\n\nEmployees get thirty vacation days a year. Unused vacation expires in March.",
    "travel.txt": "Train tickets are booked in second class. Flights need the approval of a manager.",
    "kitchen.txt": "The espresso machine is cleaned every evening. Milk stands in the left fridge.",
    "security.md": "Badges must be worn in the building. Visitors are registered at the reception desk.",
    "pay 【2025】†.txt": "Salaries are paid on the 25th of each month. Overtime is paid in the following month.",
}
CONTENT: Any = "step_details.tool_calls[*].file_search.results[*].content"
TOOLS: Any = [{"type": "file_search"}]


def store_of(client: OpenAI, files: Mapping[str, str]) -> str:
    store = client.vector_stores.create()
    given = [(name, text.encode()) for name, text in files.items()]
    client.vector_stores.file_batches.upload_and_poll(store.id, files=given)
    return store.id


def asked(client: OpenAI, assistant: str, question: str, **thread: Any) -> tuple[Any, Any]:
    """The run, and the text of its answer."""
    said: Any = {"role": "user", "content": question, **thread.pop("message", {})}
    made = client.beta.threads.create(messages=[said], **thread)
    run = client.beta.threads.runs.create_and_poll(thread_id=made.id, assistant_id=assistant)
    assert run.status == "completed", run
    [content] = client.beta.threads.messages.list(made.id).data[0].content
    assert content.type == "text"
    return run, content.text


def cited(client: OpenAI, text: Any) -> list[str]:
    """The names of the files that are cited, where the marks are what they are said to be."""
    for mark in text.annotations:
        assert mark.type == "file_citation"
        assert text.value[mark.start_index : mark.end_index] == mark.text
        assert (mark.text[0], mark.text[-1]) == ("【", "】")
    return [client.files.retrieve(mark.file_citation.file_id).filename for mark in text.annotations]


def searches(client: OpenAI, run: Any, **query: Any) -> Sequence[Any]:
    steps = client.beta.threads.runs.steps.list(run.id, thread_id=run.thread_id, order="asc", **query)
    for step in steps:
        check("RunStepObject", step.to_dict(), without=())
    details = [step.step_details for step in steps]
    calls = [call for each in details if each.type == "tool_calls" for call in each.tool_calls]
    return [call for call in calls if call.type == "file_search"]


@pytest.fixture
def client(offline: Server) -> OpenAI:
    return offline.client()


def test_five_documents_are_asked(client: OpenAI) -> None:
    store = store_of(client, HANDBOOK)
    resources: Any = {"file_search": {"vector_store_ids": [store]}}
    assistant = client.beta.assistants.create(model="cortex-flow", tools=TOOLS, tool_resources=resources)
    assert assistant.to_dict()["tool_resources"] == resources
    for question, name, said in (
        ("How many vacation days do employees get?", "vacation.md", "thirty vacation days"),
        ("Where are visitors registered?", "security.md", "reception desk"),
        ("When are salaries paid?", "pay 【2025】†.txt", "on the 25th"),
    ):
        run, text = asked(client, assistant.id, question)
        assert said in text.value
        assert cited(client, text)[0] == name
        [search, *_] = searches(client, run)
        results = search.file_search.results
        assert results[0].file_name.split()[0] == name.split()[0]
        assert 0 < results[0].score <= 1
        assert results[0].content is None
        assert search.file_search.model_extra["queries"]
        [search, *_] = searches(client, run, include=[CONTENT])
        assert said in search.file_search.results[0].content[0].text


def test_the_files_of_a_message_are_searched_and_kept_for_the_thread(client: OpenAI) -> None:
    assistant = client.beta.assistants.create(model="cortex-flow", tools=TOOLS)
    file = client.files.create(file=("kitchen.txt", HANDBOOK["kitchen.txt"].encode()), purpose="assistants")
    brought = {"attachments": [{"file_id": file.id, "tools": TOOLS}]}
    run, text = asked(client, assistant.id, "Where does the milk stand?", message=brought)
    assert "left fridge" in text.value
    assert cited(client, text) == ["kitchen.txt"]
    thread = client.beta.threads.retrieve(run.thread_id)
    [store] = thread.tool_resources.file_search.vector_store_ids  # type: ignore[union-attr, misc]
    made = client.vector_stores.retrieve(store)
    assert (made.file_counts.completed, made.expires_after and made.expires_after.days) == (1, 7)
    more = client.files.create(file=("travel.txt", HANDBOOK["travel.txt"].encode()), purpose="assistants")
    for _ in range(2):
        client.beta.threads.messages.create(
            thread.id, role="user", content="What do flights need?", attachments=[{"file_id": more.id, "tools": TOOLS}]
        )
    client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
    [content] = client.beta.threads.messages.list(thread.id).data[0].content
    assert content.type == "text"
    assert cited(client, content.text) == ["travel.txt"]
    assert client.vector_stores.retrieve(store).file_counts.total == 2


def test_stores_are_made_by_the_way(client: OpenAI) -> None:
    file = client.files.create(file=("travel.txt", HANDBOOK["travel.txt"].encode()), purpose="assistants")
    static: Any = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0}}
    new = {"file_ids": [file.id], "metadata": {"a": "b"}, "chunking_strategy": static}
    resources: Any = {"file_search": {"vector_stores": [new]}}
    assistant = client.beta.assistants.create(model="cortex-flow", tools=TOOLS, tool_resources=resources)
    [store] = assistant.tool_resources.file_search.vector_store_ids  # type: ignore[union-attr, misc]
    assert client.vector_stores.retrieve(store).metadata == {"a": "b"}
    _, text = asked(client, assistant.id, "In which class are train tickets booked?")
    assert "second class" in text.value
    changed = client.beta.assistants.update(assistant.id, tool_resources=resources)
    assert changed.tool_resources.file_search.vector_store_ids != [store]  # type: ignore[union-attr]
    thread = client.beta.threads.create(tool_resources=resources)
    assert thread.tool_resources.file_search.vector_store_ids  # type: ignore[union-attr]
    assert client.beta.threads.update(thread.id, tool_resources=resources).tool_resources
    for wrong, param in (
        ({"vector_store_ids": ["vs_none"]}, "tool_resources.file_search.vector_store_ids[0]"),
        ({"vector_store_ids": [store], "vector_stores": [new]}, "tool_resources.file_search.vector_stores"),
        ({"vector_stores": [{"file_ids": ["file-none"]}]}, "tool_resources.file_search.vector_stores[0].file_ids[0]"),
    ):
        given: Any = {"file_search": wrong}
        with pytest.raises(openai.BadRequestError) as raised:
            client.beta.assistants.create(model="cortex-flow", tool_resources=given)
        assert raised.value.param == param
    client.vector_stores.delete(store)
    with pytest.raises(openai.BadRequestError):
        client.beta.threads.runs.steps.list("run_x", thread_id="thread_x", include=["everything"])  # type: ignore[list-item]


def test_the_model_searches_by_itself_and_streams(scripted: Server, stage: Stage) -> None:
    client = scripted.client()
    store = store_of(client, {"tea.txt": "Green tea is steeped at 70 degrees."})
    call = ("file_search", {"query": "green tea temperature"})
    stage.play(by_agent(supervisor=[Reply(calls=[call]), "At 70 degrees 【1†tea.txt】, says the file."]))
    limited: Any = [{"type": "file_search", "file_search": {"max_num_results": 3}}]
    resources: Any = {"file_search": {"vector_store_ids": [store]}}
    assistant = client.beta.assistants.create(model="cortex-flow", tools=limited, tool_resources=resources)
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "How hot?"}])
    with client.beta.threads.runs.stream(thread_id=thread.id, assistant_id=assistant.id) as stream:
        names = [event.event for event in stream]
        [message] = stream.get_final_messages()
        run = stream.current_run
    assert names[-1] == "thread.run.completed"
    assert "thread.run.step.delta" in names
    [content] = message.content
    assert content.type == "text"
    assert cited(client, content.text) == ["tea.txt"]
    assert content.text.value.index("【") == content.text.annotations[0].start_index
    [search] = searches(client, run, include=[CONTENT])
    assert search.file_search.results[0].content[0].text == "Green tea is steeped at 70 degrees."
    offered = [tool["function"]["name"] for tool in stage.requests[0].body["tools"]]
    assert "file_search" in offered
    told = stage.requests[1].body["messages"][-1]["content"]
    assert told == "【1†tea.txt】 Green tea is steeped at 70 degrees."


def test_a_researcher_searches_the_files_and_its_marks_reach_the_answer(scripted: Server, stage: Stage) -> None:
    client = scripted.client()
    store = store_of(client, {"tea.txt": "Green tea is steeped at 70 degrees."})
    stage.play(
        by_agent(
            supervisor=[Reply(calls=[transfer("researcher")]), "70 degrees 【1†tea.txt】."],
            researcher=[Reply(calls=[("file_search", {"query": "tea"})]), "Steeped at 70 degrees 【1†tea.txt】."],
        )
    )
    resources: Any = {"file_search": {"vector_store_ids": [store]}}
    assistant = client.beta.assistants.create(model="cortex-flow", tools=TOOLS, tool_resources=resources)
    run, text = asked(client, assistant.id, "How hot?")
    assert cited(client, text) == ["tea.txt"]
    [search] = searches(client, run, include=[CONTENT])
    assert search.file_search.results[0].file_name == "tea.txt"
    assert search.file_search.results[0].content[0].text == "Green tea is steeped at 70 degrees."


def test_a_store_that_is_gone_is_told_to_the_model(scripted: Server, stage: Stage) -> None:
    client = scripted.client()
    store = store_of(client, {"tea.txt": "Green tea."})
    stage.play(by_agent(supervisor=[Reply(calls=[("file_search", {"query": "tea"})]), "I can't look."]))
    resources: Any = {"file_search": {"vector_store_ids": [store]}}
    assistant = client.beta.assistants.create(model="cortex-flow", tools=TOOLS, tool_resources=resources)
    client.vector_stores.delete(store)
    run, _ = asked(client, assistant.id, "How hot?")
    assert "gone" in stage.requests[1].body["messages"][-1]["content"]
    [search] = searches(client, run)
    assert search.file_search.results == []


def test_a_function_of_the_client_s_with_that_name_is_a_function(scripted: Server, stage: Stage) -> None:
    client = scripted.client()
    store = store_of(client, {"tea.txt": "Green tea."})
    stage.play(by_agent(supervisor=[Reply(calls=[("file_search", {"q": "tea"})]), "Done."]))
    function: Any = {"type": "function", "function": {"name": "file_search", "parameters": {"type": "object"}}}
    resources: Any = {"file_search": {"vector_store_ids": [store]}}
    assistant = client.beta.assistants.create(model="cortex-flow", tools=[*TOOLS, function], tool_resources=resources)
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "Go."}])
    run = client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
    assert run.status == "requires_action"
    assert {"file_search", "team_file_search"} <= {tool["function"]["name"] for tool in stage.requests[0].body["tools"]}
    assert searches(client, run) == []
    [step] = client.beta.threads.runs.steps.list(run.id, thread_id=thread.id)
    assert step.step_details.type == "tool_calls"
    assert step.step_details.tool_calls[0].type == "function"
