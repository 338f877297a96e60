"""Requests as clients might send them: whole ones with every parameter, broken ones, and what is hardly a request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

from hypothesis import strategies as st

Json = Any
Step = str | int
Strategy = st.SearchStrategy[Any]

MODELS: Final = ("cortex-flow", "cortex-flow-supervisor", "cortex-flow-researcher", "cortex-flow-analyst")
WORK: Final = (
    "Hello!",
    "What is 17 * 23?",
    "Research tea and write a report",
    "Call every tool you have",
    "Search for x",
)

texts = st.text(max_size=30) | st.sampled_from(
    [
        "",
        " ",
        "\n\n",
        "\x00",
        "\u2028",
        "é",
        "e\u0301",
        "👩‍👩‍👧",
        "\U0010ffff",
        "<|endoftext|>",
        "【1†notes】",
        "%s {0} $(x)",
        "a" * 3000,
    ]
)
short = texts.filter(lambda text: len(text) <= 64)
words = st.sampled_from(WORK) | texts
names = st.from_regex(r"[a-zA-Z0-9_-]{1,64}", fullmatch=True) | st.sampled_from(
    ["transfer_to_writer", "search", "python"]
)
numbers = (
    st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([2**63, -(2**63), 2**64 - 1, 1e308, 5e-324])
)
scalars = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8
)


def or_absent(**fields: Strategy) -> Strategy:
    """An object with some of these fields."""
    return st.fixed_dictionaries({}, optional=fields)


def or_null(strategy: Strategy) -> Strategy:
    return st.none() | strategy


def nested(depth: int, inside: Json) -> Json:
    """Objects and arrays in each other, so deep."""
    for level in range(depth):
        inside = [inside] if level % 2 else {"a": inside}
    return inside


def _schemas() -> Strategy:
    """JSON schemas, and what looks like one."""
    kinds = st.sampled_from(["string", "number", "integer", "boolean", "array", "object", "null", "nonsense"])
    leaves = or_absent(
        type=kinds | st.lists(kinds, max_size=2),
        enum=st.lists(scalars, max_size=3),
        const=scalars,
        default=scalars,
        format=st.sampled_from(["email", "date", "uri", "uuid", "x"]),
        pattern=st.sampled_from(["^a+$", "(a+)+$", "[", "\\d{3}"]),
        minimum=numbers,
        maximum=numbers,
        minLength=numbers,
        maxLength=numbers,
        minItems=numbers,
        multipleOf=numbers,
    ) | st.sampled_from([True, {"$ref": "#"}, {"$ref": "#/$defs/a"}, {"$ref": "nowhere"}])
    return st.recursive(
        leaves,
        lambda inner: or_absent(
            type=kinds,
            properties=st.dictionaries(texts, inner, max_size=3),
            required=st.lists(texts, max_size=2),
            items=inner,
            prefixItems=st.lists(inner, max_size=2),
            anyOf=st.lists(inner, max_size=2),
            oneOf=st.lists(inner, max_size=2),
            allOf=st.lists(inner, max_size=2),
            additionalProperties=inner,
            **{"$defs": st.fixed_dictionaries({"a": inner})},
        ),
        max_leaves=6,
    ).filter(lambda schema: isinstance(schema, dict))


schemas = _schemas()
refusals = st.fixed_dictionaries({"type": st.just("refusal"), "refusal": texts})
text_parts = st.fixed_dictionaries({"type": st.just("text"), "text": words})
image_parts = st.fixed_dictionaries(
    {
        "type": st.just("image_url"),
        "image_url": st.fixed_dictionaries(
            {"url": st.sampled_from(["https://x.example/a.png", "data:image/png;base64,AAAA", "x"])},
            optional={"detail": st.sampled_from(["auto", "low", "high", None])},
        ),
    }
)
file_parts = st.fixed_dictionaries(
    {"type": st.just("file"), "file": or_absent(filename=texts, file_data=texts, file_id=texts)}
)
contents = words | st.lists(text_parts, min_size=1, max_size=3)
of_users = contents | st.lists(text_parts | image_parts | file_parts, min_size=1, max_size=3)
functions = st.fixed_dictionaries(
    {"name": names},
    optional={"description": or_null(texts), "parameters": or_null(schemas), "strict": or_null(st.booleans())},
)


def _name(tool: Json) -> str:
    return str(tool["function"]["name"])


tools = st.lists(
    st.fixed_dictionaries({"type": st.just("function"), "function": functions}),
    max_size=3,
    unique_by=_name,
)


@st.composite
def called(draw: st.DrawFn) -> list[Json]:
    """An assistant's calls, and what they were answered."""
    ids = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    calls = [
        {"id": id, "type": "function", "function": {"name": draw(names), "arguments": draw(st.just("{}") | texts)}}
        for id in ids
    ]
    outputs = [{"role": "tool", "tool_call_id": id, "content": draw(contents)} for id in draw(st.permutations(ids))]
    return [{"role": "assistant", "content": draw(or_null(contents)), "tool_calls": calls}, *outputs]


