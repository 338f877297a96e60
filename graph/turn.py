"""A turn of the entry agent, and the turn of a writer whose text is the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from agents.briefing import brief
from agents.models.json_format import is_json
from agents.models.port import Message, Model, ModelTimeout, ModelUnavailable, Params, Text, ToolSpec, Usage
from graph import answer_format, spending
from graph import events as ev
from graph.context import Context
from graph.delegation import NoTask, NothingToSay, failure, task_of
from graph.ending import ending
from graph.items import Answer, Call, Item, Turn
from graph.items import Message as MessageItem
from graph.limits import AnswerGate
from graph.logprobs import LogprobQueue
from graph.prompt import findings, put_together, render, system
from graph.state import Ask, Do, End, Wait, Write, agent_name, is_empty, newest_turn, step
from graph.telling import Telling


async def take(context: Context, items: Sequence[Item]) -> list[Item]:
    """The entry agent's next turn: asked, told, recorded. Returns its items.

    Raises `ModelError`: the model failed, or had nothing to say and neither had anybody else; `PromptSpent`.
    """
    await spending.check(context, items)
    number = 1 + sum(isinstance(item, Turn) and item.agent == context.entry.name for item in items)
    last = number >= context.limits.max_iterations
    tools = [] if last else _offer(context, first=number == 1)
    told = _telling(context, context.entry.name)
    if not tools:
        told.drop_calls()
    prompt = [*context.prompt, *render(items, context.inserted)]
    model = context.model(context.entry.name)
    await _listen(model, prompt, tools, _params(context, tools, told, first=number == 1), told)
    _never_empty(context, told, items, last=last)
    told = await _formed(context, told, prompt, model)
    events = await _close(context, told, prompt, model)
    said = _items(events)
    await context.record(*events, *_next_events([*items, *said]))
    return said


async def write(context: Context, call: Call, items: Sequence[Item]) -> list[Item]:
    """The writer's text as the answer; where it fails before its first word, the answer to its call says so instead.

    Raises `ModelError` where it fails later: what was told can't be unsaid.
    """
    writer = context.crew.writer
    told = _telling(context, writer.name)
    told.drop_calls()
    agent = replace(writer, instructions=system(writer, context.system_text).text)
    prompt = brief(agent, task_of(call), context.user_text, findings(items), context.attached)
    try:
        async with asyncio.timeout(context.limits.agent_timeout):
            model = await _compose(context, call, prompt, told)
            told = await _formed(context, told, prompt, model)
    except Exception as error:
        if not told.spoke:
            return await _report(context, call, told, error)
        if isinstance(error, TimeoutError):
            raise ModelTimeout("The writer took too long.") from error
        raise
    *parts, completed = await _close(context, told, prompt, model)
    answered = ev.CallAnswered(call.id, told.message_id, "ok", "agent")
    said = [*_items(parts), Answer(call.id, told.message_id, "ok", "agent"), *_items([completed])]
    finished = ev.AgentFinished(call.id, writer.name, "ok", Usage())
    await context.record(*parts, answered, finished, completed, *_next_events([*items, *said]))
    return said


async def _compose(context: Context, call: Call, prompt: Sequence[Message], told: Telling) -> Model:
    """Hear the writer out; returns its model."""
    if not task_of(call):
        raise NoTask
    model = context.model(context.crew.writer.name)
    await _listen(model, prompt, [], _params(context, [], told, first=False), told)
    if not told.text.strip():
        raise NothingToSay
    return model


async def _report(context: Context, call: Call, told: Telling, error: Exception) -> list[Item]:
    """A writer that failed before its first word: the supervisor hears of it."""
    status, why = failure(context, context.crew.writer, error)
    answered = ev.CallAnswered(call.id, why, "error", "agent")
    await context.record(ev.AgentFinished(call.id, context.crew.writer.name, status, told.usage or Usage()), answered)
    return [Answer(call.id, why, "error", "agent")]


def _telling(context: Context, agent: str) -> Telling:
    """How this run's turns are told."""
    params = context.request.params
    left = None if params.max_tokens is None else max(0, params.max_tokens - context.answer_tokens)
    json_only = is_json(params.response_format)
    return Telling(
        agent=agent,
        gate=_gate(context, left),
        max_tokens=left,
        emit=context.emit,
        mint=context.mint,
        kinds=context.kinds,
        live=context.request.watched and not json_only,
        progress=context.request.progress,
        answer_only=json_only,
        one_call=params.parallel_tool_calls is False,
        logprobs=LogprobQueue() if params.logprobs else None,
    )


def _gate(context: Context, max_tokens: int | None) -> AnswerGate:
    return AnswerGate(context.tokenizer, max_tokens, context.request.params.stop)


async def _listen(
    model: Model, prompt: Sequence[Message], tools: Sequence[ToolSpec], params: Params, told: Telling
) -> None:
    """Hear the model out, or close its stream at the moment a limit cuts it."""
    async with aclosing(model.stream(prompt, tools, params)) as batches:
        async for batch in batches:
            if not told.tell(batch):
                break
    told.end_text()


def _offer(context: Context, *, first: bool) -> list[ToolSpec]:
    """The tools of a turn. A forced choice of the client withdraws ours in the first turn; `none` withdraws the client's."""
    choice = context.request.params.tool_choice
    forced = first and choice is not None and choice not in ("auto", "none")
    entries = list(context.table.values())
    if forced:
        entries = [entry for entry in entries if not entry.own]
    elif choice == "none":
        entries = [entry for entry in entries if entry.kind != "client"]
    return [entry.spec for entry in entries]


