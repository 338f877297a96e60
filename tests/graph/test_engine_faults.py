"""Models, agents and tools that fail: the run ends or goes on sensibly, and the conversation is whole."""

from __future__ import annotations

import logging

import pytest

from agents.models.port import (
    Message,
    ModelError,
    ModelRateLimited,
    ModelRefused,
    ModelTimeout,
    ModelUnavailable,
    Text,
)
from graph import events as ev
from graph.errors import InvalidRequest
from tests.graph.doubles import Gate, Reply, Script, call, delegate, final, say
from tests.graph.house import TENANT, WEATHER, every_store, house, names, text_of

store = every_store


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (ModelUnavailable("The provider is away.", status=503), "upstream_error", "The provider is away."),
        (ModelRefused("Too many images.", status=400), "invalid_prompt", "Too many images."),
        (ModelRateLimited("Slow down.", status=429), "rate_limit_exceeded", "Slow down."),
        (ModelTimeout("Silence."), "upstream_timeout", "Silence."),
        (RuntimeError("a secret"), "server_error", "The server had an error while processing the request."),
    ],
)
async def test_a_model_that_fails_at_once(error: Exception, code: str, message: str, store: str) -> None:
    script = Script(supervisor=[say("Hello"), [error], say("Hello again")])
    async with house(script, store=store) as here:
        await here.ask("Hi", conversation="talk")
        run = await here.ask("And?", conversation="talk")
        assert run.failure
        assert (run.status, run.failure.code, run.failure.message) == ("failed", code, message)
        assert await here.log("talk") == [("user", "Hi"), ("assistant", "Hello")]
        await here.ask("Once more", conversation="talk")
        assert script.asked[-1].talk == [("user", "Hi"), ("assistant", "Hello"), ("user", "Once more")]


async def test_a_stream_that_is_cut_off_closes_what_it_has_opened(store: str) -> None:
    reply: Reply = [[Text("Hel")], [Text("lo")], ModelUnavailable("cut off")]
    script = Script(supervisor=[reply])
    async with house(script, store=store) as here:
        heard = await here.hear("Hi", conversation="talk")
        assert names(heard) == ["RunStarted", "MessageStarted", "TextDelta", "MessageCompleted", "RunFailed"]
        [cut] = [e for e in heard if isinstance(e, ev.MessageCompleted)]
        assert (cut.text, cut.status) == ("Hello", "incomplete")
        assert await here.log("talk") == []


async def test_a_call_that_is_cut_off_is_closed_too() -> None:
    reply = [*call(("weather", '{"pla'))[:1], ModelUnavailable("cut off")]
    async with house(Script(supervisor=[reply])) as here:
        heard = await here.hear("Hi", tools=(WEATHER,))
        assert names(heard) == ["RunStarted", "CallStarted", "CallDelta", "CallCompleted", "RunFailed"]


@pytest.mark.parametrize(
    ("reply", "status", "told"),
    [
        ([ModelUnavailable("the provider is away")], "error", "The researcher failed: the provider is away"),
        ([[Text("half a")], ModelUnavailable("cut off")], "error", "The researcher failed: cut off"),
        ([RuntimeError("a secret")], "error", "The researcher failed by a fault of its own."),
        (say("  "), "empty", "The researcher had nothing to say."),
        ([Gate()], "timeout", "The researcher took more than 0.01 seconds."),
    ],
)
async def test_an_agent_that_fails_is_told_to_the_supervisor(reply: Reply, status: str, told: str) -> None:
    script = Script(supervisor=[delegate(researcher="a"), say("Without it.")], researcher=[reply])
    async with house(script, agent_timeout=0.01) as here:
        heard = await here.hear("Go")
        assert isinstance(heard[-1], ev.RunCompleted)
        assert text_of(heard) == "Without it."
        assert script.asked[-1].talk[-1] == ("tool", told)
        assert [e.status for e in heard if isinstance(e, ev.AgentFinished)] == [status]
        assert [e.status for e in heard if isinstance(e, ev.CallAnswered)] == ["error"]


