"""What the conversation itself can answer: names, and what was said before."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agents.models.offline.intent import is_question
from agents.models.offline.lexicon import word_set
from agents.models.offline.quoting import overlap, sentences
from agents.models.port import Message
from agents.words import normal, telling_words, words

_NAME = r"([^\W\d_][\w'’-]*(?: [A-ZÀ-Þ][\w'’-]*){0,2})"
_NAMED = (
    re.compile(
        rf"\b(?i:my name is|my name's|call me|mi chiamo|il mio nome è|ich heiße|ich heisse|mein name ist)\s+{_NAME}"
    ),
    re.compile(r"\b(?i:i am|i'm|i’m|sono|ich bin)\s+([A-ZÀ-Þ][\w'’-]+(?: [A-ZÀ-Þ][\w'’-]*){0,2})"),
)
_NAME_ASKED = re.compile(
    r"my name|who am i|come mi chiamo|mio nome|chi sono io|wie hei(?:ß|ss)e? ich|mein name|wer bin ich"
)
_YOU_SAID = re.compile(
    r"(?:did|have) you (?:just )?(?:say|said|answer|answered|tell|told)|you (?:just )?(?:said|answered)|hai detto|hast du gesagt"
)
_I_SAID = re.compile(
    r"(?:did|have) i (?:just )?(?:say|said|ask|asked|tell|told)|my (?:last|previous|first) (?:message|question)|ho (?:detto|chiesto)|habe ich (?:gesagt|gefragt)"
)
_FIRST = re.compile(r"\bfirst\b|\bprim[ao]\b|\berste")
_CONVERSATION = re.compile(
    r"(?:our|this|the) (?:conversation|chat|discussion)|so far|nostra conversazione|unser(?:e|er)? (?:gespräch|unterhaltung)|bisher"
)
_SUM_UP = re.compile(r"\b(?:sum|recap|riass|zusammen|fass|discuss|talk)")
_MINE = word_set(
    "my mine our i me we mio mia miei mie nostro nostra io mein meine meinen meiner meinem unser unsere ich wir remember ricordi"
)


def recall(request: str, earlier: Sequence[Message]) -> str | None:
    """The answer to a question about the conversation; None when it is no such question or nothing fits."""
    asked = normal(request)
    if _NAME_ASKED.search(asked) and is_question(request):
        name = name_in([message.text for message in reversed(_users(earlier))])
        return f"Your name is {name}." if name else "You have not told me your name in this conversation."
    if _YOU_SAID.search(asked):
        return _quoted(
            "I said", [message for message in earlier if message.role == "assistant" and message.text], asked
        )
    if _I_SAID.search(asked) and not telling_words(_I_SAID.sub(" ", asked).replace("first", "").replace("last", "")):
        return _quoted("You said", _users(earlier), asked)
    return _statement(request, earlier) if is_question(request) and set(words(request)) & _MINE else None


def recount(request: str, earlier: Sequence[Message]) -> str | None:
    """The conversation in short, when that is what the request asks to have summed up."""
    asked = normal(request)
    if not _CONVERSATION.search(asked) or not _SUM_UP.search(asked):
        return None
    said = [f"- {_short(message.text)}" for message in _users(earlier)]
    return "In this conversation you said:\n\n" + "\n".join(said) if said else "This conversation has only begun."


def noted(request: str) -> str | None:
    """The answer to something the user tells of themselves; None when it is nothing of the kind."""
    name = name_in([request])
    if name:
        return f"Nice to meet you, {name}. I will remember your name in this conversation."
    if set(words(request)) & _MINE and not is_question(request):
        return f"I have noted “{_short(request).rstrip('.!')}”. You can ask me about it later in this conversation."
    return None


def name_in(texts: Sequence[str]) -> str | None:
    """The name by which the speaker of these texts goes, the first that is found."""
    matches = (pattern.search(text) for text in texts for pattern in _NAMED)
    return next((match.group(1).strip() for match in matches if match), None)


def _statement(request: str, earlier: Sequence[Message]) -> str | None:
    """What the user has said that holds at least half of the question's words, the newest of equals."""
    topic = telling_words(request)
    said = [text for message in reversed(_users(earlier)) for text in sentences(message.text) if not is_question(text)]
    best = max(said, key=lambda text: overlap(topic, telling_words(text)), default="")
    return f"You told me: “{best}”" if topic and 2 * overlap(topic, telling_words(best)) >= len(topic) else None


def _quoted(opening: str, messages: Sequence[Message], asked: str) -> str:
    if not messages:
        return "Nothing has been said before in this conversation."
    return f"{opening}: “{_short(messages[0 if _FIRST.search(asked) else -1].text)}”"


def _users(earlier: Sequence[Message]) -> list[Message]:
    return [message for message in earlier if message.role == "user" and message.text.strip()]


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 300 else f"{line[:297]}..."
