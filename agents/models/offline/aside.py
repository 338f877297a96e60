"""Questions that a chat frontend asks beside the conversation: a title for it, tags, things to ask next."""

from __future__ import annotations

import re

import orjson

from agents.models.offline.intent import topic, topic_words
from agents.models.offline.prompt import Prompt

_TASK = re.compile(r"###\s*task\b|<chat_history>", re.I)
_TITLE = re.compile(
    r"\b(?:generate|create|write|suggest|provide)\b.{0,80}\btitle\b.{0,120}\b(?:conversation|chat|dialog)", re.I | re.S
)
_FIRST_SAID = re.compile(r"^\W*(?:user|human)\W*:\s*(.+)$", re.I | re.M)
_KEY = re.compile(r'\{+\s*"(\w+)"\s*:\s*(\[?)')
_TITLE_WORDS = 5


def aside(prompt: Prompt) -> str | None:
    """The answer to such a question, in the form it asks for; None for any other request."""
    text = prompt.request
    if not _TASK.match(text) and not _TITLE.search(text[:600]):
        return None
    said = _FIRST_SAID.search(text)
    subject = said.group(1) if said else next((each.text for each in prompt.earlier if each.role == "user"), "")
    form = _KEY.search(text)
    if form is None:
        return _title(subject)
    key, is_list = form.group(1), bool(form.group(2))
    return orjson.dumps({key: _values(key, subject) if is_list else _title(subject)}).decode()


def _title(subject: str) -> str:
    words = (topic(subject) or subject).split()[:_TITLE_WORDS]
    title = " ".join(words).strip(" .?!,:;")
    return title[:1].upper() + title[1:] or "New conversation"


def _values(key: str, subject: str) -> list[str]:
    """Tags are the words of the subject; nothing else is made up."""
    return [word.capitalize() for word in topic_words(subject)[:3]] if key == "tags" else []
