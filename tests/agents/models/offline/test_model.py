"""The offline model behind the port: pieces and batches, forms of an answer, and what holds for any prompt."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents import SUPERVISOR
from agents.briefing import Finding, brief
from agents.models.port import (
    CallPart,
    FilePart,
    Finish,
    ImagePart,
    Message,
    ModelRefused,
    Params,
    Text,
    TextPart,
    ToolCall,
    ToolSpec,
    Used,
)
from agents.tools import TOOLS
from tests.agents.models.offline.rehearsal import (
    MODEL,
    TRANSFERS,
    WEATHER,
    answered,
    batches,
    lead,
    reply,
    user,
)


@pytest.mark.parametrize(
    "form",
    [{"type": "json_object"}, {"type": "json_schema", "json_schema": {"name": "any"}}],
    ids=lambda form: form["type"],
)
async def test_an_answer_takes_the_form_of_a_json_object(form: dict[str, Any]) -> None:
    turn = await lead("Hello", response_format=form)
    assert json.loads(turn.text)["answer"].startswith("Hello!")


async def test_an_answer_takes_the_form_of_a_schema() -> None:
    schema = {
        "type": "object",
        "properties": {"text": {"type": "string"}, "score": {"type": "integer"}, "kind": {"enum": ["a", "b"]}},
        "required": ["text", "score", "kind"],
    }
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    turn = await lead("Say hello", response_format=form)
    assert json.loads(turn.text) == {"text": "Hello.", "score": 1, "kind": "a"}


@pytest.mark.parametrize("part", [ImagePart("https://example.com/a.png"), FilePart("a.pdf", "data:,")])
async def test_anything_but_text_is_refused(part: ImagePart | FilePart) -> None:
    with pytest.raises(ModelRefused, match="reads text only") as refused:
        await reply([Message("user", (TextPart("What is this?"), part))], TRANSFERS)
    assert refused.value.status == 400


async def test_text_parts_are_read_and_old_images_passed_over() -> None:
    seen = Message("user", (TextPart("My name is Alice"), ImagePart("https://example.com/a.png")))
    asked = Message("user", (TextPart("What is"), TextPart("my name?")))
    assert (await lead(seen, asked)).text == "Your name is Alice."


async def test_an_answer_comes_in_several_batches() -> None:
    told = await batches([user("Hello")], TRANSFERS)
    texts = [piece.text for batch in told for piece in batch if isinstance(piece, Text)]
    assert len(texts) > 5
    assert all(len(text.split()) <= 3 for text in texts)
    assert "".join(texts).startswith("Hello! I am Cortex Flow, thinking with its offline model.")
    last = told[-1]
    assert last[0] == Finish("stop")
    assert isinstance(last[1], Used)
    assert last[1].model == "offline"
    assert last[1].usage.estimated
    assert last[1].usage.completion_tokens == -(-len("".join(texts)) // 4)
    assert last[1].usage.prompt_tokens > 0


async def test_line_breaks_survive_the_batches() -> None:
    answer = (await lead("Summarize our chat", "a", "Summarize our chat")).text
    assert answer == "In this conversation you said:\n\n- Summarize our chat\n- a"


async def test_calls_come_in_fragments_with_ids_of_their_own() -> None:
    told = await batches([user("Research AI trends and compute the mean of 3, 5, 8")], TRANSFERS)
    parts = [piece for batch in told for piece in batch if isinstance(piece, CallPart)]
    assert [(part.index, part.id, part.name) for part in parts] == [
        (0, "call_1", "transfer_to_researcher"),
        (0, None, None),
        (1, "call_2", "transfer_to_analyst"),
        (1, None, None),
    ]
    later = await lead(user("x"), Message("assistant", tool_calls=(ToolCall("a", "b", "{}"),)), "Research AI")
    assert later.tool_calls[0].id == "call_2"


async def test_an_unwatched_answer_is_one_batch() -> None:
    told = await batches([user("Hello")], TRANSFERS, stream=False)
    assert len(told) == 2
    assert len(told[0]) > 5


async def test_others_get_their_turn_between_batches() -> None:
    seen: list[str] = []

    async def listen(name: str) -> None:
        async for batch in MODEL.stream([user("Hello")], TRANSFERS, Params()):
            seen.extend(name for piece in batch if isinstance(piece, Text))

    await asyncio.gather(listen("a"), listen("b"))
    assert seen[:6] == ["a", "b", "a", "b", "a", "b"]


async def test_it_says_what_it_is() -> None:
    assert (MODEL.name, MODEL.fingerprint) == ("offline", "offline")
    await MODEL.close()


ROLES: dict[str, tuple[ToolSpec, ...]] = {
    "supervisor": TRANSFERS,
    "with a client's tool": (*TRANSFERS, WEATHER),
    "researcher": (TOOLS["search"].spec,),
    "analyst": (TOOLS["python"].spec,),
    "without tools": (),
}
_SAID = """
    research analyze write report story what is my name the mean of 3 5.5 1,000 15% 2^3 ( ) 10! 【1†a】 : , | ? ### Task
    weather in Paris Rome and e und 日本語 é “ " ' - # Your task
"""
WORDS = st.sampled_from([*_SAID.split(), "\n", "\n\n", "# Your task"])
TEXTS = st.one_of(st.text(max_size=60), st.lists(WORDS, max_size=14).map(" ".join))


@pytest.mark.parametrize("role", ROLES)
@settings(
    max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
@given(request_=TEXTS, earlier=TEXTS, output=TEXTS, briefed=st.booleans())
def test_whatever_is_said_there_is_one_reply_and_always_the_same(
    role: str, request_: str, earlier: str, output: str, briefed: bool
) -> None:
    tools = ROLES[role]
    text = brief(SUPERVISOR, request_, earlier, [Finding("researcher", output)])[1].text if briefed else request_
    messages = [user(earlier), Message("assistant", output), user(text)]

    async def twice() -> None:
        first = await batches(messages, tools)
        assert first == await batches(messages, tools)
        turn = await reply(messages, tools)
        assert turn.text.strip() or turn.tool_calls
        after = await reply([*messages, *answered(turn, *[output] * len(turn.tool_calls))], tools)
        assert after.text.strip() or after.tool_calls

    asyncio.run(twice())