async def test_an_agent_that_fails_does_not_stop_its_siblings() -> None:
    gate = Gate()
    script = Script(
        supervisor=[delegate(researcher="a", analyst="b"), say("One of two.")],
        researcher=[[ModelUnavailable("away")]],
        analyst=[[gate, *say("a figure")]],
    )
    async with house(script) as here:
        run = await here.start("Go", watched=True)
        async for batch in here.engine.follow(TENANT, run.id):
            if any(isinstance(event, ev.AgentFinished) and event.status == "error" for event in batch):
                gate.open.set()
        assert script.asked[-1].talk[-2:] == [("tool", "The researcher failed: away"), ("tool", "a figure")]


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("transfer_to_plumber", {"task": "x"}, "There is no tool called 'transfer_to_plumber'."),
        ("", {"task": "x"}, "There is no tool called ''."),
        ("transfer_to_researcher", "not JSON", "The researcher got no task"),
        ("transfer_to_researcher", "[1, 2]", "The researcher got no task"),
        ("transfer_to_researcher", {}, "The researcher got no task"),
        ("transfer_to_researcher", {"task": ""}, "The researcher got no task"),
        ("transfer_to_researcher", {"task": 7}, "The researcher got no task"),
        ("transfer_to_writer", {"final": True}, "The writer got no task"),
    ],
)
async def test_nonsense_of_the_supervisor_is_told_to_it(name: str, arguments: object, told: str) -> None:
    script = Script(supervisor=[call((name, arguments)), say("Sorry.")])
    async with house(script) as here:
        run = await here.ask("Go")
        assert run.answer
        assert (run.status, run.answer.text) == ("completed", "Sorry.")
        assert script.agents == ["supervisor", "supervisor"]
        role, text = script.asked[1].talk[-1]
        assert role == "tool"
        assert text.startswith(told)


async def test_an_agents_tool_that_does_not_exist_or_fails_is_told_to_the_agent() -> None:
    script = Script(
        supervisor=[delegate(researcher="a"), say("Done.")],
        researcher=[call(("fly", {}), ("search", "nonsense"), ("search", {"query": ""})), say("I can't.")],
    )
    async with house(script) as here:
        heard = await here.hear("Go")
        [finished] = [e for e in heard if isinstance(e, ev.AgentFinished)]
        assert [(each.kind, each.name, each.status) for each in finished.calls] == [
            ("model", "scripted-1", "ok"),
            ("tool", "fly", "error"),
            ("tool", "search", "error"),
            ("tool", "search", "error"),
            ("model", "scripted-1", "ok"),
        ]


async def test_a_model_that_can_not_be_opened_fails_the_run() -> None:
    class Nobody(Script):
        def for_agent(self, agent: str, override: str | None) -> object:  # type: ignore[override]
            raise ModelError("No key is configured.")

    async with house(Nobody()) as here:
        run = await here.ask("Hi")
        assert run.failure
        assert (run.failure.code, run.failure.message) == ("upstream_error", "No key is configured.")


async def test_a_fault_of_ours_is_logged_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    script = Script(supervisor=[[RuntimeError("the secret")]])
    async with house(script) as here:
        with caplog.at_level(logging.ERROR):
            run = await here.ask("Hi")
        assert run.failure
        assert "secret" not in run.failure.message
        assert "the secret" in caplog.text


async def test_a_refused_request_leaves_nothing_behind() -> None:
    async with house() as here:
        with pytest.raises(InvalidRequest):
            await here.start([Message("tool", "x", tool_call_id="call_1")], conversation="talk")
        assert here.engine.running == 0
        assert await here.log("talk") == []


async def test_the_writers_words_are_kept_when_a_later_turn_of_the_client_goes_wrong() -> None:
    script = Script(supervisor=[final(), [ModelUnavailable("away")]], writer=[say("A poem.")])
    async with house(script) as here:
        await here.ask("Write", conversation="talk")
        await here.ask("Again", conversation="talk")
        assert await here.log("talk") == [("user", "Write"), ("assistant", "A poem.")]
