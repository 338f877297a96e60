"""Limits end in a useful answer: turns, tokens, stop sequences, the window, time, and how much is at work."""

from __future__ import annotations

import asyncio
import random

import pytest

from agents.models.port import Message, Role, Text, Usage
from graph import events as ev
from graph import intake
from graph.errors import ContextTooLong, Overloaded
from graph.run import Run
from graph.tokens import Tokenizer
from graph.window import fit
from tests.graph.doubles import SPENT, Gate, Script, call, delegate, final, say
from tests.graph.house import TENANT, TOKENIZER, WEATHER, every_store, house, outputs, text_of
from tests.graph.stores import Unsteady

store = every_store


async def test_the_last_turn_has_no_tools_and_answers() -> None:
    script = Script(
        supervisor=[delegate(researcher="a"), delegate(researcher="b"), say("With what there is.")],
        researcher=[say("one"), say("two")],
    )
    async with house(script, max_iterations=3) as here:
        run = await here.ask("Go", tools=(WEATHER,))
        assert run.answer
        assert (run.status, run.answer.text, run.iterations) == ("completed", "With what there is.", 3)
        assert [bool(asked.tools) for asked in script.asked_of("supervisor")] == [True, True, False]


async def test_calls_at_the_limit_are_ignored() -> None:
    last = call(("transfer_to_researcher", {"task": "b"}), words="So far: one.")
    script = Script(supervisor=[delegate(researcher="a"), last], researcher=[say("one")])
    async with house(script, max_iterations=2) as here:
        heard = await here.hear("Go")
        assert isinstance(heard[-1], ev.RunCompleted)
        [message] = [e for e in heard if isinstance(e, ev.MessageCompleted)]
        assert (message.text, message.phase) == ("So far: one.", "answer")
        assert script.agents == ["supervisor", "researcher", "supervisor"]


async def test_without_words_at_the_limit_the_findings_are_put_together() -> None:
    script = Script(
        supervisor=[delegate(researcher="a", analyst="b"), delegate(researcher="c")],
        researcher=[say("The moon is far.")],
        analyst=[say("It is 384 400 km.")],
    )
    async with house(script, max_iterations=2) as here:
        heard = await here.hear("Go", conversation="talk")
        assert text_of(heard) == "The moon is far.\n\nIt is 384 400 km."
        assert isinstance(heard[-1], ev.RunCompleted)
        assert (await here.log("talk"))[-1] == ("assistant", "The moon is far.\n\nIt is 384 400 km.")


async def test_what_is_put_together_keeps_the_limits_too() -> None:
    script = Script(supervisor=[delegate(researcher="a"), say("")], researcher=[say("abcdefghijklmnop END more")])
    async with house(script, max_iterations=2) as here:
        heard = await here.hear("Go", max_tokens=2)
        assert text_of(heard) == "abcdefgh"
        assert heard[-1] == ev.RunIncomplete("max_completion_tokens", heard[-1].at)  # type: ignore[union-attr]
    script = Script(supervisor=[delegate(researcher="a"), say("")], researcher=[say("abcdefghijklmnop END more")])
    async with house(script, max_iterations=2) as here:
        heard = await here.hear("Go", stop=(" END",))
        assert text_of(heard) == "abcdefghijklmnop"
        assert isinstance(heard[-1], ev.RunCompleted)


async def test_one_turn_is_allowed_at_least() -> None:
    script = Script(supervisor=[say("Hello")])
    async with house(script, max_iterations=1) as here:
        run = await here.ask("Hi")
        assert run.answer
        assert run.answer.text == "Hello"
        assert script.asked[0].tools == ()


async def test_an_empty_answer_is_asked_for_once_more() -> None:
    script = Script(supervisor=[say(" "), say("Hello")])
    async with house(script) as here:
        heard = await here.hear("Hi")
        assert text_of(heard) == "Hello"
        assert script.asked[0].prompt == script.asked[1].prompt


async def test_a_second_empty_answer_is_made_of_the_findings() -> None:
    script = Script(supervisor=[delegate(researcher="a"), say(""), say("\n")], researcher=[say("The moon is far.")])
    async with house(script) as here:
        heard = await here.hear("Hi")
        assert text_of(heard) == "The moon is far."


async def test_two_empty_answers_and_no_findings_are_a_failure(store: str) -> None:
    script = Script(supervisor=[say(""), say("")])
    async with house(script, store=store) as here:
        run = await here.ask("Hi", conversation="talk")
        assert run.failure
        assert (run.status, run.failure.code) == ("failed", "upstream_error")
        assert await here.log("talk") == []


