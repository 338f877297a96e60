"""A client that knows calls by their function's name alone: its lists are recognised, though they hold no ids."""

from __future__ import annotations

import pytest

from agents.models.port import Message, ToolCall
from graph.errors import OutputsRefused
from graph.ids import untold_call
from tests.graph.doubles import OSLO, ROME, Script, call, say
from tests.graph.house import TENANT, House, every_store, house

store = every_store
QUESTION = Message("user", "What is the weather?")


def asking(arguments: str = '{"place": "Rome"}', place: int = 1) -> Message:
    """The call as a client repeats it: the id is made up wherever it stands in the list."""
    return Message("assistant", "", tool_calls=(ToolCall(untold_call("weather", place), "weather", arguments),))


def output(text: str, place: int = 1) -> Message:
    return Message("tool", text, "weather", tool_call_id=untold_call("weather", place))


async def side_branches(home: House) -> int:
    head = await home.conversations.find(TENANT, "talk")
    return len(await home.storage.query(TENANT, "branch", parent=head.id, limit=9))


async def test_a_resent_list_extends_the_conversation(store: str) -> None:
    script = Script(supervisor=[call(ROME), say("Sunny."), say("Bye.")])
    async with house(script, store=store) as home:
        run = await home.pause(calls_by_name=True)
        history = [QUESTION, asking(), output("sun")]
        again = await home.ask(history, conversation="talk", calls_by_name=True)
        assert (again.id, again.status) == (run.id, "completed")
        history += [Message("assistant", "Sunny."), Message("user", "Thanks")]
        await home.ask(history, conversation="talk")
        assert await home.log("talk") == [
            ("user", "What is the weather?"),
            ("assistant", ' weather({"place":"Rome"})'),
            ("tool", "sun"),
            ("assistant", "Sunny."),
            ("user", "Thanks"),
            ("assistant", "Bye."),
        ]
        assert await side_branches(home) == 0


async def test_lists_of_a_client_that_makes_its_own_calls(store: str) -> None:
    """Nobody waits for these outputs; where a list begins does not matter either."""
    async with house(Script(supervisor=[say("Sunny."), say("Bye.")]), store=store) as home:
        await home.ask([QUESTION, asking(), output("sun")], conversation="talk")
        trimmed = [asking(place=0), output("sun", 0), Message("assistant", "Sunny."), Message("user", "Thanks")]
        await home.ask(trimmed, conversation="talk")
        assert [role for role, _ in await home.log("talk")] == [
            "user",
            "assistant",
            "tool",
            "assistant",
            "user",
            "assistant",
        ]
        assert await side_branches(home) == 0


async def test_an_output_belongs_to_the_conversation_that_waits() -> None:
    async with house(Script(supervisor=[call(ROME), say("Sunny.")])) as home:
        run = await home.pause(calls_by_name=True)
        for conversation in (None, "another"):
            with pytest.raises(OutputsRefused):
                await home.start([output("sun")], conversation=conversation)
        with pytest.raises(OutputsRefused):
            await home.start(
                [Message("tool", "noon", "clock", tool_call_id=untold_call("clock", 0))], conversation="talk"
            )
        assert (await home.ask([output("sun")], conversation="talk")).id == run.id


async def test_one_call_at_a_time() -> None:
    async with house(Script(supervisor=[call(ROME, OSLO), say("Sunny.")])) as home:
        run = await home.pause(parallel_tool_calls=False)
        assert [each.arguments for each in run.open_calls] == ['{"place":"Rome"}']
        (turn,) = [item for item in run.items if hasattr(item, "call_ids")]
        assert turn.call_ids == run.required