def _params(context: Context, tools: Sequence[ToolSpec], told: Telling, *, first: bool) -> Params:
    """The request's sampling. Limits go upstream only where no tools do: they would cut a call's arguments."""
    params = context.request.params
    limited = params.max_tokens is not None or bool(params.stop)
    choice: Any = params.tool_choice if first and tools and params.tool_choice != "none" else None
    return replace(
        params,
        stream=context.request.watched or limited,
        max_tokens=None if tools or told.max_tokens is None else max(1, told.max_tokens),
        stop=() if tools else params.stop,
        tool_choice=choice,
        parallel_tool_calls=params.parallel_tool_calls if tools else None,
    )


def _never_empty(context: Context, told: Telling, items: Sequence[Item], *, last: bool) -> None:
    """Where the model says nothing for the second time, or at the limit, the findings are the answer. A text that is
    empty because a limit has cut it, or a filter, stays as it is."""
    asked_before = any(isinstance(item, Turn) and is_empty(item) for item in items)
    wanted = told.gate.cut or told.finish == "content_filter"
    if told.text.strip() or told.calls or wanted or not (last or asked_before):
        return
    found = put_together(items)
    if not found:
        raise ModelUnavailable("The model gave an empty answer.")
    told.gate, told.finish, told.text = _gate(context, told.max_tokens), "stop", ""
    told.logprobs = None  # these are nobody's tokens
    told.tell([Text(found)])
    told.end_text()


async def _formed(context: Context, told: Telling, prompt: Sequence[Message], model: Model) -> Telling:
    """The turn with its answer in the format that was asked for: as it came, else as it comes when the model is asked once
    more, else a refusal. What ends a run otherwise (calls, a limit, a refusal) stays as it is."""
    wanted = context.request.params.response_format
    if not (_is_formed(context, told) and told.text.strip()):
        return told
    fitting = await context.formats.fit(wanted, told.text)
    if fitting.mistake is not None:
        correction = answer_format.correction(wanted, told.text, fitting.mistake)
        told = await _again(context, told, prompt, [*prompt, *correction], model)
        if not _is_formed(context, told):
            return told
        fitting = await context.formats.fit(wanted, told.text)
    if fitting.mistake is None:
        told.reword(fitting.text)
    else:
        told.reword(answer_format.refusal(fitting.mistake), refusal=True)
    return told


def _is_formed(context: Context, told: Telling) -> bool:
    """Whether a turn's text has to have a format."""
    if not is_json(context.request.params.response_format):
        return False
    cut = told.gate.cut or told.finish in ("length", "content_filter")
    return not (cut or told.calls or told.refusal)


async def _again(
    context: Context, told: Telling, prompt: Sequence[Message], corrected: Sequence[Message], model: Model
) -> Telling:
    """The same turn, asked for once more and without tools. What both have cost is its usage."""
    spent = told.usage or await _estimate(context, told, prompt)
    again = _telling(context, told.agent)
    again.drop_calls()
    await _listen(model, corrected, [], _params(context, [], again, first=False), again)
    again.usage = spent + (again.usage or await _estimate(context, again, corrected))
    return again


async def _close(context: Context, told: Telling, prompt: Sequence[Message], model: Model) -> list[ev.Durable]:
    usage = told.usage or await _estimate(context, told, prompt)
    context.answer_tokens += told.gate.tokens if told.max_tokens is not None else 0
    json = is_json(context.request.params.response_format)
    cited = context.citations.annotations(told.text, context.user_text, json=json)
    marks = sorted([*cited, *context.links.annotations(told.text)], key=lambda mark: mark.start)
    return told.durable(tuple(marks), usage, told.model or model.name, context.links.images)


async def _estimate(context: Context, told: Telling, prompt: Sequence[Message]) -> Usage:
    """Usage by our own count, where the provider had no chance to tell it."""
    counted = await context.tokenizer.counted(prompt)
    said = context.tokenizer.count(told.text) + sum(context.tokenizer.count(call.arguments) for call in told.calls)
    return Usage(sum(counted) + 3, said, estimated=True)


def _next_events(items: Sequence[Item]) -> list[ev.Durable]:
    """What a turn's commit says about what comes next."""
    match step(items):
        case Do(calls):
            return [started for call in calls if (started := _agent_started(call))]
        case Write(call):
            return [started] if (started := _agent_started(call)) else []
        case Wait(calls):
            return [ev.ActionRequired(tuple(call.id for call in calls))]
        case End():
            return [ending(newest_turn(items))]
        case Ask():
            return []


def _agent_started(call: Call) -> ev.AgentStarted | None:
    if call.kind != "delegation":
        return None
    return ev.AgentStarted(call.id, agent_name(call.name), task_of(call))


def _items(events: Sequence[ev.Durable]) -> list[Item]:
    """The items that a turn's events fold to."""
    items: list[Item] = []
    for event in events:
        match event:
            case ev.MessageCompleted(id, agent, text, status, phase, annotations, refusal, logprobs=logprobs):
                items.append(MessageItem(id, agent, text, status, phase, annotations, logprobs, refusal, event.images))
            case ev.CallCompleted(id, name, arguments, kind):
                items.append(Call(id, name, arguments, kind))
            case ev.TurnCompleted(agent, message_id, call_ids, finish, model, usage):
                items.append(Turn(agent, message_id, call_ids, finish, model, usage))
    return items
