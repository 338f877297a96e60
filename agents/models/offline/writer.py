"""The offline model as writer: composes from the findings, shortens a text, or says that it can do no more."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from agents.briefing import Finding
from agents.models.offline.intent import material, topic
from agents.models.offline.prompt import Prompt
from agents.models.offline.quoting import Quote, quotes, sentences
from agents.models.offline.reply import NOTHING_FOUND, Reply, Say, is_empty_handed
from agents.models.offline.researcher import FOUND
from agents.words import stems, telling_words, words

_SUMMARY_SENTENCES = 3
_NOTE = "(Composed by Cortex Flow's offline demonstrator. Set LLM_MODEL to let a real model write.)"
_FORMS: Sequence[tuple[str, str, str]] = (
    (
        "story",
        "story tale racconto storia favola geschichte märchen",
        "This is a story about {topic}, and it begins with a question that nobody in the house could answer.\n\n"
        "The first went to the shelves and came back with what others had written. The second counted it all twice, to "
        "be sure. The third sharpened a pencil and waited until the others had done.\n\n"
        "In the evening there was one page on the table, with a mark behind every sentence that was borrowed. It was a "
        "short page, but it was true, and so they were content.",
    ),
    (
        "poem",
        "poem poesia gedicht haiku song lied canzone",
        "A question comes, and {topic} is its name;\nthe team looks up, and no two looks the same.\n"
        "One seeks, one counts, one sets the words in line,\nand what they found is given back as sign.",
    ),
    (
        "letter",
        "letter lettera",
        "Dear reader,\n\nthis letter was asked for in these words: “{request}” What it should say I do not know, and I "
        "would rather leave it open than invent it.\n\nYours sincerely,\nCortex Flow",
    ),
    (
        "email",
        "email mail",
        "Subject: {topic}\n\nHello,\n\nthis message was asked for in these words: “{request}” What it should say I do "
        "not know, and I would rather leave it open than invent it.\n\nKind regards,\nCortex Flow",
    ),
)


def write(prompt: Prompt) -> Reply:
    """The text that was asked for."""
    return Say(compose(prompt.request or prompt.task or "", prompt.findings))


def compose(request: str, findings: Sequence[Finding]) -> str:
    """A text from findings, with their marks; without findings a shortened text, or a small one of the model's own."""
    told = [finding for finding in findings if not is_empty_handed(finding.text)]
    if told:
        return _report(request, told)
    brought = material(request)
    if brought:
        return _shortened(brought)
    missing = next((f"{finding.text}\n\n" for finding in findings if finding.text.startswith(NOTHING_FOUND)), "")
    return f"{missing}{_free(request)}\n\n{_NOTE}"


def _report(request: str, findings: Sequence[Finding]) -> str:
    subject = topic(request) or "what was found"
    body = [_paragraphs(finding) for finding in findings]
    return "\n\n".join([f"# {_title(subject)}", f"This text puts together what the team found on “{subject}”.", *body])


def _paragraphs(finding: Finding) -> str:
    """The sentences of a source as one paragraph; computed results and themes as they are."""
    said = [quote for quote in quotes(finding.text) if not quote.sentence.startswith(FOUND)]
    if finding.agent != "researcher" or not any(quote.mark for quote in said):
        return finding.text.strip()
    by_mark: dict[str, list[Quote]] = {}
    for quote in said:
        by_mark.setdefault(quote.mark, []).append(quote)
    return "\n\n".join(" ".join(str(quote) for quote in group) for group in by_mark.values())


def _shortened(text: str) -> str:
    """The sentences of a text that hold most of its frequent words, in their order."""
    said = sentences(text)
    counts = Counter(stem for sentence in said for stem in stems(telling_words(sentence)))
    weight = {sentence: _weight(sentence, counts) for sentence in said}
    chosen = set(sorted(weight, key=lambda sentence: weight[sentence], reverse=True)[:_SUMMARY_SENTENCES])
    return " ".join(sentence for sentence in said if sentence in chosen)


def _weight(sentence: str, counts: Counter[str]) -> float:
    own = stems(telling_words(sentence))
    return sum(counts[stem] for stem in own) / (len(own) + 3)


def _free(request: str) -> str:
    said = set(words(request))
    subject = topic(request).rpartition(" about ")[2]
    for name, asking, text in _FORMS:
        if said & set(asking.split()):
            told = text.format(topic=subject or "a small team of agents", request=_one_line(request))
            return f"# {_title(subject) or f'A {name}'}\n\n{told}" if name in ("story", "poem") else told
    return f"I have no findings{f' on “{subject}”' if subject else ''} to write from, and I do not invent any."


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 200 else f"{line[:197]}..."


def _title(subject: str) -> str:
    return re.sub(r"\s+", " ", subject[:1].upper() + subject[1:80])
