"""Counts are tiktoken's, without network, for any text and in bounded time."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import random
import socket
import string
import sys
from functools import cache
from unittest.mock import patch

import pytest
import tiktoken
from hypothesis import given, settings
from hypothesis import strategies as st
from tiktoken_ext import openai_public

from agents.models.port import FilePart, ImagePart, Message, TextPart, ToolCall
from graph import vocabularies
from graph.tokens import Tokenizer, open_tokenizer
from graph.vocabularies import LONGEST, FourCharacters, Vocabulary

ENCODINGS = ("cl100k_base", "o200k_base")
MIXED = st.text(
    st.sampled_from(
        "aZé字ー かñßİ'’sdmtlLvVrR019½²٣ \t\n\r\x0b\x1c\u00a0\u2028\u3000_-/.,;:!?()。，「」\u0301\u200d😀👩#*"
    ),
    max_size=40,
)


@cache
def reference(name: str) -> tiktoken.Encoding:
    """The encoding that tiktoken itself would build, from the bundled ranks."""
    _, ranks = vocabularies.read(name)
    with patch.object(openai_public, "load_tiktoken_bpe", return_value=ranks):
        return tiktoken.Encoding(**getattr(openai_public, name)())


@cache
def opened(name: str) -> Tokenizer:
    return open_tokenizer(name)


def tiktokens(name: str, text: str) -> list[int]:
    return reference(name).encode(text, disallowed_special=())


@pytest.fixture(params=ENCODINGS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# The vocabularies


def test_the_bundled_vocabulary_is_the_one_tiktoken_expects(name: str) -> None:
    with patch.object(openai_public, "load_tiktoken_bpe", return_value={}) as load:
        pattern = getattr(openai_public, name)()["pat_str"]
    bundled, ranks = vocabularies.read(name)
    lines = b"".join(base64.b64encode(token) + b" %d\n" % rank for token, rank in ranks.items())
    assert hashlib.sha256(lines).hexdigest() == load.call_args.kwargs["expected_hash"]
    assert bundled == pattern


@pytest.mark.parametrize(
    ("model", "encoding"),
    [
        ("gpt-4", "cl100k_base"),
        ("gpt-4-turbo-2024-04-09", "cl100k_base"),
        ("gpt-3.5-turbo", "cl100k_base"),
        ("openai:gpt-4", "cl100k_base"),
        ("azure/gpt-4", "cl100k_base"),
        ("text-davinci-003", "cl100k_base"),
        ("gpt-4o-mini", "o200k_base"),
        ("gpt-4.1", "o200k_base"),
        ("gpt-5-nano", "o200k_base"),
        ("o3", "o200k_base"),
        ("gpt-oss-20b", "o200k_base"),
        ("llama3.2:3b", "o200k_base"),
        ("", "o200k_base"),
        ("cl100k_base", "cl100k_base"),
        ("o200k_base", "o200k_base"),
    ],
)
def test_a_model_has_its_encoding(model: str, encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graph.tokens.load", reference)
    assert open_tokenizer(model).name == encoding


def test_no_network_is_used(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a tokenizer opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert open_tokenizer(name).count("Hello, world") == 3


async def test_the_vocabulary_is_loaded_once() -> None:
    loads: list[str] = []

    def load() -> FourCharacters:
        loads.append("loaded")
        return FourCharacters()

    tokenizer = Tokenizer(load)
    await asyncio.gather(*(tokenizer.warm() for _ in range(8)))
    assert (tokenizer.count("12345"), loads) == (2, ["loaded"])


def test_without_tiktoken_four_characters_are_a_token(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "tiktoken", None)
    tokenizer = open_tokenizer("gpt-4")
    with caplog.at_level(logging.WARNING):
        assert [tokenizer.count(text) for text in ("", "a", "1234", "12345", "漢字漢字漢")] == [0, 1, 1, 2, 2]
    assert (tokenizer.name, tokenizer.cut("123456789", 2), len(tokenizer.encode("12345"))) == (
        "four_characters",
        "12345678",
        2,
    )
    assert [record.message.split("(")[0] for record in caplog.records] == ["No tokenizer "]


# Texts


@settings(derandomize=True, max_examples=150, deadline=None)
@given(text=MIXED | st.text(max_size=60), name=st.sampled_from(ENCODINGS))
def test_counts_are_tiktokens(text: str, name: str) -> None:
    expected = tiktokens(name, text)
    assert opened(name).encode(text) == expected
    assert opened(name).count(text) == len(expected)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(text=MIXED, name=st.sampled_from(ENCODINGS))
def test_the_counts_of_two_sides_of_a_boundary_add_up(text: str, name: str) -> None:
    for end in range(1, len(text) + 1):
        place = opened(name).boundary(text[:end])
        assert tiktokens(name, text[:place]) + tiktokens(name, text[place:]) == tiktokens(name, text)


def test_long_texts_are_counted_as_a_whole(name: str) -> None:
    words = ["The", " quick", " brown", "\n\n", " 12345", " naïve", "，漢字", " don't", " -> ", "x" * 300, "\t\t", "😀"]
    text = "".join(random.Random(7).choices(words, k=30_000))
    assert len(text) > 10 * LONGEST
    assert opened(name).encode(text) == tiktokens(name, text)


def test_special_tokens_are_ordinary_text(name: str) -> None:
    assert opened(name).count("<|endoftext|>") == len(tiktokens(name, "<|endoftext|>")) > 1


@cache
def hostile() -> dict[str, str]:
    rest = random.Random(7)
    return {
        "letters": "a" * 400_000,
        "spaces": " " * 400_000,
        "spaces and a word": " " * 400_000 + "x",
        "line ends": "\n" * 400_000,
        "emoji": "😀" * 100_000,
        "base64": "".join(rest.choices(string.ascii_letters + string.digits + "+/", k=400_000)),
        "random letters": "".join(rest.choices(string.ascii_lowercase, k=400_000)),
        "digits": "7" * 400_000,
        "chinese": "".join(chr(rest.randint(0x4E00, 0x9FA5)) for _ in range(133_000)),
        "accents": "\u0301" * 200_000,
        "lone surrogates": "\ud83d" * 1000,
    }


@pytest.mark.parametrize("kind", hostile())
def test_hostile_texts_are_counted_in_slices(kind: str) -> None:
    """Without slices, runs of white space overflow the stack of tiktoken's matcher: a panic, not an exception."""
    text = hostile()[kind]
    tokens = opened("o200k_base").count(text)
    sliced = [text[at : at + LONGEST] for at in range(0, len(text), LONGEST)]
    roughly = sum(len(tiktokens("o200k_base", part)) for part in sliced)
    assert abs(tokens - roughly) <= 2 * len(sliced)


