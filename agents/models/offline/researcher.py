"""The offline model as researcher: searches by the telling words of its task, quotes the sentences that fit. The client's
files come first; what they do not say, the library may."""

from __future__ import annotations

from collections.abc import Sequence

from agents.models.offline import lexicon
from agents.models.offline.intent import topic, topic_words
from agents.models.offline.prompt import Prompt
from agents.models.offline.quoting import best, passages
from agents.models.offline.reply import NOTHING_FOUND, Reply, Say, Use
from agents.words import telling_words

SEARCH = "search"
FILE_SEARCH = ("file_search", "team_file_search")
FOUND_IN_FILES, FOUND_IN_LIBRARY = "Found in the files on ", "Found in the library on "
FOUND = (FOUND_IN_FILES, FOUND_IN_LIBRARY)


def research(prompt: Prompt, files: str | None = None) -> Reply:
    """Search; search once more with other words when nothing fits; then report. `files` is the tool that searches them."""
    subject = _subject(prompt)
    queries = _queries(subject, prompt.request)
    for tool in filter(None, (files, SEARCH)):
        outputs = prompt.outputs(tool)
        if _report(subject, outputs, queries[: len(outputs)]):
            break
        if len(outputs) < len(queries):
            return (Use(tool, {"query": queries[len(outputs)]}),)
    return Say(found(prompt))


def searched(prompt: Prompt) -> bool:
    """Whether something has been looked up."""
    return any(prompt.used(name) for name in (*FILE_SEARCH, SEARCH))


def found(prompt: Prompt) -> str:
    """What the searches of a prompt have brought: sentences with their marks, or that there is nothing."""
    subject = _subject(prompt)
    queries = _queries(subject, prompt.request)
    in_files = _report(subject, [output for name in FILE_SEARCH for output in prompt.outputs(name)], queries)
    report = in_files or _report(subject, prompt.outputs(SEARCH), queries)
    if report:
        return f"{FOUND_IN_FILES if in_files else FOUND_IN_LIBRARY}“{subject[:120]}”:\n\n{report}"
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
