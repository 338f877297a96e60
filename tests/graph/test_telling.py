"""A turn as it is told: what a watcher sees, what the record says, and that they are the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.models.port import CallPart, Finish, FinishReason, Piece, Reasoning, Text, Usage, Used
from graph import events as ev
from graph.items import CallKind
from graph.journal import Position, advance
from graph.limits import AnswerGate
from graph.telling import Telling
from graph.tokens import Tokenizer
from graph.vocabularies import FourCharacters

TOKENIZER = Tokenizer(FourCharacters)
KINDS: dict[str, CallKind] = {"transfer_to_writer": "delegation", "search": "server", "get_weather": "client"}
USAGE = Usage(7, 3)


@dataclass
class Told:
    """A telling, and all that it told: live events first, then the turn's durable ones."""

    telling: Telling
    live: list[ev.Live]
    wanted: bool = True
    durable: list[ev.Durable] = field(default_factory=list)

    @property
    def message(self) -> ev.MessageCompleted | None:
        return next((event for event in self.durable if isinstance(event, ev.MessageCompleted)), None)

    @property
    def calls(self) -> list[ev.CallCompleted]:
        return [event for event in self.durable if isinstance(event, ev.CallCompleted)]

    @property
    def turn(self) -> ev.TurnCompleted:
        assert isinstance(self.durable[-1], ev.TurnCompleted)
        return self.durable[-1]


def new_telling(
    emitted: list[ev.Live],
    *,
    live: bool = True,
    max_tokens: int | None = None,
    stop: Sequence[str] = (),
    progress: bool = False,
    answer_only: bool = False,
) -> Telling:
    numbers = iter(range(1, 1000))
    return Telling(
        agent="supervisor",
        gate=AnswerGate(TOKENIZER, max_tokens, stop),
        emit=emitted.append,
        mint=lambda: f"call_{next(numbers)}",
        kinds=KINDS,
        live=live,
        max_tokens=max_tokens,
        progress=progress,
        answer_only=answer_only,
        message_id="m",
    )


def finish(told: Told) -> Told:
    """What the engine does when the model is silent, or no more is wanted of it."""
    told.telling.end_text()
    told.durable = told.telling.durable((), USAGE, "model")
    return told


def tell(
    *batches: Sequence[Piece],
    live: bool = True,
    max_tokens: int | None = None,
    stop: Sequence[str] = (),
    progress: bool = False,
    answer_only: bool = False,
    tools: bool = True,
) -> Told:
    """A whole turn."""
    emitted: list[ev.Live] = []
    telling = new_telling(
        emitted, live=live, max_tokens=max_tokens, stop=stop, progress=progress, answer_only=answer_only
    )
    told = Told(telling, emitted)
    if not tools:
        telling.drop_calls()
    for batch in batches:
        told.wanted = telling.tell(batch)
        if not told.wanted:
            break
    return finish(told)


def text(*pieces: str) -> list[Piece]:
    return [Text(piece) for piece in pieces]


def call(index: int, name: str = "get_weather", *arguments: str) -> list[Piece]:
    """A call: its name first, its arguments in fragments."""
    return [CallPart(index, "", f"up_{index}", name), *(CallPart(index, piece) for piece in arguments)]


def consistent(told: Told) -> None:
    """What everybody may rely on: parts one after the other, deltas that add up, every part completed, positions too."""
    parts: dict[str, str] = {}
    for event in told.live:
        match event:
            case ev.MessageStarted(id) | ev.CallStarted(id):
                assert id not in parts
                parts[id] = ""
            case ev.TextDelta(id, piece) | ev.CallDelta(id, piece):
                assert id == list(parts)[-1], "a part that was left is told again"
                assert piece, "a delta of nothing"
                parts[id] += piece
    recorded = [(event.message_id, event.text) for event in [told.message] if event]
    recorded += [(event.call_id, event.arguments) for event in told.calls]
    assert list(parts.items()) == recorded
    position = reduce(advance, [*told.live, *told.durable], Position())
    assert position == Position(len(told.durable), 0)