def test_digits_are_counted_exactly_however_many() -> None:
    assert opened("cl100k_base").count("7" * 100_000) == 33_334


# Cutting


@settings(derandomize=True, max_examples=150, deadline=None)
@given(text=MIXED, tokens=st.integers(0, 12), name=st.sampled_from((*ENCODINGS, "four_characters")))
def test_a_cut_text_is_a_start_of_at_most_that_many_tokens(text: str, tokens: int, name: str) -> None:
    tokenizer = Tokenizer(FourCharacters) if name == "four_characters" else opened(name)
    cut = tokenizer.cut(text, tokens)
    assert text.startswith(cut)
    assert tokenizer.count(cut) <= tokens
    assert (cut == text) == (tokenizer.count(text) <= tokens)


def test_a_cut_keeps_what_the_first_tokens_spell(name: str) -> None:
    text = "The quick brown fox jumps over the lazy dog. " * 2000
    tokenizer = opened(name)
    assert [tokenizer.cut(text, tokens) for tokens in (0, 1, 4)] == ["", "The", "The quick brown fox"]
    assert tokenizer.count(tokenizer.cut(text, 15_000)) == 15_000
    assert tokenizer.cut("漢字🦖", 1_000_000) == "漢字🦖"


def test_a_cut_breaks_no_code_point(name: str) -> None:
    text = "🦖🧬" * 4
    for tokens in range(opened(name).count(text)):
        assert text.startswith(opened(name).cut(text, tokens))


# Messages


def num_tokens_from_messages(messages: list[dict[str, str]], name: str) -> int:
    """As OpenAI's cookbook counts the prompt tokens of a chat (How to count tokens with tiktoken)."""
    encoding, total = reference(name), 0
    for message in messages:
        total += 3
        for key, value in message.items():
            total += len(encoding.encode(value))
            if key == "name":
                total += 1
    return total + 3


def test_messages_are_counted_as_the_cookbook_does(name: str) -> None:
    messages = [
        {"role": "system", "content": "You are a helpful, pattern-following assistant."},
        {"role": "system", "name": "example_user", "content": "New synergies will help drive top-line growth."},
        {"role": "user", "content": "Things working well together will increase revenue. 漢字 😀"},
        {"role": "assistant", "name": "bob", "content": ""},
    ]
    ours = [Message(**message) for message in messages]  # type: ignore[arg-type]
    assert opened(name).count_messages(ours) == num_tokens_from_messages(messages, name)


def test_tool_calls_count_with_names_and_arguments() -> None:
    tokenizer = opened("cl100k_base")
    call = ToolCall("call_1", "get_weather", '{"city": "Paris"}')
    with_call = tokenizer.count_message(Message("assistant", tool_calls=(call,)))
    assert with_call == 3 + 1 + tokenizer.count("get_weather") + tokenizer.count('{"city": "Paris"}')


def test_what_images_and_files_hold_is_not_counted() -> None:
    tokenizer, data = opened("cl100k_base"), "data:image/png;base64," + "QUJD" * 10_000
    parts = (TextPart("What is this?"), ImagePart(data), FilePart("report.pdf", data=data), FilePart(file_id="file-1"))
    expected = 3 + 1 + tokenizer.count("What is this?") + 85 + tokenizer.count("report.pdf")
    assert tokenizer.count_message(Message("user", parts)) == expected


async def test_counting_many_messages_leaves_the_event_loop_free() -> None:
    tokenizer = Tokenizer(lambda: Vocabulary(reference("cl100k_base")))
    messages = [Message("user", "Hello, world"), Message("tool", "word " * 200_000, tool_call_id="call_1")]
    counting = asyncio.create_task(tokenizer.counted(messages))
    turns = 0
    while not counting.done():
        turns += 1
        await asyncio.sleep(0)
    assert counting.result() == [tokenizer.count_message(message) for message in messages]
    assert turns > 2


async def test_few_words_are_counted_at_once() -> None:
    tokenizer = opened("cl100k_base")
    await tokenizer.warm()
    assert await tokenizer.counted([Message("user", "Hello, world"), Message("user")]) == [3 + 1 + 3, 3 + 1]
