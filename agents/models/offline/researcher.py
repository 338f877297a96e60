"""The offline model as researcher: searches by the telling words of its task, quotes the sentences that fit. What the
client's files say comes first, then what the library and the web say."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agents.models.offline import lexicon
from agents.models.offline.intent import topic, topic_words
from agents.models.offline.prompt import Prompt
from agents.models.offline.quoting import Quote, best, fit, passages
from agents.models.offline.reply import NOTHING_FOUND, Reply, Say, Use
from agents.words import telling_words

SEARCH = "search"
FILE_SEARCH = ("file_search", "team_file_search")
FOUND = ("Found in the ", "Found on the ")
IN_FILES, IN_LIBRARY, ON_WEB = "files", "library", "web"

_WHERE = {IN_FILES: "in the files", IN_LIBRARY: "in the library", ON_WEB: "on the web"}
_WEB = re.compile(r"\s*## https?://")  # how the search tool heads a passage of a web page


def research(prompt: Prompt, files: str | None = None) -> Reply:
    """Search everywhere, in each place once more with other words when nothing fits; then report. `files` is the tool that
    searches the client's files, which are read first."""
    subject = _subject(prompt)
    queries = _queries(subject, prompt.request)
    for tool in filter(None, (files, SEARCH)):
        outputs = prompt.outputs(tool)
        if len(outputs) < len(queries) and not (outputs and _chosen(subject, outputs, queries[: len(outputs)])):
            return (Use(tool, {"query": queries[len(outputs)]}),)
    return Say(found(prompt))


def searched(prompt: Prompt) -> bool:
    """Whether something has been looked up."""
    return any(prompt.used(name) for name in (*FILE_SEARCH, SEARCH))


def found(prompt: Prompt) -> str:
    """What the searches of a prompt have brought: sentences with their marks, or that there is nothing."""
    subject = _subject(prompt)
    queries = _queries(subject, prompt.request)
    in_files = [output for name in FILE_SEARCH for output in prompt.outputs(name)]
    outputs = [*in_files, *prompt.outputs(SEARCH)]
    chosen = _chosen(subject, in_files, queries)
    chosen = _beside(chosen, subject, outputs) if chosen else _chosen(subject, outputs, queries)
    if chosen:
        report = "\n".join(f"- {quote}" for quote in chosen)
        return f"Found {_listed(_places(chosen, in_files, outputs))} on “{subject[:120]}”:\n\n{report}"
    tried = " and for ".join(f"“{query}”" for query in queries[: max(1, len(prompt.outputs(SEARCH)))])
    return f"{NOTHING_FOUND}“{subject[:120]}”. I searched for {tried}."


def retold(report: str) -> str:
    """A report as part of an answer: what says what. One that found nothing stays as it is."""
    opening, on, rest = report.partition(" on “")
    places = [place for place, where in _WHERE.items() if where in opening]
    if not (opening.startswith(FOUND) and on and places):
        return report
    names = _joined([f"the {place}" for place in places])
    says = "says" if len(places) == 1 and places[0] != IN_FILES else "say"
    return f"Here is what {names} {says} about “{rest}"


def _places(chosen: Sequence[Quote], in_files: Sequence[str], outputs: Sequence[str]) -> list[str]:
    """Where the chosen sentences stand, by the passages of their marks."""
    from_files = {mark for output in in_files for mark, _ in passages(output)}
    from_web = {mark for output in outputs for mark, passage in passages(output) if _WEB.match(passage)}
    of = {
        IN_FILES if quote.mark in from_files else ON_WEB if quote.mark in from_web else IN_LIBRARY for quote in chosen
    }
    return [place for place in _WHERE if place in of]


def _listed(places: Sequence[str]) -> str:
    return _joined([_WHERE[place] for place in places])


def _joined(parts: Sequence[str]) -> str:
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


def _chosen(subject: str, outputs: Sequence[str], queries: Sequence[str]) -> list[Quote]:
    """The sentences that fit the topic, else those that fit the other words that were searched for."""
    seen = [passage for output in outputs for passage in passages(output)]
    wanted, others = topic_words(subject) or telling_words(subject), telling_words(" ".join(queries[1:]))
    return best(seen, wanted) or best(seen, [word for word in others if word not in wanted])


def _beside(in_files: Sequence[Quote], subject: str, outputs: Sequence[str]) -> list[Quote]:
    """The sentences of the client's files, and those of other places that fit as well as the best of them."""
    seen = [passage for output in outputs for passage in passages(output)]
    wanted = topic_words(subject) or telling_words(subject)
    least = max(fit(quote, wanted) for quote in in_files)
    others = best(seen, wanted, least=least) if least else []
    return list(dict.fromkeys([*in_files, *others]))


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