def test_an_answer_is_told_as_it_comes() -> None:
    told = tell(text("Hel", "lo"), [Text(", world"), Finish("stop"), Used(Usage(1, 2), "gpt")])
    assert told.live == [
        ev.MessageStarted("m", "supervisor"),
        ev.TextDelta("m", "Hel"),
        ev.TextDelta("m", "lo"),
        ev.TextDelta("m", ", world"),
    ]
    assert told.message is not None
    assert (told.message.text, told.message.status, told.message.phase) == ("Hello, world", "completed", "answer")
    assert (told.turn.finish, told.turn.message_id, told.turn.call_ids) == ("stop", "m", ())
    assert (told.turn.usage, told.turn.model) == (USAGE, "model")
    assert (told.telling.usage, told.telling.model) == (Usage(1, 2), "gpt")
    assert told.wanted
    consistent(told)


def test_a_call_is_told_as_it_comes_and_has_an_id_of_ours() -> None:
    told = tell(call(0, "get_weather", '{"city":', '"Rome"}'), [Finish("tool_calls")])
    assert told.live == [
        ev.CallStarted("call_1", "get_weather", "client"),
        ev.CallDelta("call_1", '{"city":'),
        ev.CallDelta("call_1", '"Rome"}'),
    ]
    assert [(each.call_id, each.name, each.arguments, each.kind) for each in told.calls] == [
        ("call_1", "get_weather", '{"city":"Rome"}', "client")
    ]
    assert (told.turn.message_id, told.turn.call_ids, told.turn.finish) == (None, ("call_1",), "tool_calls")
    consistent(told)


@pytest.mark.parametrize(("name", "kind"), [*KINDS.items(), ("no_such_tool", "server")])
def test_a_calls_kind_is_that_of_the_table(name: str, kind: str) -> None:
    assert [each.kind for each in tell(call(0, name, "{}")).calls] == [kind]


def test_words_before_a_call_are_commentary() -> None:
    told = tell(text("I will ask."), call(0, "transfer_to_writer", "{}"), [Finish("tool_calls")])
    assert told.message is not None
    assert (told.message.text, told.message.phase) == ("I will ask.", "commentary")
    assert [type(event) for event in told.durable] == [ev.MessageCompleted, ev.CallCompleted, ev.TurnCompleted]
    consistent(told)


def test_parallel_calls_are_told_one_after_the_other() -> None:
    batches = [*call(0, "get_weather", '{"a"'), *call(1, "search", '{"b"'), CallPart(0, ":1}"), CallPart(1, ":2}")]
    told = tell(batches, call(2, "get_weather"))
    assert [(each.name, each.arguments) for each in told.calls] == [
        ("get_weather", '{"a":1}'),
        ("search", '{"b":2}'),
        ("get_weather", ""),
    ]
    assert told.live == [
        ev.CallStarted("call_1", "get_weather", "client"),
        ev.CallDelta("call_1", '{"a"'),
        ev.CallDelta("call_1", ":1}"),
        ev.CallStarted("call_2", "search", "server"),
        ev.CallDelta("call_2", '{"b":2}'),
        ev.CallStarted("call_3", "get_weather", "client"),
    ]
    consistent(told)


def test_calls_keep_the_order_in_which_they_came() -> None:
    told = tell([*call(5, "search", "{1}"), *call(2, "get_weather", "{2}")])
    assert [each.name for each in told.calls] == ["search", "get_weather"]
    consistent(told)


def test_without_a_watcher_nothing_is_told_before_the_turn_is_whole() -> None:
    emitted: list[ev.Live] = []
    telling = new_telling(emitted, live=False)
    telling.tell([*text("I will", " ask."), *call(0, "search", "{}"), *call(1, "get_weather", "{}")])
    assert not emitted
    told = finish(Told(telling, emitted))
    assert emitted[:2] == [ev.MessageStarted("m", "supervisor"), ev.TextDelta("m", "I will ask.")]
    consistent(told)


