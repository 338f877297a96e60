"""From a run's items to OpenAI's answer. Pure and synchronous, as is its twin for streams (`chunks`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

from agents.models import port
from graph.items import Message
from graph.run import Run
from servers.chat_completions.conversation import named
from servers.chat_completions.logprobs import logprobs, tokens_of
from servers.chat_completions.usage import Tokens, metadata, together, usage

Finish = Literal["stop", "length", "content_filter", "tool_calls", "function_call"]

PARAGRAPH: Final = "\n\n"  # between the words before a call and the answer


def completion(
    run: Run,
    tokens: Tokens,
    *,
    at: int,
    first_item: int = 0,
    fingerprint: str | None = None,
    siblings: Sequence[Run] = (),
) -> dict[str, Any]:
    """The answer of a run that ended well or waits for its client. Its leg begins at `first_item`, and so do those of its
    `siblings`, the further choices; `at` is now, in epoch milliseconds."""
    runs = (run, *siblings)
    whole = together(runs)
    return {
        **identity(run, "chat.completion", fingerprint),
        "choices": [_choice(index, each, first_item) for index, each in enumerate(runs)],
        "usage": usage(tokens, whole),
        "conversation_id": named(run),
        "metadata": metadata(whole, at),
    }


def shown(run: Run, first_item: int = 0) -> port.Message:
    """What the client sees of a leg: its texts as one, refusals too, and the calls that it shall answer."""
    text = PARAGRAPH.join(item.text for item in run.items[first_item:] if isinstance(item, Message) and item.text)
    calls = tuple(port.ToolCall(call.id, call.name, call.arguments) for call in run.open_calls)
    return port.Message("assistant", text, tool_calls=calls)


def _said(run: Run, first_item: int, *, refusal: bool) -> str | None:
    """A leg's texts as one, or its refusals; None where there are none."""
    texts = [item for item in run.items[first_item:] if isinstance(item, Message) and item.text]
    return PARAGRAPH.join(item.text for item in texts if item.refusal is refusal) or None


def identity(run: Run, kind: str, fingerprint: str | None) -> dict[str, Any]:
    """What all chunks of an answer have in common. From a run's second answer on, its id says which one it is."""
    number = f"-{run.fence}" if run.fence > 1 else ""
    return {
        "id": f"chatcmpl-{run.id}{number}",
        "object": kind,
        "created": run.created_at // 1000,
        "model": run.request.label,
        **({"system_fingerprint": fingerprint} if fingerprint else {}),
    }


def finish_reason(run: Run) -> Finish:
    """Why the answer ends here."""
    if run.status == "requires_action":
        return "function_call" if run.request.calls_by_name else "tool_calls"
    if run.status == "incomplete":
        return "content_filter" if run.incomplete_reason == "content_filter" else "length"
    return "stop"


def _choice(index: int, run: Run, first_item: int) -> dict[str, Any]:
    return {
        "index": index,
        "message": _message(run, first_item),
        "logprobs": logprobs(tokens_of(run, first_item)),
        "finish_reason": finish_reason(run),
    }


def _message(run: Run, first_item: int) -> dict[str, Any]:
    content, refusal = (_said(run, first_item, refusal=each) for each in (False, True))
    body: dict[str, Any] = {"role": "assistant", "content": content, "refusal": refusal}
    if run.open_calls:
        body |= _calls(run)
    elif refusal is None:
        body["content"] = content or ""
    if found := citations(run, first_item):
        body["annotations"] = found
    return body


def _calls(run: Run) -> dict[str, Any]:
    """What the client is asked, as it speaks of calls."""
    functions = [{"name": call.name, "arguments": call.arguments} for call in run.open_calls]
    if run.request.calls_by_name:
        return {"function_call": functions[0]}
    pairs = zip(run.open_calls, functions, strict=True)
    return {"tool_calls": [{"id": call.id, "type": "function", "function": function} for call, function in pairs]}


def citations(run: Run, first_item: int = 0) -> list[dict[str, Any]]:
    """A leg's annotations: the marks whose source is a web page, by their place in the whole text. This wire has no word
    for other sources."""
    found, offset = [], 0
    for message in run.items[first_item:]:
        if isinstance(message, Message) and message.text and not message.refusal:
            for mark in message.annotations:
                place = {"start_index": offset + mark.start, "end_index": offset + mark.end}
                if mark.source.url:
                    citation = {**place, "url": mark.source.url, "title": mark.source.name}
                    found.append({"type": "url_citation", "url_citation": citation})
            offset += len(message.text) + len(PARAGRAPH)
    return found