async def test_a_filtered_answer_is_incomplete() -> None:
    script = Script(supervisor=[say("I would", finish="content_filter")])
    async with house(script) as here:
        run = await here.ask("Hi", conversation="talk")
        assert (run.status, run.incomplete_reason) == ("incomplete", "content_filter")
        assert run.answer
        assert run.answer.status == "incomplete"
        assert await here.log("talk") == [("user", "Hi"), ("assistant", "I would")]


async def test_a_model_that_stops_for_length_is_incomplete() -> None:
    script = Script(supervisor=[say("As far as", finish="length")])
    async with house(script) as here:
        run = await here.ask("Hi")
        assert (run.status, run.incomplete_reason) == ("incomplete", "max_completion_tokens")


async def test_max_tokens_cuts_the_stream_and_closes_it(store: str) -> None:
    never = Gate()
    script = Script(supervisor=[[[Text("abcdef")], [Text("ghijklmnop")], never]])
    async with house(script, store=store) as here:
        run = await here.start("Hi", conversation="talk", watched=True, max_tokens=3)
        heard = await here.follow(run.id)
        assert script.open == 0
        assert not never.reached.is_set()
        assert text_of(heard) == "abcdefghijkl"
        assert isinstance(heard[-1], ev.RunIncomplete)
        run = await here.engine.finished(TENANT, run.id)
        assert run.usage_total.estimated
        assert run.usage_total.completion_tokens == 3
        assert run.usage_total.prompt_tokens > 0
        assert await here.log("talk") == [("user", "Hi"), ("assistant", "abcdefghijkl")]


async def test_a_stop_sequence_ends_the_answer_and_closes_the_stream() -> None:
    never = Gate()
    script = Script(supervisor=[[[Text("one, two, ST")], [Text("OP three")], never]])
    async with house(script) as here:
        heard = await here.hear("Hi", stop=("STOP",))
        assert text_of(heard) == "one, two, "
        assert isinstance(heard[-1], ev.RunCompleted)
        [turn] = [e for e in heard if isinstance(e, ev.TurnCompleted)]
        assert (turn.finish, turn.usage.estimated) == ("stop", True)


async def test_what_looked_like_a_stop_sequence_is_shown_at_the_end() -> None:
    script = Script(supervisor=[say("one, ST")])
    async with house(script) as here:
        heard = await here.hear("Hi", stop=("STOP",))
        assert text_of(heard) == "one, ST"
        assert [e.usage.estimated for e in heard if isinstance(e, ev.TurnCompleted)] == [False]


async def test_limits_hold_without_a_reader_and_for_a_final_writer() -> None:
    never = Gate()
    script = Script(supervisor=[final()], writer=[[[Text("abcdefgh")], [Text("ijkl")], never]])
    async with house(script) as here:
        run = await here.ask("Hi", max_tokens=2)
        assert run.answer
        assert (run.answer.text, run.status) == ("abcdefgh", "incomplete")
        assert script.asked[-1].params.max_tokens == 2


async def test_commentary_and_answer_share_max_tokens() -> None:
    script = Script(supervisor=[delegate("abcdefgh", researcher="a"), say("ijklmnop")], researcher=[say("x" * 99)])
    async with house(script) as here:
        heard = await here.hear("Hi", max_tokens=3)
        assert [e.text for e in heard if isinstance(e, ev.MessageCompleted)] == ["abcdefgh", "ijkl"]
        assert isinstance(heard[-1], ev.RunIncomplete)


async def test_commentary_that_is_cut_ends_the_run() -> None:
    script = Script(supervisor=[delegate("abcdefghijkl", researcher="a")], researcher=[say("x")])
    async with house(script) as here:
        run = await here.ask("Hi", max_tokens=2)
        assert run.answer
        assert (run.answer.text, run.status, script.agents) == ("abcdefgh", "incomplete", ["supervisor"])


async def test_used_up_max_tokens_are_never_sent_as_none_or_zero() -> None:
    script = Script(supervisor=[delegate("abcdefgh", writer="a"), say("ijkl")], writer=[say("x")])
    async with house(script, max_iterations=2) as here:
        run = await here.ask("Hi", max_tokens=2)
        assert script.asked[-1].params.max_tokens == 1
        assert (run.status, run.incomplete_reason) == ("incomplete", "max_completion_tokens")


async def test_max_tokens_hold_over_the_pauses_of_a_durable_run_and_per_answer_in_chat() -> None:
    for durable, text in ((True, "ijkl"), (False, "ijklmnop")):
        script = Script(supervisor=[call(("weather", {}), words="abcdefgh"), say("ijklmnop")])
        async with house(script) as here:
            first = await here.ask("Hi", max_tokens=3, tools=(WEATHER,), durable=durable)
            if durable:
                from graph.intake import Output

                await here.engine.resume(TENANT, first.id, [Output(first.required[0], "rain")])
            else:
                await here.start(outputs(first, "rain"), max_tokens=3, tools=(WEATHER,))
            run = await here.engine.finished(TENANT, first.id)
            assert run.answer
            assert run.answer.text == text


