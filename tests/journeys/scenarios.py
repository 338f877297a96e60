"""What clients do with their tools, told once: what the user does, what the upstream says, what the client must see.

Every client plays the same scenarios (`tests/journeys/drivers.py`), streaming and not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from tests.journeys.stage import lines
from tests.replies import Call, Reply, transfer, weighed
from tests.upstream import Script, by_agent, in_order


def function(name: str, *strings: str, **fields: Any) -> dict[str, Any]:
    """A tool that takes these strings."""
    properties = {each: {"type": "string"} for each in strings}
    parameters = {
        "type": "object",
        "properties": properties,
        "required": [*strings],
        "additionalProperties": False,
    }
    return {
        "type": "function",
        "function": {"name": name, "description": f"The {name}", "parameters": parameters, **fields},
    }


WEATHER: Final = function("weather", "city")
CLOCK: Final = function("clock")
TRANSFERS: Final = {"transfer_to_researcher", "transfer_to_analyst", "transfer_to_writer"}
FACT: Final = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
    "required": ["city", "degrees"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Request:
    """What every request of a scenario has. `remembered`: it names its conversation. `schema`: of the answer wanted.
    `functions`: tools as OpenAI's first clients spoke of them. `top_logprobs`: how many, with the answer's tokens."""

    tools: tuple[Mapping[str, Any], ...] = (WEATHER, CLOCK)
    tool_choice: Any = None
    parallel_tool_calls: bool | None = None
    remembered: bool = False
    schema: Mapping[str, Any] | None = None
    functions: tuple[Mapping[str, Any], ...] = ()
    top_logprobs: int | None = None


@dataclass(frozen=True)
class Seen:
    """What the client sees of an answer. `parsed` is the answer that was asked for by a schema, `tokens` are the tokens
    whose probabilities came with it, `kind` is how calls are told."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    parsed: Mapping[str, Any] | None = None
    tokens: tuple[str, ...] | None = None
    kind: Literal["tool_calls", "function_call"] = "tool_calls"

    @property
    def finish(self) -> str:
        return self.kind if self.calls else "stop"


@dataclass(frozen=True)
class Refused:
    """A request that is refused."""

    status: int
    param: str


@dataclass(frozen=True)
class Step:
    """One request of the client.

    - `outputs`: of the last answer's calls, in order, or by id; `say`: the user's words, behind them.
    - `alone`: without what was said before. `elsewhere`: to a server that knows nothing of it.
    - `loop`: what the tools return when the client runs them by itself until there is an answer.
    """

    sees: Seen | Refused
    say: str | None = None
    outputs: tuple[str, ...] | Mapping[str, str] = ()
    alone: bool = False
    elsewhere: bool = False
    loop: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Scenario:
    """`script` makes what the upstream says. At the end, the supervisor was asked with `prompt` last, the first request
    to the upstream had `asked` in it and these tools (`offered`), and these `agents` were asked, in order.

    `without` names the clients that can't play it, and why.
    """

    script: Callable[[], Script]
    steps: tuple[Step, ...]
    request: Request = field(default_factory=Request)
    prompt: tuple[tuple[str, str | None], ...] | None = None
    asked: Mapping[str, Any] = field(default_factory=dict)
    offered: frozenset[str] | None = None
    agents: tuple[str, ...] | None = None
    without: Mapping[str, str] = field(default_factory=dict)


def saying(*said: Reply | str) -> Callable[[], Script]:
    return lambda: in_order(*said)


def weather(*cities: str) -> Reply:
    return Reply(calls=[("weather", {"city": city}) for city in cities])


ASK: Final = "What is the weather?"
ROME: Final[Call] = ("weather", {"city": "Rome"})
OSLO: Final[Call] = ("weather", {"city": "Oslo"})
ONE_CALL: Final = saying(weather("Rome"), "Sunny.")
ASKED_ROME: Final = Step(Seen(calls=(ROME,)), say=ASK)
REMEMBERED: Final = Request(remembered=True)
ROUND: Final = (("user", ASK), ("assistant", None), ("tool", "sun"))
SUNNY: Final = Seen("Sunny.")
UNUSUAL: Final = 'Łódź "quoted"\n\\ 日本 🗾 </tool>'
NAMED: Final = {"type": "function", "function": {"name": "weather"}}
TWO_ROUNDS: Final = saying(weather("Rome"), Reply("And there?", calls=[OSLO]), "Sun and snow.")


def _mixed() -> Script:
    both = Reply(calls=[transfer("researcher", "Rome"), ROME])
    return by_agent(supervisor=lines(both, "Done."), researcher=["Rome is a city."])


def _choice(choice: Any) -> Scenario:
    """A forced choice withdraws the transfers, and goes upstream."""
    return Scenario(
        ONE_CALL,
        (ASKED_ROME,),
        Request(tool_choice=choice),
        asked={"tool_choice": choice},
        offered=frozenset({"weather", "clock"}),
    )