def test_pure_json_has_no_commentary() -> None:
    told = tell(text("I will ask."), call(0, "search", "{}"), live=False, answer_only=True)
    assert told.message is None
    assert told.turn.message_id is None
    assert told.live == [ev.CallStarted("call_1", "search", "server"), ev.CallDelta("call_1", "{}")]
    answer = tell(text('{"a":', "1}"), live=False, answer_only=True)
    assert answer.message is not None
    assert (answer.message.text, answer.message.phase) == ('{"a":1}', "answer")
    consistent(answer)


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("blank", ["", " ", "\n\n", "\u00a0\t"])
def test_blank_text_opens_no_message(blank: str, live: bool) -> None:
    told = tell(text(blank, blank), live=live)
    assert (told.live, told.message, told.turn.message_id) == ([], None, None)
    with_call = tell(text(blank), call(0, "search", "{}"), live=live)
    assert with_call.message is None
    consistent(with_call)


def test_a_blank_beginning_is_kept_where_words_follow() -> None:
    told = tell(text("\n", "\n", "Hi", " \n"))
    assert told.live[:2] == [ev.MessageStarted("m", "supervisor"), ev.TextDelta("m", "\n\nHi")]
    assert told.message is not None
    assert told.message.text == "\n\nHi \n"
    consistent(told)


def test_a_message_is_not_opened_for_what_a_stop_sequence_leaves_blank() -> None:
    told = tell(text("\n\nHel", "lo"), text(" there"), stop=["Hello"])
    assert (told.message, told.live, told.wanted) == (None, [], False)


@pytest.mark.parametrize("live", [True, False])
def test_max_tokens_cuts_the_text_and_wants_no_more(live: bool) -> None:
    told = tell(text("12345678", "9"), text("never"), max_tokens=2, live=live)
    assert told.message is not None
    assert (told.message.text, told.message.status) == ("12345678", "incomplete")
    assert (told.turn.finish, told.wanted, told.telling.gate.tokens) == ("length", False, 2)
    consistent(told)


def test_a_stop_sequence_ends_the_text_which_is_whole() -> None:
    told = tell(text("One. EN", "D Two."), [Finish("length")], stop=["END"])
    assert told.message is not None
    assert (told.message.text, told.message.status) == ("One. ", "completed")
    assert (told.turn.finish, told.wanted) == ("stop", False)
    consistent(told)


def test_what_a_stop_sequence_might_have_begun_with_is_told_at_the_end() -> None:
    told = tell(text("One. EN"), stop=["END"])
    assert told.live[-1] == ev.TextDelta("m", "EN")
    assert told.message is not None
    assert told.message.text == "One. EN"
    consistent(told)


def test_text_that_is_held_back_is_told_before_the_call_that_follows() -> None:
    told = tell(text("One. EN"), call(0, "get_weather", "{}"), stop=["END"])
    assert told.live == [
        ev.MessageStarted("m", "supervisor"),
        ev.TextDelta("m", "One. "),
        ev.TextDelta("m", "EN"),
        ev.CallStarted("call_1", "get_weather", "client"),
        ev.CallDelta("call_1", "{}"),
    ]
    consistent(told)


@pytest.mark.parametrize("live", [True, False])
def test_a_turn_that_was_cut_makes_no_calls(live: bool) -> None:
    told = tell([*text("12345678", "9"), *call(0, "get_weather", "{}"), Used(USAGE)], max_tokens=2, live=live)
    assert (told.calls, told.turn.call_ids, told.turn.finish) == ([], (), "length")
    assert not any(isinstance(event, ev.CallStarted) for event in told.live)
    assert told.telling.usage == USAGE
    consistent(told)


def test_a_cut_that_shows_only_when_a_call_comes_drops_the_call() -> None:
    told = tell([*text("a" * 11), *call(0, "get_weather", "{}")], max_tokens=2)
    assert (told.calls, told.turn.finish) == ([], "length")
    consistent(told)


@pytest.mark.parametrize("live", [True, False])
def test_a_text_ends_where_the_first_call_begins(live: bool) -> None:
    told = tell(text("Before."), call(0, "get_weather", "{}"), text("Behind."), call(1, "search", "{}"), live=live)
    assert told.message is not None
    assert told.message.text == "Before."
    assert len(told.calls) == 2
    consistent(told)
    silent = tell(call(0, "get_weather", "{}"), text("Behind."), live=live)
    assert silent.message is None
    consistent(silent)


