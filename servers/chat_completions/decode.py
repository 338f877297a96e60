"""From the wire of a chat request to a `RunRequest`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, Final

from agents.models.port import Params, ToolSpec
from agents.tools.port import Place, SearchOptions
from graph.request import RunRequest
from servers.chat_completions import schema as wire
from servers.chat_completions.messages import decode_messages
from servers.errors import BadRequest
from servers.routing import Route
from servers.wire import FunctionName, FunctionTool, NamedChoice, Wire

_EITHER_OR: Final = tuple(product(("functions", "function_call"), ("tools", "tool_choice")))
_TEXT_ONLY: Final = "This server answers in text alone."


def decode(
    body: wire.ChatRequest,
    *,
    tenant: str,
    route: Route,
    label: str,
    conversation: str | None,
    progress: bool,
    searches_web: bool = False,
) -> RunRequest:
    """What the engine is asked to do. `label` is the model's name as it is echoed, `progress` what holds where the
    request does not say, `searches_web` whether this server can. Raises `BadRequest` for what can't be honoured."""
    _refuse_unsupported(body)
    if body.web_search_options is not None and not searches_web:
        raise _unsupported("web_search_options", "This server searches no web: its SEARCH_PROVIDER is the library.")
    options = body.stream_options or wire.StreamOptions()
    asked = progress if options.include_progress is None else options.include_progress
    messages, tools = decode_messages(body.messages), _tools(body)
    return RunRequest(
        tenant,
        messages,
        conversation=conversation,
        history=body.history or "auto",
        agent=route.agent,
        model=route.model,
        label=label,
        tools=tools,
        calls_by_name=_calls_by_name(body),
        params=_params(body, tools),
        watched=bool(body.stream),
        progress=bool(body.stream) and asked,
        metadata=body.metadata or {},
        search=_search(body.web_search_options),
    )


def _refuse_unsupported(body: wire.ChatRequest) -> None:
    """Refuse by name what would change the answer and can't be done here."""
    if body.audio is not None or "audio" in (body.modalities or ()):
        raise _unsupported("modalities" if body.audio is None else "audio", _TEXT_ONLY)
    if body.moderation is not None:
        raise _unsupported("moderation", "This server moderates nothing.")
    if body.top_logprobs is not None and not body.logprobs:
        raise BadRequest(
            "Invalid value for 'top_logprobs': it is only allowed when 'logprobs' is true.",
            "top_logprobs",
            "invalid_value",
        )
    for old, new in _EITHER_OR:
        if getattr(body, old) and getattr(body, new):
            why = f"Invalid value for '{old}': it can't stand beside '{new}'."
            raise BadRequest(why, old, "mutually_exclusive_parameters")


def _unsupported(param: str, reason: str) -> BadRequest:
    return BadRequest(f"Unsupported value for '{param}'. {reason}", param, "unsupported_value")


def _params(body: wire.ChatRequest, tools: Sequence[ToolSpec]) -> Params:
    return Params(
        stream=bool(body.stream),
        temperature=body.temperature,
        top_p=body.top_p,
        presence_penalty=body.presence_penalty,
        frequency_penalty=body.frequency_penalty,
        seed=body.seed,
        max_tokens=body.max_completion_tokens or body.max_tokens,
        stop=_stop(body.stop),
        tool_choice=_tool_choice(body, tools),
        parallel_tool_calls=False if _calls_by_name(body) else body.parallel_tool_calls,
        response_format=_response_format(body),
        logprobs=body.logprobs or None,
        top_logprobs=body.top_logprobs,
        extra=_extra(body),
    )


def _search(options: wire.WebSearchOptions | None) -> SearchOptions:
    if options is None:
        return SearchOptions()
    place = _place(options.user_location.approximate) if options.user_location else Place()
    return SearchOptions(options.search_context_size or "medium", place)


def _place(told: wire.Location) -> Place:
    country = told.country.upper() if told.country else None
    return Place(country, told.region, told.city, told.timezone)


def _stop(stop: str | list[str] | None) -> tuple[str, ...]:
    given = [stop] if isinstance(stop, str) else stop or ()
    return tuple(filter(None, given))


def _response_format(body: wire.ChatRequest) -> Mapping[str, Any] | None:
    wanted = body.response_format
    return None if wanted is None or wanted.type == "text" else wanted.model_dump(by_alias=True, exclude_unset=True)


def _extra(body: wire.ChatRequest) -> Mapping[str, Any]:
    fields = {name: getattr(body, name) for name in wire.PASSED_ON}
    return {name: _as_sent(value) for name, value in fields.items() if value is not None}


def _as_sent(value: Any) -> Any:
    return value.model_dump(exclude_unset=True) if isinstance(value, Wire) else value


def _calls_by_name(body: wire.ChatRequest) -> bool:
    """Whether the client speaks of functions as OpenAI's first clients did."""
    return bool(body.functions) or (not body.tools and any(message.role == "function" for message in body.messages))


def _tools(body: wire.ChatRequest) -> tuple[ToolSpec, ...]:
    """The client's functions; tools of other kinds are nobody's."""
    tools = [tool.function for tool in body.tools or () if isinstance(tool, FunctionTool)]
    functions = body.functions or tools
    specs = {each.name: ToolSpec(each.name, each.description, each.parameters, each.strict) for each in functions}
    if len(specs) < len(functions):
        param = "functions" if body.functions else "tools"
        raise BadRequest(f"Invalid value for '{param}': the names of functions must differ.", param, "invalid_value")
    if isinstance(body.tool_choice, wire.AllowedChoice):
        allowed = [choice.function.name for choice in body.tool_choice.allowed_tools.tools]
        return tuple(specs[name] for name in _known(allowed, specs))
    return tuple(specs.values())


def _tool_choice(body: wire.ChatRequest, tools: Sequence[ToolSpec]) -> str | Mapping[str, Any] | None:
    """Whether and what the model has to call, as OpenAI's wire says it to the model; nothing where nothing is offered."""
    offered = {spec.name for spec in tools}
    match body.tool_choice or body.function_call:
        case None:
            return None
        case FunctionName(name=name):
            _known([name], offered, "function_call")
            return {"type": "function", "function": {"name": name}}
        case wire.AllowedChoice(allowed_tools=allowed):
            return allowed.mode
        case NamedChoice(function=function):
            [name] = _known([function.name], offered)
            return {"type": "function", "function": {"name": name}}
        case "required" if not offered:
            raise BadRequest("Invalid value for 'tool_choice': no function is offered.", "tool_choice", "invalid_value")
        case word:
            return word if offered else None


def _known(names: Sequence[str], offered: Mapping[str, Any] | set[str], param: str = "tool_choice") -> Sequence[str]:
    for name in names:
        if name not in offered:
            why = f"Invalid value for '{param}': no function {name!r:.100} is offered."
            raise BadRequest(why, param, "invalid_value")
    return names