async def test_the_usage_of_a_provider_that_tells_none_is_estimated() -> None:
    script = Script(supervisor=[say("12345678", usage=None)])
    async with house(script) as here:
        run = await here.ask("Hi")
        assert run.usage_total.estimated
        assert run.usage_total.completion_tokens == 2
        script.add(supervisor=[say("Hello")])
        assert (await here.ask("Hi")).usage_total == SPENT


async def test_the_window_over_a_stored_conversation() -> None:
    script = Script(supervisor=[say("answer one"), say("answer two"), say("answer three")])
    async with house(script, max_context_tokens=30) as here:
        await here.ask("question one", conversation="talk")
        await here.ask("question two", conversation="talk")
        run = await here.ask("question three", conversation="talk")
        assert script.asked[1].talk == [("user", "question one"), ("assistant", "answer one"), ("user", "question two")]
        assert script.asked[2].talk == [
            ("user", "question two"),
            ("assistant", "answer two"),
            ("user", "question three"),
        ]
        assert run.truncated_messages == 2
        assert len(await here.log("talk")) == 6


async def test_the_window_over_a_resent_list() -> None:
    script = Script(supervisor=[say("answer")])
    listed = [Message("user", "question one"), Message("assistant", "answer one"), Message("user", "question two")]
    async with house(script, max_context_tokens=20) as here:
        run = await here.ask([Message("system", "Hm."), *listed])
        assert script.asked[0].talk == [("user", "question two")]
        assert run.truncated_messages == 2


@pytest.mark.parametrize("seed", range(20))
async def test_a_long_resent_list_is_cut_where_counting_all_of_it_would_cut(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "_PAGE", 3)
    chance, limit = random.Random(seed), 60
    roles: list[Role] = ["user", "assistant", "assistant", "system"]
    listed = [
        Message(role, f"{number} {'word ' * chance.randint(1, 12)}")
        for number, role in enumerate(chance.choices(roles, weights=[4, 3, 1, chance.choice([0, 1])], k=40))
    ]
    async with house(Script(supervisor=[say("answer")]), max_context_tokens=limit) as here:
        counts = [TOKENIZER.count_message(each) for each in listed]
        if (least := least_tokens(listed, counts)) > limit:
            with pytest.raises(ContextTooLong, match=str(least)):
                await here.start(listed)
        else:
            expected = fit(listed, counts, limit)
            run = await here.ask(listed)
            assert run.truncated_messages == expected.left_out
            assert here.script.asked[0].prompt[1:] == tuple(m for m in expected.messages if m.role != "system")


def least_tokens(listed: list[Message], counts: list[int]) -> int:
    """The tokens of what always stays: the last turn, and the system's messages."""
    last_turn = max(place for place, each in enumerate(listed) if each.role == "user")
    return sum(
        count
        for place, (each, count) in enumerate(zip(listed, counts, strict=True))
        if place >= last_turn or each.role == "system"
    )


async def test_of_a_long_resent_list_only_what_may_fit_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "_PAGE", 3)
    counted: list[Message] = []
    count = Tokenizer.count_message

    def noting(self: Tokenizer, message: Message) -> int:
        counted.append(message)
        return count(self, message)

    monkeypatch.setattr(Tokenizer, "count_message", noting)
    listed = [Message(role, f"{role} {turn}") for turn in range(200) for role in ("user", "assistant")]
    async with house(Script(supervisor=[say("answer"), say("answer")]), max_context_tokens=40) as here:
        await here.ask(listed, conversation="talk")
        counted.clear()
        run = await here.ask(
            [*listed, Message("assistant", "answer"), Message("user", "and now?")], conversation="talk"
        )
        assert run.truncated_messages > 390
    assert len(counted) < 20


async def test_a_last_turn_too_long_alone_is_refused_and_nothing_is_stored(store: str) -> None:
    async with house(store=store, max_context_tokens=30) as here:
        for durable in (False, True):
            with pytest.raises(ContextTooLong) as refused:
                await here.start("word " * 50, conversation="talk", durable=durable)
            assert (refused.value.code, refused.value.param) == ("context_length_exceeded", "messages")
        assert await here.log("talk") == []
        assert here.script.asked == []


async def test_a_chat_run_over_its_time_expires_and_leaves_nothing(store: str) -> None:
    script = Script(supervisor=[[[Text("Hel")], Gate()]])
    async with house(script, store=store) as here:
        heard = await here.hear("Hi", conversation="talk", timeout=0.02)
        assert isinstance(heard[-1], ev.RunExpired)
        assert [(e.text, e.status) for e in heard if isinstance(e, ev.MessageCompleted)] in (
            [],
            [("Hel", "incomplete")],
        )
        assert script.open == 0
        assert await here.log("talk") == []