@pytest.mark.parametrize("live", [True, False])
def test_a_turn_without_tools_has_words_alone(live: bool) -> None:
    told = tell(
        text("One, "), call(0, "get_weather", "{}"), text("two."), [Finish("tool_calls")], tools=False, live=live
    )
    assert told.message is not None
    assert (told.message.text, told.message.phase, told.calls) == ("One, two.", "answer", [])
    assert told.turn.finish == "stop"
    assert not any(isinstance(event, ev.CallStarted) for event in told.live)
    consistent(told)


@pytest.mark.parametrize(
    ("given", "calls", "said"),
    [
        ("stop", False, "stop"),
        ("stop", True, "tool_calls"),
        ("tool_calls", True, "tool_calls"),
        ("tool_calls", False, "stop"),
        ("length", False, "length"),
        ("length", True, "length"),
        ("content_filter", False, "content_filter"),
    ],
)
def test_why_a_turn_ended_agrees_with_what_is_in_it(given: FinishReason, calls: bool, said: FinishReason) -> None:
    told = tell(text("Hi"), call(0, "search", "{}") if calls else [], [Finish(given)])
    assert told.turn.finish == said


@pytest.mark.parametrize(("reason", "status"), [("length", "incomplete"), ("content_filter", "incomplete")])
def test_an_answer_that_the_model_could_not_end_is_incomplete(reason: FinishReason, status: str) -> None:
    told = tell(text("Hi"), [Finish(reason)])
    assert told.message is not None
    assert told.message.status == status


def test_words_before_a_call_that_was_cut_are_whole() -> None:
    told = tell(text("I will ask."), call(0, "search", '{"q'), [Finish("length")])
    assert told.message is not None
    assert told.message.status == "completed"


def test_thinking_aloud_is_told_on_request_alone() -> None:
    pieces: list[Piece] = [Reasoning("Hm."), Text("Hi")]
    assert tell(pieces, progress=True).live[0] == ev.AgentProgress("", "supervisor", "Hm.")
    assert not any(isinstance(event, ev.AgentProgress) for event in tell(pieces).live)


def test_words_that_were_found_for_a_silent_model_are_told_whole() -> None:
    emitted: list[ev.Live] = []
    telling = new_telling(emitted)
    telling.tell(text(" "))
    telling.end_text()
    telling.text = "What was found."
    told = Told(telling, emitted, durable=telling.durable((), USAGE, "model"))
    assert emitted == [ev.MessageStarted("m", "supervisor"), ev.TextDelta("m", "What was found.")]
    consistent(told)


@pytest.mark.parametrize("live", [True, False])
def test_characters_that_nobody_can_write_down_are_replaced(live: bool) -> None:
    told = tell(text("a\ud800b"), call(0, "sea\udfffrch", '"\ud83d"'), live=live)
    assert told.message is not None
    for event in (*told.live, *told.durable):
        repr(event).encode()
    assert (told.message.text, told.calls[0].arguments) == ("a?b", '"?"')
    consistent(told)


PIECES = st.one_of(
    st.sampled_from(["", " ", "\n", "Hi", "STOP", "ST", "OP", "Ω😀", "words and words"]).map(Text),
    st.builds(CallPart, st.integers(0, 2), st.sampled_from(["", "{", '"é"', "}"]), st.just("id"), st.just("search")),
    st.sampled_from([Finish("stop"), Finish("length"), Reasoning("hm"), Used(USAGE)]),
)
BATCHES = st.lists(st.lists(PIECES, max_size=4), max_size=6)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(BATCHES, st.booleans(), st.none() | st.integers(0, 6), st.booleans(), st.booleans(), st.booleans())
def test_any_turn_is_told_as_it_is_recorded(
    batches: list[list[Piece]], live: bool, max_tokens: int | None, stop: bool, answer_only: bool, tools: bool
) -> None:
    stops = ("STOP",) if stop else ()
    told = tell(
        *batches, live=live and not answer_only, max_tokens=max_tokens, stop=stops, answer_only=answer_only, tools=tools
    )
    consistent(told)
    silent = tell(*batches, live=False, max_tokens=max_tokens, stop=stops, answer_only=answer_only, tools=tools)
    assert [replaced(event) for event in silent.durable] == [replaced(event) for event in told.durable]


def replaced(event: ev.Durable) -> str:
    """The event without its time."""
    return repr(event).rpartition("at=")[0]