@st.composite
def called_once(draw: st.DrawFn) -> list[Json]:
    """A call and its output in OpenAI's first words for it."""
    name = draw(names)
    call = {"name": name, "arguments": draw(texts | st.dictionaries(texts, scalars, max_size=2))}
    return [
        {"role": "assistant", "content": None, "function_call": call},
        {"role": "function", "name": name, "content": draw(texts)},
    ]


def _spoken(*roles: str, content: Strategy) -> Strategy:
    message = st.fixed_dictionaries(
        {"role": st.sampled_from(roles), "content": content}, optional={"name": or_null(texts)}
    )
    return message.map(lambda said: [said])


turns = st.lists(
    _spoken("user", content=of_users)
    | _spoken("assistant", content=contents | st.lists(text_parts | refusals, min_size=1, max_size=2))
    | _spoken("system", "developer", content=contents)
    | called()
    | called_once(),
    max_size=4,
).map(lambda several: [message for turn in several for message in turn])
formats = st.sampled_from([{"type": "text"}, {"type": "json_object"}]) | st.builds(
    lambda name, schema: {"type": "json_schema", "json_schema": {"name": name, "schema": schema}}, names, schemas
)
penalties = st.floats(-2, 2)
parameters = or_absent(
    model=st.sampled_from([None, *MODELS]),
    stream_options=or_null(or_absent(include_usage=st.booleans(), include_progress=or_null(st.booleans()), x=scalars)),
    temperature=or_null(st.floats(0, 2) | st.integers(0, 2)),
    top_p=or_null(st.floats(0, 1)),
    presence_penalty=or_null(penalties),
    frequency_penalty=or_null(penalties),
    n=st.sampled_from([None, 1]),
    seed=or_null(st.integers(-(2**63), 2**63 - 1)),
    max_tokens=or_null(st.integers(1, 50) | st.just(2**63 - 1)),
    max_completion_tokens=or_null(st.integers(1, 50)),
    stop=or_null(texts | st.lists(texts, max_size=4)),
    response_format=or_null(formats),
    parallel_tool_calls=or_null(st.booleans()),
    metadata=or_null(st.dictionaries(short, short, max_size=3)),
    history=st.sampled_from([None, "auto", "full"]),
    user=or_null(texts),
    logit_bias=or_null(st.dictionaries(st.integers(0, 99999).map(str), st.integers(-100, 100), max_size=2)),
    reasoning_effort=st.sampled_from([None, "low", "high"]),
    verbosity=st.sampled_from([None, "low", "high"]),
    service_tier=st.sampled_from([None, "auto", "default"]),
    safety_identifier=or_null(short),
    prompt_cache_key=or_null(texts),
    logprobs=st.sampled_from([None, False]),
    modalities=st.sampled_from([None, ["text"]]),
    nobody_knows=values,
)


