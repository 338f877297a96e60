"""How long texts and messages are, in tokens: tiktoken's counts, from bundled vocabularies and without network."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache, partial

from agents.models.port import FilePart, ImagePart, Message, Part, TextPart
from graph.vocabularies import Codec, FourCharacters, Vocabulary, load

PER_MESSAGE = 3
PER_NAME = 1
PRIMING = 3
PER_IMAGE = 85

_INLINE = 16 * 1024  # characters counted on the event loop: 1 ms, and 7 ms for the worst of texts
_SHORT = 4096
_REMEMBERED = 1024

logger = logging.getLogger(__name__)


def open_tokenizer(model: str) -> Tokenizer:
    """The tokenizer of a model (`gpt-4`, `openai:gpt-4o`) or of an encoding (`o200k_base`); loads at its first use.

    Names that tiktoken does not know are counted with `o200k_base`; without tiktoken, four characters are a token.
    """
    return Tokenizer(partial(_open_codec, model))


class Tokenizer:
    """Counts tokens. Its vocabulary is loaded at the first use (0.1 to 0.3 s); safe to use from many threads."""

    def __init__(self, open_codec: Callable[[], Codec]) -> None:
        self._open_codec = open_codec
        self._opened: Codec | None = None
        self._lock = threading.Lock()
        self._remember = lru_cache(_REMEMBERED)(self._count)

    @property
    def name(self) -> str:
        """The encoding in use: `cl100k_base`, `o200k_base`, or `four_characters`."""
        return self._codec.name

    async def warm(self) -> None:
        """Load the vocabulary in a thread."""
        if self._opened is None:
            await asyncio.to_thread(self._open)

    def count(self, text: str) -> int:
        """How many tokens the text has; special tokens in it are ordinary text."""
        return self._remember(text) if len(text) <= _SHORT else self._count(text)

    def encode(self, text: str) -> list[int]:
        """The tokens of the text, as many as `count` says."""
        return self._codec.encode(text)

    def cut(self, text: str, tokens: int) -> str:
        """The start of the text that its first `tokens` tokens spell: whole code points, and no more when counted."""
        return self._codec.cut(text, tokens)

    def boundary(self, text: str, searched: int = 0) -> int:
        """The last place in a growing text up to which its tokens stand for good, whatever follows; 0 = none.

        The first `searched` characters are known to have none. The counts of the two sides add up.
        """
        return self._codec.boundary(text, searched)

    def count_message(self, message: Message) -> int:
        """The tokens of a message as OpenAI counts them. An image is a flat 85; what a file holds is not counted."""
        tokens = PER_MESSAGE + self.count(message.role) + self._content(message.content)
        if message.name:
            tokens += PER_NAME + self.count(message.name)
        return tokens + sum(self.count(call.name) + self.count(call.arguments) for call in message.tool_calls)

    def count_messages(self, messages: Sequence[Message]) -> int:
        """The tokens of a prompt: its messages, and three that open the answer."""
        return PRIMING + sum(map(self.count_message, messages))

    async def counted(self, messages: Sequence[Message]) -> list[int]:
        """`count_message` for each message; never blocks the event loop, however long they are."""
        if self._opened is not None and sum(map(_length, messages)) <= _INLINE:
            return [self.count_message(message) for message in messages]
        return await asyncio.to_thread(lambda: [self.count_message(message) for message in messages])

    def _content(self, content: str | tuple[Part, ...]) -> int:
        return self.count(content) if isinstance(content, str) else sum(map(self._part, content))

    def _part(self, part: Part) -> int:
        match part:
            case TextPart(text):
                return self.count(text)
            case ImagePart():
                return PER_IMAGE
            case FilePart(filename=name):
                return self.count(name or "")

    def _count(self, text: str) -> int:
        return self._codec.count(text)

    @property
    def _codec(self) -> Codec:
        return self._opened or self._open()

    def _open(self) -> Codec:
        with self._lock:
            if self._opened is None:
                self._opened = self._open_codec()
            return self._opened


def _length(message: Message) -> int:
    return len(message.text) + sum(len(call.arguments) for call in message.tool_calls)


def _open_codec(model: str) -> Codec:
    try:
        return Vocabulary(load(_encoding_name(model)))
    except (ImportError, FileNotFoundError) as error:
        logger.warning("No tokenizer (%s): tokens are counted as one per four characters.", error)
        return FourCharacters()


def _encoding_name(model: str) -> str:
    from tiktoken.model import encoding_name_for_model

    if model in ("cl100k_base", "o200k_base"):
        return model
    for name in (model, model.partition(":")[2], model.rpartition("/")[2]):
        try:
            found = encoding_name_for_model(name)
        except KeyError:
            continue
        return "o200k_base" if found.startswith("o200k") else "cl100k_base"
    return "o200k_base"
