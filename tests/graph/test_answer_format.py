"""`response_format`, kept: by what the model says first, by what it says when it is asked once more, or by a refusal."""

from __future__ import annotations

from typing import Any

import pytest

from agents.models.port import Logprobs, Message, Text, TokenLogprob
from graph import events as ev
from graph.errors import InvalidRequest
from graph.run import Run
from tests.graph.doubles import SPENT, Script, call, delegate, final, refuse, say
from tests.graph.house import CLOCK, House, house, outputs, text_of

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}},
    "required": ["name"],
    "additionalProperties": False,
}
OBJECT = {"type": "json_object"}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON}}
GOOD = '{"name": "Ada"}'


async def asked(script: Script, wanted: Any = SCHEMA, **fields: Any) -> Run:
    async with house(script) as here:
        return await here.ask("Who?", response_format=wanted, **fields)


def answer(run: Run) -> tuple[str, bool]:
    assert run.answer
    return run.answer.text, run.answer.refusal


@pytest.mark.parametrize("said", [GOOD, f"```json\n{GOOD}\n```", f"\n```\n{GOOD}```\n ", f"```JSON\r\n{GOOD}\n```"])
async def test_an_answer_that_fits_is_the_answer_without_what_is_around_it(said: str) -> None:
    script = Script(supervisor=[say(said)])
    assert answer(await asked(script)) == (GOOD, False)


@pytest.mark.parametrize(
    ("wanted", "said", "wrong"),
    [
        (SCHEMA, '{"name": 1}', 'name: 1 is not of type "string"'),
        (SCHEMA, "Ada.", "no JSON"),
        (SCHEMA, "[]", "not of type"),
        (OBJECT, "[1]", "no object"),
        (OBJECT, "{", "no JSON"),
        ({"type": "json_schema", "json_schema": {"name": "x"}}, "1", "no object"),
    ],
)
async def test_an_answer_that_does_not_fit_is_asked_for_once_more(wanted: Any, said: str, wrong: str) -> None:
    script = Script(supervisor=[say(said), say(GOOD)])
    run = await asked(script, wanted, tools=(CLOCK,))
    assert answer(run) == (GOOD, False)
    first, second = script.asked
    assert second.prompt[: len(first.prompt)] == first.prompt
    [bad, correction] = second.prompt[len(first.prompt) :]
    assert bad == Message("assistant", said)
    assert wrong in correction.text
    assert (second.tools, second.params.response_format) == ((), wanted)
    assert run.usage_total == SPENT + SPENT
    assert run.iterations == 1


async def test_an_answer_that_is_wrong_twice_is_a_refusal() -> None:
    script = Script(supervisor=[say("Ada."), say('{"name": 1}')])
    async with house(script) as here:
        heard = await here.hear("Who?", response_format=SCHEMA, conversation="talk")
        [started] = [event for event in heard if isinstance(event, ev.MessageStarted)]
        assert started.refusal
        assert "requested JSON format" in text_of(heard)
        assert 'name: 1 is not of type "string"' in text_of(heard)
        assert "Ada" not in text_of(heard)
        assert isinstance(heard[-1], ev.RunCompleted)
        assert await here.log("talk") == [("user", "Who?"), ("assistant", text_of(heard))]


async def test_nothing_wrong_is_shown_and_what_fits_is_told_at_once() -> None:
    async with house(Script(supervisor=[say("Ada", "."), say('{"name": ', '"Ada"}')])) as here:
        heard = await here.hear("Who?", response_format=SCHEMA)
        assert [event.text for event in heard if isinstance(event, ev.TextDelta)] == [GOOD]


@pytest.mark.parametrize("finish", ["length", "content_filter"])
@pytest.mark.parametrize("before", [[], [say("Ada.")]])
async def test_an_answer_that_was_cut_stays_as_it_is(finish: Any, before: Any) -> None:
    script = Script(supervisor=[*before, say('{"name": "A', finish=finish)])
    run = await asked(script)
    assert answer(run) == ('{"name": "A', False)
    assert run.status == "incomplete"


async def test_our_own_cut_is_a_cut_too() -> None:
    assert answer(await asked(Script(supervisor=[say('{"name": "Ada", "x": "y"}')]), max_tokens=2))[1] is False


@pytest.mark.parametrize("before", [[], [say("Ada.")]])
async def test_a_refusal_of_the_model_is_passed_on(before: Any) -> None:
    assert answer(await asked(Script(supervisor=[*before, refuse("I ", "won't.")]))) == ("I won't.", True)


async def test_the_second_answer_may_be_silence() -> None:
    text, refused = answer(await asked(Script(supervisor=[say("Ada."), say()])))
    assert (refused, "no JSON" in text) == (True, True)


@pytest.mark.parametrize(
    ("pieces", "left"),
    [(["```json", "\n", '{"name": ', '"Ada"}', "\n```"], ['{"name": ', '"Ada"}']), (["Ada", "."], [])],
    ids=["peeled", "refused"],
)
async def test_probabilities_are_those_of_what_is_shown(pieces: list[str], left: list[str]) -> None:
    tokens = Logprobs(tuple(TokenLogprob(piece, -0.5) for piece in pieces))
    script = Script(supervisor=[[[tokens, Text("".join(pieces))], *say()], say("Ada.")])
    run = await asked(script, logprobs=True)
    assert run.answer
    assert [token.token for token in run.answer.logprobs] == left


async def test_the_final_writer_keeps_it_too() -> None:
    script = Script(supervisor=[final()], writer=[say("Ada."), say(GOOD)])
    run = await asked(script)
    assert answer(run) == (GOOD, False)
    assert run.usage_by_agent["writer"] == SPENT + SPENT


async def test_findings_and_calls_need_no_format() -> None:
    script = Script(
        supervisor=[delegate("Wait.", researcher="find"), call(("clock", {}), words="Hm."), say(GOOD)],
        researcher=[say("Ada it was.")],
    )
    async with house(script) as here:
        run = await here.ask("Who?", response_format=SCHEMA, tools=(CLOCK,))
        assert run.status == "requires_action"
        run = await here.ask(outputs(run, "noon"), response_format=SCHEMA, tools=(CLOCK,))
        assert answer(run) == (GOOD, False)
    assert [len(script.asked_of(each)) for each in ("supervisor", "researcher")] == [3, 1]


async def test_a_schema_that_is_of_no_use_is_refused_before_anything_runs() -> None:
    script = Script()
    async with house(script) as here:
        await refused(here)
        await refused(here, durable=True)
    assert script.asked == []


async def refused(here: House, **fields: Any) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "objekt"}}}
    with pytest.raises(InvalidRequest, match="objekt") as raised:
        await here.start("Who?", response_format=wanted, **fields)
    assert raised.value.param == "response_format.json_schema.schema"