async def test_a_run_without_time_expires_before_its_first_step() -> None:
    async with house() as here:
        assert (await here.ask("Hi", timeout=0)).status == "expired"


async def test_more_chat_runs_than_the_process_takes_are_refused() -> None:
    gate = Gate()
    script = Script(supervisor=[[gate, *say("one")], [gate, *say("two")], say("three")])
    async with house(script, max_concurrent_runs=2) as here:
        runs = [await here.start("Hi") for _ in range(2)]
        assert here.engine.running == 2
        with pytest.raises(Overloaded) as refused:
            await here.start("Hi")
        assert refused.value.retry_after > 0
        gate.open.set()
        for run in runs:
            await here.engine.finished(TENANT, run.id)
        assert (await here.ask("Hi")).status == "completed"


async def test_the_limit_holds_for_runs_that_start_at_the_same_moment() -> None:
    gate = Gate()
    script = Script(supervisor=[[gate, *say("one")]] * 5)
    async with house(script, store=Unsteady(), max_concurrent_runs=2) as here:
        starts = [here.start("Hi", conversation=f"talk {n}") for n in range(5)]
        results = await asyncio.gather(*starts, return_exceptions=True)
        assert sorted(type(each).__name__ for each in results) == ["Overloaded"] * 3 + ["Run"] * 2
        gate.open.set()


async def test_durable_runs_over_the_limit_wait_and_do_not_keep_chats_out() -> None:
    gate = Gate()
    script = Script(supervisor=[[gate, *say("one")], say("chat"), say("two"), say("three")])
    async with house(script, max_concurrent_runs=2) as here:
        first = await here.start("one", durable=True, conversation="a")
        await gate.reached.wait()
        chat = await here.ask("hi")
        assert chat.status == "completed"
        gate.open.set()
        assert (await here.engine.finished(TENANT, first.id)).status == "completed"
    gate = Gate()
    script = Script(supervisor=[[gate, *say("one")], [gate, *say("one")], say("two"), say("three")])
    async with house(script, max_concurrent_runs=2) as here:
        runs = [await here.start("Hi", durable=True, conversation=f"talk {n}") for n in range(4)]
        await gate.reached.wait()
        assert [(await here.get(run.id)).status for run in runs[2:]] == ["queued", "queued"]
        assert here.engine.running == 2
        gate.open.set()
        ends = [await here.engine.finished(TENANT, run.id) for run in runs]
        assert [end.status for end in ends] == ["completed"] * 4


async def test_usage_counts_every_call_also_of_agents_that_failed() -> None:
    script = Script(
        supervisor=[delegate(researcher="a"), final(), say("Done.")],
        researcher=[call(("search", {"query": "x"})), say("")],
        writer=[say("")],
    )
    async with house(script) as here:
        run = await here.ask("Go")
        assert run.usage_by_agent == {"supervisor": Usage(30, 15), "researcher": Usage(20, 10), "writer": Usage(10, 5)}


async def test_little_is_remembered_of_runs_that_have_ended() -> None:
    """Their followers may be late; what the clients have sent must not pile up for them."""
    replies = [reply for _ in range(20) for reply in (call(("weather", {})), say("Rain."))]
    long = "wet " * 30_000
    async with house(Script(supervisor=replies), max_context_tokens=100_000) as here:
        runs = []
        for _ in range(20):
            waiting = await here.ask("Weather?", tools=(WEATHER,), extra={"user": "u" * 1000})
            runs.append(await here.ask(outputs(waiting, long)))
        remembered = [work.run for run in runs if (work := here.engine._carrier.known(TENANT, run.id))]
        assert len(remembered) == 16
        assert not any(run.request.params.extra for run in remembered)
        assert (await here.get(runs[0].id)).status == "completed", "read from the store"


async def test_no_more_wait_than_may_however_many_come_at_once() -> None:
    gate = Gate()
    script = Script(supervisor=[[gate, *say("Yes.")] for _ in range(3)])
    async with house(script, store=Unsteady(), max_concurrent_runs=1, max_queued_runs=2) as here:
        comers = [here.start("Hi", durable=True, conversation=f"talk{n}") for n in range(9)]
        came = await asyncio.gather(*comers, return_exceptions=True)
        assert [type(each).__name__ for each in came].count("Overloaded") == 6
        gate.open.set()
        for run in came:
            if isinstance(run, Run):
                assert isinstance((await here.follow(run.id))[-1], ev.RunCompleted)
