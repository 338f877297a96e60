"""All operations and all events of the Assistants API, each at least once. `Connection` holds every answer and every frame
against OpenAI's description; what is asked here is that none is left out."""

from __future__ import annotations

from typing import Any

from tests.replies import Reply, transfer
from tests.servers.asgi import ask
from tests.servers.assistants.desk import CALLS, WEATHER, Desk, desk, good, names, outputs
from tests.servers.described import ASSISTANTS, EVENTS, FILES, Told, frames, operation_of
from tests.servers.forms import HEADERS, Part, file, form
from tests.upstream import by_agent


class Walk(Desk):
    """A desk that remembers where it has been."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk.app, desk.upstream)
        self.been: list[str | None] = []

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        self.been.append(operation_of(method, path))
        return await super().ask(method, path, body, **headers)


async def test_every_operation_answers_what_openai_describes(desk: Desk) -> None:
    walk = Walk(desk)
    assistant = await walk.assistant(name="Helper", tools=[{"type": "code_interpreter"}, WEATHER], metadata={"a": "b"})
    assert (await walk.post(f"/assistants/{assistant}", name="Other"))["name"] == "Other"
    assert (await walk.get(f"/assistants/{assistant}"))["metadata"] == {"a": "b"}
    assert [each["id"] for each in (await walk.get("/assistants"))["data"]] == [assistant]

    thread = await walk.thread("Hello", metadata={"c": "d"})
    assert (await walk.get(f"/threads/{thread}"))["metadata"] == {"c": "d"}
    assert (await walk.post(f"/threads/{thread}", metadata={"e": "f"}))["metadata"] == {"e": "f"}
    message = await walk.post(f"/threads/{thread}/messages", role="user", content="Weather?")
    at = f"/threads/{thread}/messages/{message['id']}"
    assert (await walk.get(at))["content"][0]["text"]["value"] == "Weather?"
    assert (await walk.post(at, metadata={"g": "h"}))["metadata"] == {"g": "h"}

    walk.play(Reply(calls=CALLS), "Sun.")
    run = await walk.post(f"/threads/{thread}/runs", assistant_id=assistant)
    runs, path = f"/threads/{thread}/runs", f"/threads/{thread}/runs/{run['id']}"
    asked = (await walk.over(path))["required_action"]["submit_tool_outputs"]["tool_calls"]
    given = outputs(*((call["id"], "sun") for call in asked))
    assert (await walk.post(f"{path}/submit_tool_outputs", **given))["status"] in ("queued", "in_progress")
    assert (await walk.over(path))["status"] == "completed"
    assert (await walk.post(path, metadata={"i": "j"}))["metadata"] == {"i": "j"}
    assert [each["id"] for each in (await walk.get(runs))["data"]] == [run["id"]]
    steps = (await walk.get(f"{path}/steps"))["data"]
    assert [step["type"] for step in steps] == ["message_creation", "tool_calls"]
    assert await walk.get(f"{path}/steps/{steps[0]['id']}") == steps[0]
    assert len((await walk.get(f"/threads/{thread}/messages"))["data"]) == 3

    hold = walk.hold()
    both = await walk.post(
        "/threads/runs", assistant_id=assistant, thread={"messages": [{"role": "user", "content": "x"}]}
    )
    other = f"/threads/{both['thread_id']}/runs/{both['id']}"
    assert (await walk.post(f"{other}/cancel"))["status"] in ("cancelling", "cancelled")
    assert (await walk.over(other))["status"] == "cancelled"
    hold.set()

    assert (await walk.delete(at))["deleted"] is True
    assert (await walk.delete(f"/threads/{thread}"))["deleted"] is True
    assert (await walk.delete(f"/assistants/{assistant}"))["deleted"] is True
    assert set(walk.been) >= set(ASSISTANTS)


async def test_every_operation_on_files_answers_what_openai_describes(desk: Desk) -> None:
    walk = Walk(desk)

    async def upload(path: str, *parts: Part) -> Any:
        walk.been.append(operation_of("POST", path))
        return good(await ask(walk.app, "POST", f"/v1{path}", body=form(*parts), headers=HEADERS))

    sent = await upload("/files", Part("purpose", "assistants"), file("a,b", "data.csv"))
    at = f"/files/{sent['id']}"
    assert await walk.get(at) == sent
    assert [each["id"] for each in (await walk.get("/files"))["data"]] == [sent["id"]]
    assert (await walk.ask("GET", f"{at}/content")).body == b"a,b"
    assert (await walk.delete(at))["deleted"] is True
    announced = {"bytes": 3, "filename": "data.csv", "mime_type": "text/csv", "purpose": "assistants"}
    whole, dropped = await walk.post("/uploads", **announced), await walk.post("/uploads", **announced)
    part = await upload(f"/uploads/{whole['id']}/parts", Part("data", "a,b", "part"))
    done = await walk.post(f"/uploads/{whole['id']}/complete", part_ids=[part["id"]])
    assert (done["status"], done["file"]["filename"]) == ("completed", "data.csv")
    assert (await walk.post(f"/uploads/{dropped['id']}/cancel"))["status"] == "cancelled"
    assert set(walk.been) >= set(FILES)


async def test_every_event_is_told() -> None:
    told: list[Told] = []

    async def run(here: Desk) -> list[Told]:
        thread = {"messages": [{"role": "user", "content": "Hello"}]}
        assistant = await here.assistant(tools=[WEATHER])
        heard = await here.told("/threads/runs", {"assistant_id": assistant, "thread": thread})
        told.extend(heard)
        return heard

    async with desk(run_timeout=1) as here:
        here.hold()
        await run(here)  # nobody lets it go on
    async with desk() as here:
        here.play(Reply(calls=CALLS), "Done.")
        (asked,) = (each.data for each in await run(here) if each.event == "thread.run.requires_action")
        calls = asked["required_action"]["submit_tool_outputs"]["tool_calls"]
        path = f"/threads/{asked['thread_id']}/runs/{asked['id']}/submit_tool_outputs"
        told += await here.told(path, outputs(*((call["id"], "sun") for call in calls)))
        here.play(Reply("no room", finish="length"))
        await run(here)
        here.play(Reply(status=401, error="no key"))
        await run(here)
        here.upstream.script = by_agent(
            supervisor=[Reply(calls=[transfer("researcher")]), "Done."], researcher=[Reply(status=401, error="no")]
        )
        await run(here)
        here.hold()
        path = await here.running()
        cancelled = here.connect("GET", f"{path}?stream=true")
        await cancelled.until(b"thread.message.delta")
        await here.post(f"{path}/cancel")
        handed_over = here.connect("GET", f"{await here.running()}?stream=true")
        await handed_over.until(b"thread.message.delta")
    for stream in (cancelled, handed_over):
        told += frames((await stream.over()).body)
    assert set(names(told)) == set(EVENTS)
