"""The offline model as researcher: searches by the telling words of its task, quotes the sentences that fit."""

from __future__ import annotations

from collections.abc import Sequence

from agents.models.offline import lexicon
from agents.models.offline.intent import topic, topic_words
from agents.models.offline.prompt import Prompt
from agents.models.offline.quoting import best, passages
from agents.models.offline.reply import NOTHING_FOUND, Reply, Say, Use
from agents.words import telling_words

SEARCH = "search"
FOUND = "Found in the library on "


def research(prompt: Prompt) -> Reply:
    """Search; search once more with other words when nothing fits; then report."""
    subject = _subject(prompt)
    queries = _queries(subject, prompt.request)
    searches = len(prompt.outputs(SEARCH))
    if searches < len(queries) and not _report(subject, prompt.outputs(SEARCH), queries[:searches]):
        return (Use(SEARCH, {"query": queries[searches]}),)
    return Say(found(prompt))


def found(prompt: Prompt) -> str:
    """What the searches of a prompt have brought: sentences with their marks, or that there is nothing."""
    subject = _subject(prompt)
    queries = _queries(subject, prompt.request)
    report = _report(subject, prompt.outputs(SEARCH), queries)
    if report:
        return f"{FOUND}“{subject[:120]}”:\n\n{report}"
    tried = " and for ".join(f"“{query}”" for query in queries[: max(1, len(prompt.outputs(SEARCH)))])
    return f"{NOTHING_FOUND}“{subject[:120]}”. I searched for {tried}."


def _report(subject: str, outputs: Sequence[str], queries: Sequence[str]) -> str:
    """The sentences that fit the topic, else those that fit the other words that were searched for."""
    seen = [passage for output in outputs for passage in passages(output)]
    wanted, others = topic_words(subject) or telling_words(subject), telling_words(" ".join(queries[1:]))
    chosen = best(seen, wanted) or best(seen, [word for word in others if word not in wanted])
    return "\n".join(f"- {quote}" for quote in chosen)


def _queries(subject: str, request: str) -> list[str]:
    """What to search for, first and second: the words of the task, then others that mean the same."""
    first = topic_words(subject) or telling_words(subject) or [subject or request]
    others = [other for word in first for other in lexicon.SYNONYMS.get(word, ())]
    others += [word for word in topic_words(request) if word not in first]
    second = others or ([max(first, key=len)] if len(first) > 1 else [])
    return [" ".join(dict.fromkeys(words[:12])) for words in (first, second) if words]


def _subject(prompt: Prompt) -> str:
    asked = prompt.task or prompt.request
    return topic(asked) or asked