def _choice_again(choice: Any) -> Scenario:
    """It holds for the first turn, though the client sends it with the output too."""
    insists = "It takes an answer without a call for an error, as long as its choice is sent."
    return replace(
        _choice(choice),
        steps=(ASKED_ROME, Step(SUNNY, outputs=("sun",))),
        prompt=ROUND,
        without={"@ai-sdk/openai": insists, "@ai-sdk/openai-compatible": insists},
    )


def _function(alone: bool) -> Scenario:
    """A call has no id: its function's name leads back to it."""
    asked = Step(Seen(calls=(ROME,), kind="function_call"), say=ASK)
    unknown = "It speaks of tools alone."
    return Scenario(
        ONE_CALL,
        (asked, Step(SUNNY, outputs=("sun",), alone=alone)),
        Request(tools=(), functions=(WEATHER["function"],), remembered=True),
        prompt=ROUND,
        without=dict.fromkeys(("langchain", "@ai-sdk/openai", "@ai-sdk/openai-compatible"), unknown),
    )


SCENARIOS: Final[Mapping[str, Scenario]] = {
    "no call": Scenario(
        saying("Hello."),
        (Step(Seen("Hello."), say="Hi"),),
        offered=frozenset({"weather", "clock", *TRANSFERS}),
    ),
    "one call": Scenario(ONE_CALL, (ASKED_ROME, Step(SUNNY, outputs=("sun",))), prompt=ROUND),
    "one call, the output alone": Scenario(
        ONE_CALL, (ASKED_ROME, Step(SUNNY, outputs=("sun",), alone=True)), prompt=ROUND
    ),
    "one call in a conversation": Scenario(
        ONE_CALL, (ASKED_ROME, Step(SUNNY, outputs=("sun",))), REMEMBERED, prompt=ROUND
    ),
    "one call in a conversation, the output alone": Scenario(
        ONE_CALL, (ASKED_ROME, Step(SUNNY, outputs=("sun",), alone=True)), REMEMBERED, prompt=ROUND
    ),
    "several calls at once": Scenario(
        saying(Reply(calls=[ROME, OSLO, ("clock", {})]), "Sun and snow at noon."),
        (
            Step(Seen(calls=(ROME, OSLO, ("clock", {}))), say=ASK),
            Step(Seen("Sun and snow at noon."), outputs=("sun", "snow", "noon")),
        ),
        prompt=(("user", ASK), ("assistant", None), ("tool", "sun"), ("tool", "snow"), ("tool", "noon")),
    ),
    "words before a call": Scenario(
        saying(Reply("Let me see.", calls=[ROME]), "Sunny."),
        (Step(Seen("Let me see.", calls=(ROME,)), say=ASK), Step(SUNNY, outputs=("sun",))),
        prompt=(("user", ASK), ("assistant", "Let me see."), ("tool", "sun")),
    ),
    "arguments and outputs of any text": Scenario(
        saying(Reply(calls=[("weather", {"city": UNUSUAL})]), UNUSUAL),
        (
            Step(Seen(calls=(("weather", {"city": UNUSUAL}),)), say=ASK),
            Step(Seen(UNUSUAL), outputs=(UNUSUAL,)),
        ),
        prompt=(("user", ASK), ("assistant", None), ("tool", UNUSUAL)),
    ),
    "a delegation and a call": Scenario(
        _mixed,
        (ASKED_ROME, Step(Seen("Done."), outputs=("sun",))),
        prompt=(("user", ASK), ("assistant", None), ("tool", "Rome is a city."), ("tool", "sun")),
        agents=("supervisor", "researcher", "supervisor"),
    ),
    "a second round": Scenario(
        TWO_ROUNDS,
        (
            ASKED_ROME,
            Step(Seen("And there?", calls=(OSLO,)), outputs=("sun",)),
            Step(Seen("Sun and snow."), outputs=("snow",)),
        ),
        prompt=(*ROUND, ("assistant", "And there?"), ("tool", "snow")),
    ),
    "a second round, the outputs alone": Scenario(
        TWO_ROUNDS,
        (
            ASKED_ROME,
            Step(Seen("And there?", calls=(OSLO,)), outputs=("sun",), alone=True),
            Step(Seen("Sun and snow."), outputs=("snow",), alone=True),
        ),
        REMEMBERED,
        prompt=(*ROUND, ("assistant", "And there?"), ("tool", "snow")),
    ),
    "another turn after it": Scenario(
        saying(weather("Rome"), "Sunny.", "Yes."),
        (ASKED_ROME, Step(SUNNY, outputs=("sun",)), Step(Seen("Yes."), say="Sure?")),
        REMEMBERED,
        prompt=(*ROUND, ("assistant", "Sunny."), ("user", "Sure?")),
    ),
    "another turn after it, alone": Scenario(
        saying(weather("Rome"), "Sunny.", "Yes."),
        (ASKED_ROME, Step(SUNNY, outputs=("sun",), alone=True), Step(Seen("Yes."), say="Sure?", alone=True)),
        REMEMBERED,
        prompt=(*ROUND, ("assistant", "Sunny."), ("user", "Sure?")),
    ),
    "words behind the output": Scenario(
        ONE_CALL,
        (ASKED_ROME, Step(SUNNY, outputs=("sun",), say="Be brief.")),
        prompt=(*ROUND, ("user", "Be brief.")),
    ),
    "the client's own loop": Scenario(
        saying(weather("Rome"), Reply(calls=[("clock", {})]), "Sunny at noon."),
        (Step(Seen("Sunny at noon."), say=ASK, loop={"weather": "sun", "clock": "noon"}),),
        prompt=(*ROUND, ("assistant", None), ("tool", "noon")),
        without={"openai-python": "It has no loop of its own for chat completions."},
    ),
    "a server that has forgotten": Scenario(
        ONE_CALL, (ASKED_ROME, Step(SUNNY, outputs=("sun",), elsewhere=True)), prompt=ROUND
    ),
    "a server that has forgotten the conversation": Scenario(
        ONE_CALL, (ASKED_ROME, Step(SUNNY, outputs=("sun",), elsewhere=True)), REMEMBERED, prompt=ROUND
    ),
    "a server that has forgotten, the output alone": Scenario(
        saying(weather("Rome")),
        (ASKED_ROME, Step(Refused(400, "messages"), outputs=("sun",), alone=True, elsewhere=True)),
        REMEMBERED,
    ),
    "calls that are never answered": Scenario(
        saying(weather("Rome"), "Never mind."),
        (ASKED_ROME, Step(Seen("Never mind."), say="Forget it.", alone=True)),
        REMEMBERED,
        prompt=(("user", ASK), ("assistant", None), ("tool", "(not answered)"), ("user", "Forget it.")),
    ),
    "calls that are answered too late": Scenario(
        saying(weather("Rome"), "Never mind."),
        (
            ASKED_ROME,
            Step(Seen("Never mind."), say="Forget it.", alone=True),
            Step(Refused(400, "messages"), outputs={"call_of_nobody": "sun"}, alone=True),
        ),
        REMEMBERED,
    ),
    "outputs for calls nobody made": Scenario(
        saying(weather("Rome")),
        (ASKED_ROME, Step(Refused(400, "messages"), outputs={"call_of_nobody": "sun"}, alone=True)),
    ),
    "outputs for calls nobody made, in a conversation": Scenario(
        saying(weather("Rome")),
        (ASKED_ROME, Step(Refused(400, "messages"), outputs={"call_of_nobody": "sun"}, alone=True)),
        REMEMBERED,
    ),
    "an output is missing": Scenario(
        saying(weather("Rome", "Oslo")),
        (
            Step(Seen(calls=(ROME, OSLO)), say=ASK),
            Step(Refused(400, "messages"), outputs=("sun",), alone=True),
        ),
        REMEMBERED,
    ),
    "choice: auto": Scenario(
        ONE_CALL,
        (ASKED_ROME, Step(SUNNY, outputs=("sun",))),
        Request(tool_choice="auto"),
        offered=frozenset({"weather", "clock", *TRANSFERS}),
    ),
    "choice: none": Scenario(
        saying("Words."),
        (Step(Seen("Words."), say=ASK),),
        Request(tool_choice="none"),
        offered=frozenset(TRANSFERS),
    ),
    "choice: required": _choice("required"),
    "choice: required, sent again": _choice_again("required"),
    "choice: named": _choice(NAMED),
    "choice: named, sent again": _choice_again(NAMED),
    "one call at a time": Scenario(
        ONE_CALL,
        (ASKED_ROME, Step(SUNNY, outputs=("sun",))),
        Request(parallel_tool_calls=False),
        asked={"parallel_tool_calls": False},
    ),
    "strict": Scenario(
        ONE_CALL,
        (ASKED_ROME, Step(SUNNY, outputs=("sun",))),
        Request(tools=(function("weather", "city", strict=True),)),
        asked={"tools": [function("weather", "city", strict=True)]},
    ),
    "an answer by a schema": Scenario(
        saying('{"city": "Rome", "degrees": 21}'),
        (Step(Seen(parsed={"city": "Rome", "degrees": 21}), say=ASK),),
        Request(tools=(), schema=FACT),
    ),
    "tokens and their probabilities": Scenario(
        saying(Reply(chunks=["Hel", "lo, ", "you"], logprobs=[weighed("Hel"), weighed("lo", ", "), weighed("you")])),
        (Step(Seen("Hello, you", tokens=("Hel", "lo", ", ", "you")), say="Hi"),),
        Request(top_logprobs=2),
        asked={"logprobs": True, "top_logprobs": 2},
        without={"@ai-sdk/openai-compatible": "It has no place for them."},
    ),
    "a function": _function(alone=False),
    "a function, its output alone": _function(alone=True),
}
