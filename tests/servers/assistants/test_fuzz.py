"""Whatever is sent, the answer is OpenAI's: an object, a stream that ends, or an error that says what is wrong.

`Connection` holds every answer against OpenAI's description of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from servers.app import create_app
from tests.servers.asgi import Connection
from tests.servers.assistants import requests
from tests.servers.assistants.desk import ENDED, Desk, desk
from tests.servers.chat_completions.requests import anything, broken, or_absent, texts, values
from tests.servers.conftest import Configure
from tests.servers.described import frames
from tests.upstream import Upstream

LONGEST: Final = 10.0  # seconds for one answer
BODIES: Final = {
    "/assistants": requests.assistants,
    "/assistants/{assistant}": requests.assistants,
    "/threads": requests.threads,
    "/threads/{thread}": or_absent(metadata=requests.metadata, tool_resources=requests.resources),
    "/threads/{thread}/messages": requests.messages,
    "/threads/{thread}/messages/{message}": requests.changes,
    "/threads/{thread}/runs": requests.runs,
    "/threads/runs": requests.threads_and_runs,
    "/threads/{thread}/runs/{run}": requests.changes,
    "/threads/{thread}/runs/{run}/submit_tool_outputs": requests.outputs,
}
LISTS: Final = (
    "/assistants",
    "/threads/{thread}/messages",
    "/threads/{thread}/runs",
    "/threads/{thread}/runs/{run}/steps",
    "/threads/{thread}/branches",
)
OBJECTS: Final = (
    "/assistants/{}",
    "/threads/{}",
    "/threads/{}/messages",
    "/threads/{thread}/messages/{}",
    "/threads/{thread}/runs/{}",
    "/threads/{}/runs/{run}",
    "/threads/{thread}/runs/{}/steps",
    "/threads/{thread}/runs/{run}/steps/{}",
    "/threads/{}/branches",
)

few = settings(
    max_examples=12,
    derandomize=True,
    database=None,
    deadline=timedelta(seconds=LONGEST),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
each_body = pytest.mark.parametrize("path", BODIES)


@pytest.fixture
async def here(configure: Configure) -> AsyncIterator[Desk]:
    """A desk whose model is the offline one."""
    app = create_app(configure())
    async with app.lifespan():
        await app.opened()
        yield Desk(app, Upstream())


@pytest.fixture
async def known(here: Desk) -> dict[str, str]:
    """Ids of things that are there."""
    assistant, thread = await here.assistant(), await here.thread("Hello")
    run = await here.post(f"/threads/{thread}/runs", assistant_id=assistant)
    await here.over(f"/threads/{thread}/runs/{run['id']}")
    message = (await here.get(f"/threads/{thread}/messages"))["data"][0]["id"]
    return {"assistant": assistant, "thread": thread, "run": run["id"], "message": message}


async def sent(here: Desk, path: str, body: Any, known: dict[str, str]) -> Connection:
    """The answer, which is a good one; what it has begun comes to an end."""
    if "runs" in path and isinstance(body, dict):
        body = {"assistant_id": known["assistant"], **body}
    if path == "/threads/{thread}/runs":  # one that nothing is at work on
        known = {**known, "thread": await here.thread("Hello")}
    answer = await asked(here, "POST", path.format(**known), body)
    if answer.status == 200 and path in ("/threads/runs", "/threads/{thread}/runs"):
        await ends(here, answer)
    return answer


async def asked(here: Desk, method: str, path: str, body: Any = None, **headers: str) -> Connection:
    async with asyncio.timeout(LONGEST):
        answer = await here.ask(method, path, body, **headers)
    assert answer.status in (200, 400, 404, 409), (path, body, answer.body)
    if answer.status != 200:
        assert answer.error["message"]
    return answer


async def ends(here: Desk, answer: Connection) -> None:
    """The run of this answer ends, or asks for outputs."""
    if answer.headers["content-type"].startswith("text/event-stream"):
        told = list(frames(answer.body))
        assert told[-1].event == "done"
        run = next(each.data for each in told if each.event == "thread.run.created")
    else:
        run = answer.json()
    async with asyncio.timeout(LONGEST):
        over = await here.over(f"/threads/{run['thread_id']}/runs/{run['id']}")
    assert over["status"] in (*ENDED, "requires_action")
    if over["status"] == "failed":
        assert over["last_error"]["code"] == "invalid_prompt", over["last_error"]


@each_body
@few
@given(data=st.data())
async def test_a_whole_body_is_taken(here: Desk, known: dict[str, str], path: str, data: st.DataObject) -> None:
    body = data.draw(BODIES[path])
    answer = await sent(here, path, body, known)
    if "tool_outputs" not in body:
        assert answer.status == 200 or answer.error["param"], (body, answer.body)


@each_body
@few
@given(data=st.data())
async def test_a_broken_body_is_taken_or_refused(
    here: Desk, known: dict[str, str], path: str, data: st.DataObject
) -> None:
    await sent(here, path, data.draw(broken(BODIES[path])), known)


@few
@given(path=st.sampled_from(list(BODIES)), body=anything)
async def test_so_is_what_is_hardly_a_body(here: Desk, known: dict[str, str], path: str, body: Any) -> None:
    await sent(here, path, body, known)


@few
@given(
    st.sampled_from(LISTS),
    st.dictionaries(
        st.sampled_from(["limit", "order", "after", "before", "run_id", "branch", "include[]", "x"]),
        texts
        | st.integers().map(str)
        | st.sampled_from(["asc", "desc", "msg_x", "run_x", "asst_x", "1e3", "0", "101"]),
    ),
)
async def test_queries(here: Desk, known: dict[str, str], path: str, query: dict[str, str]) -> None:
    await asked(here, "GET", f"{path.format(**known)}?{urlencode(query)}")


@few
@given(
    st.sampled_from(OBJECTS),
    st.sampled_from(["GET", "DELETE", "POST"]),
    st.sampled_from(["", "asst_", "thread_", "msg_", "run_", "step_"]),
    texts.filter(bool),
)
async def test_ids_of_nothing(here: Desk, known: dict[str, str], path: str, method: str, prefix: str, id: str) -> None:
    answer = await asked(
        here, method, path.format(quote(prefix + id, safe=""), **known), {} if method == "POST" else None
    )
    assert answer.status in (400, 404)


@few
@given(
    st.binary(max_size=20).map(lambda value: value.decode("latin-1")) | st.from_regex(r"\A[0-9]{1,17}\.[0-9]{1,17}\Z")
)
async def test_last_event_ids(here: Desk, known: dict[str, str], id: str) -> None:
    answer = await asked(here, "GET", "/threads/{thread}/runs/{run}?stream=true".format(**known), last_event_id=id)
    assert answer.status == 400 or list(frames(answer.body))[-1].event == "done"


@few
@given(st.lists(st.fixed_dictionaries({"tool_call_id": texts | st.integers(0, 3), "output": values}), max_size=4))
async def test_outputs_of_all_kinds(outputs: list[dict[str, Any]]) -> None:
    """Those of the calls (by number), and of others: the run stays, or ends."""
    async with desk() as other:
        path, calls = await other.waiting()
        for each in outputs:
            if isinstance(number := each["tool_call_id"], int):
                each["tool_call_id"] = calls[number % 2]
        answer = await asked(other, "POST", f"{path}/submit_tool_outputs", {"tool_outputs": outputs})
        status = (await other.over(path))["status"]
        assert status == ("completed" if answer.status == 200 else "requires_action")
