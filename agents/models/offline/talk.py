"""Plain talk, which needs no agent: greetings, thanks, questions about the model itself, words to be said back."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agents.models.offline.intent import is_work
from agents.models.offline.lexicon import QUESTION
from agents.models.offline.reply import ABOUT
from agents.words import telling_words, words

_HELLO = (
    "Hello! I am Cortex Flow, thinking with its offline model. Ask me about Cortex Flow, give me figures to work out, "
    "or name a text to be written."
)
_TEAM = "Cortex Flow is a team: a supervisor, a researcher, an analyst and a writer."

# (phrases, answer): longer phrases first, because the first one that fits is the answer.
_PHRASES: Sequence[tuple[str, str]] = (
    (r"how are you(?: doing)?(?: today)?|how is it going|come stai|come va|wie geht(?: es dir| s| es)?", "All is well here, thank you. What can I do for you?"),
    (r"who are you|what are you|what can you do|what is your name|can you help(?: me)?|help(?: me)?|chi sei|cosa sai fare|come ti chiami|wer bist du|was kannst du|wie heisst du", f"{_TEAM} {ABOUT}"),
    (r"which model (?:are you|is this)|what model (?:are you|is this)|are you (?:chatgpt|gpt|an ai|a real model|human)", ABOUT),
    (r"thanks?(?: you)?(?: very much| so much| a lot)?|thx|cheers|grazie(?: mille)?|vielen dank|danke(?: schön| sehr)?", "You're welcome!"),
    (r"good ?bye|bye(?: bye)?|see you(?: later| soon)?|good night|arrivederci|a presto|tschüss|auf wiedersehen|gute nacht", "Goodbye!"),
    (r"hello|hi|hey|howdy|greetings|good (?:morning|afternoon|evening|day)|ciao|salve|buongiorno|buonasera|hallo|guten (?:tag|morgen|abend)|servus|moin|grüezi", _HELLO),
    (r"ok(?:ay)?|alright|all right|great|nice|cool|perfect|well done|va bene|bene|perfetto|gut|in ordnung|super", "All right."),
    (r"ping", "pong"),
    (r"test(?:ing)?", "It works."),
)  # fmt: skip
_ECHO = re.compile(
    r"(?:please )?(?:say|repeat(?: after me)?|echo|(?:reply|answer|respond) with)"
    r"(?: exactly| only| just| the(?: single)? words?)*[: ]+(?!something|anything|what|how|why)[\"'“]?(.+?)[\"'”]?[.!]?",
    re.I | re.S,
)


def talk(request: str) -> str | None:
    """The answer to plain talk; None when a request is more than that."""
    echo = _ECHO.fullmatch(request.strip())
    if echo is not None:
        return _said_back(echo.group(1))
    answer, rest = None, " ".join(words(request))
    for phrases, reply in _PHRASES:
        rest, found = re.subn(rf"\b(?:{phrases})\b", " ", rest)
        answer = answer or (reply if found else None)
    return answer if len(telling_words(rest)) < 2 and not is_work(rest) and not _asks(rest) else None


def _said_back(words: str) -> str:
    return words[:1].upper() + words[1:] + ("" if words[-1:] in ".!?" else ".")


def _asks(rest: str) -> bool:
    return any(word in QUESTION for word in rest.split()[:1])