@st.composite
def whole(draw: st.DrawFn) -> dict[str, Json]:
    """A request that has an answer."""
    body = {**draw(parameters), "stream": draw(st.sampled_from([True, False, None]))}
    body["messages"] = [*draw(turns), {"role": "user", "content": draw(of_users)}]
    if draw(st.booleans()):
        body["tools"] = draw(tools)
        offered = [{"type": "function", "function": {"name": tool["function"]["name"]}} for tool in body["tools"]]
        choices: list[Json] = ["none", "auto", None, *(["required"] if offered else []), *offered]
        if offered:
            choices.append({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": offered[:1]}})
        body["tool_choice"] = draw(st.sampled_from(choices))
    return body


more_parameters = or_absent(
    n=st.integers(0, 4),
    logprobs=st.booleans(),
    top_logprobs=st.integers(-1, 21),
    functions=st.lists(functions, max_size=2),
    function_call=st.sampled_from(["none", "auto"]) | st.fixed_dictionaries({"name": names}),
    modalities=st.sampled_from([["text"], ["text", "audio"], [], ["x"]]),
    audio=or_null(or_absent(voice=texts, format=texts)),
    prediction=or_null(st.fixed_dictionaries({"type": st.just("content"), "content": contents})),
    moderation=or_null(values),
    prompt_cache_options=or_null(or_absent(ttl=st.sampled_from(["30m", "x"]), mode=texts)),
    store=or_null(st.booleans()),
    web_search_options=or_null(or_absent(search_context_size=st.sampled_from(["low", "x"]))),
    conversation_id=or_null(texts),
    messages=st.lists(values, max_size=2) | st.just([{"role": "user", "content": "word " * 20_000}]),
    tools=st.lists(st.fixed_dictionaries({"type": texts, "function": functions}), max_size=2),
    tool_choice=st.sampled_from(["required", "x"]) | st.fixed_dictionaries({"type": texts, "function": values}),
)


@st.composite
def more(draw: st.DrawFn) -> dict[str, Json]:
    """A request with parameters that not every server knows, or knows what to do with."""
    return {**draw(whole()), **draw(more_parameters)}


def places(value: Json, before: tuple[Step, ...] = ()) -> Iterator[tuple[Step, ...]]:
    """The path of everything within a value."""
    if before:
        yield before
    steps: Iterator[tuple[Step, Json]] = iter(())
    if isinstance(value, dict):
        steps = iter(value.items())
    elif isinstance(value, list):
        steps = iter(enumerate(value))
    for step, inner in steps:
        yield from places(inner, (*before, step))


wrong = values | st.sampled_from(
    [
        nested(200, 1),
        nested(249, 1),
        nested(400, 1),
        [[]],
        {},
        [],
        [None],
        {"type": "text"},
        {"type": "x"},
        {"type": 1},
        "x" * 600,
    ]
)


@st.composite
def broken(draw: st.DrawFn, of: Strategy | None = None) -> Json:
    """A request (of these, or to chat) of which one thing was taken away, added, or is something else."""
    body = deepcopy(draw(whole() if of is None else of))  # what is drawn may be shared
    if not body:
        return draw(wrong)
    *outside, last = draw(st.sampled_from(list(places(body))))
    around: Json = body
    for step in outside:
        around = around[step]
    match draw(st.sampled_from(["other", "other", "gone", "more"])):
        case "gone":
            del around[last]
        case "more" if isinstance(around, list):
            around.append(draw(wrong))
        case "more":
            around[draw(texts)] = draw(wrong)
        case _:
            around[last] = draw(wrong)
    return body


@dataclass(frozen=True)
class Round:
    """A request that asks for calls, and how a client answers them: which outputs in which order, and what stands around."""

    asking: dict[str, Json]
    outputs: list[Json]
    order: list[int]
    among: list[tuple[int, Json]]
    resent: str
    changes: dict[str, Json]
    named: bool
    twice: bool

    def answers(self, asked: Json) -> Iterator[dict[str, Json]]:
        """The requests that follow on an assistant's message."""
        calls = [{"role": "tool", "tool_call_id": call["id"]} for call in asked.get("tool_calls", [])]
        if "function_call" in asked:
            calls.append({"role": "function", "name": asked["function_call"]["name"]})
        told: list[Json] = [
            {**calls[number % len(calls)], "content": self.outputs[number]} for number in self.order if calls
        ]
        for at, message in self.among:
            told.insert(at, message)
        question = self.asking["messages"]
        before = {"all": [*question, asked], "nothing": [], "the calls": [asked], "the question": question}[self.resent]
        body = {**self.asking, "messages": [*before, *told], **self.changes}
        yield from [body] * (2 if self.twice else 1)


@st.composite
def rounds(draw: st.DrawFn) -> Round:
    """Rounds of which some are what they should be."""
    question = {"role": "user", "content": draw(words)}
    offered: list[Json] = draw(tools.filter(bool))
    chosen = {"name": offered[0]["function"]["name"]}
    asking = {"messages": [question]} | draw(
        st.sampled_from(
            [
                {"tools": offered, "tool_choice": "required"},
                {"functions": [tool["function"] for tool in offered], "function_call": chosen},
            ]
        )
    )
    outputs = draw(st.lists(contents, min_size=3, max_size=3))
    order = st.just([0]) | st.permutations(range(3)) | st.lists(st.integers(0, 2), max_size=4)
    strangers = st.fixed_dictionaries(
        {"role": st.sampled_from(["tool", "user", "system", "assistant", "function"]), "content": contents},
        optional={"tool_call_id": texts, "name": texts},
    )
    among = draw(st.lists(st.tuples(st.integers(0, 3), strangers), max_size=2))
    resent = draw(st.sampled_from(["all", "nothing", "the calls", "the question"]))
    answering = or_absent(
        stream=st.booleans(),
        tools=tools,
        tool_choice=st.sampled_from(["auto", "none", None]),
        function_call=st.sampled_from(["auto", "none", None]),
        conversation_id=texts,
        model=st.sampled_from(MODELS),
    )
    changes = draw(answering)
    return Round(asking, outputs, draw(order), among, resent, changes, draw(st.booleans()), draw(st.booleans()))


anything = values | st.fixed_dictionaries({"messages": values}, optional={"stream": values, "tools": values})


def names_a_field(param: str, request: Json, headers: Mapping[str, str]) -> bool:
    """Whether an error's `param` is something that the request has, or lacks in an object that it has."""
    if param.lower() in {name.lower() for name in headers}:
        return True
    return any(param in (path(place), *_lacking(place, param)) for place in [(), *places(request)])


def path(place: tuple[Step, ...]) -> str:
    """`messages[0].role`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).removeprefix(".")


def _lacking(place: tuple[Step, ...], param: str) -> tuple[str, ...]:
    outside, _, name = param.rpartition(".")
    return (param,) if outside == path(place) and name.isidentifier() else ()
