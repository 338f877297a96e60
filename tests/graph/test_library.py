"""The library of folders: what is read, what is left out, and what ordinary questions find."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agents.tools.port import Library, Passage
from graph.library import SAMPLE_LIBRARY, FolderLibrary


@asynccontextmanager
async def opened(*paths: Path, samples: bool = False) -> AsyncIterator[FolderLibrary]:
    library = FolderLibrary(paths, samples=samples)
    library.start()
    try:
        yield library
    finally:
        library.close()


async def search(query: str, *paths: Path, limit: int = 10, samples: bool = False) -> Sequence[Passage]:
    async with opened(*paths, samples=samples) as library:
        return await library.search("default", query, limit)


async def names(query: str, *paths: Path) -> list[str]:
    return [passage.source.name for passage in await search(query, *paths)]


def put(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


# What is read


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("notes.txt", "The heron stands in the river."),
        ("notes.md", "The heron stands in the river."),
        ("notes.rst", "Birds\n=====\n\nThe heron stands in the river."),
        ("deep/er/notes.txt", "The heron stands in the river."),
        ("README", "The heron stands in the river."),
        ("code.py", "# The heron stands in the river.\nheron = 1\n"),
        ("page.html", "<p>The <b>heron</b> stands<br>in the&nbsp;river.</p>"),
        ("table.csv", "bird,place\nheron,river\n"),
        ("table.tsv", "bird\tplace\nheron\triver\n"),
        ("data.json", '{"bird":{"name":"heron"}}'),
        ("lines.jsonl", '{"bird":"heron"}\n{"bird":"stork"}\n'),
        ("broken.json", '{"bird": "heron"'),
    ],
)
async def test_text_formats_are_read(tmp_path: Path, name: str, content: str) -> None:
    put(tmp_path, name, content)
    (passage,) = await search("heron", tmp_path)
    assert passage.source.name == name
    assert "heron" in passage.text
    assert passage.source.quote == passage.text
    assert passage.score > 0


@pytest.mark.parametrize(
    "data",
    [
        "Der Bär weiß: Flüsse".encode(),
        "Der Bär weiß: Flüsse".encode("utf-8-sig"),
        "Der Bär weiß: Flüsse".encode("utf-16"),
        "Der Bär weiß: Flüsse".encode("utf-16-le"),
        "Der Bär weiß: Flüsse".encode("utf-16-be"),
        "Der Bär weiß: Flüsse".encode("latin-1"),
    ],
)
async def test_encodings_are_told_apart(tmp_path: Path, data: bytes) -> None:
    put(tmp_path, "bear.txt", data)
    for query in ("Bär", "bar", "weiß", "WEISS", "Flüsse", "Fluss"):
        assert [passage.text for passage in await search(query, tmp_path)] == ["Der Bär weiß: Flüsse"], query


async def test_a_markdown_file_is_called_by_its_first_heading(tmp_path: Path) -> None:
    put(
        tmp_path,
        "a.md",
        "intro heron\n\n```\n# no heading\n```\n\n# The `grey` **heron**【1†x】 #\n\nIt stands.\n\n## Food\n\nFish.",
    )
    found = await search("fish", tmp_path)
    assert [(passage.source.name, passage.text) for passage in found] == [("The grey heron 1 x", "## Food\n\nFish.")]
    assert "# no heading" in (await search("intro", tmp_path))[0].text


async def test_a_page_is_read_as_a_reader_sees_it(tmp_path: Path) -> None:
    page = (
        "<html><head><title>Herons &amp; storks</title><style>p {color: heron}</style></head><body>"
        "<script>var heron = 'script';</script><h2>Food</h2><ul><li>fish<li>frogs</ul>"
        "<table><tr><td>heron</td><td>95 cm</td></tr></table></body></html>"
    )
    put(tmp_path, "page.html", page)
    (passage,) = await search("frogs", tmp_path)
    assert passage.source.name == "Herons & storks"
    assert passage.text == "## Food\n\n- fish\n\n- frogs\n\nheron | 95 cm"
    assert await search("script color", tmp_path) == []


async def test_long_documents_come_in_passages(tmp_path: Path) -> None:
    paragraphs = [f"Paragraph {number} speaks of herons. " + "And of water. " * 20 for number in range(40)]
    put(tmp_path, "long.txt", "\n\n".join(paragraphs))
    put(tmp_path, "line.txt", "The stork " * 1000)
    put(tmp_path, "solid.txt", "kingfisher" + "x" * 5000)
    found = await search("herons", tmp_path, limit=50)
    assert len(found) > 5
    assert all(len(passage.text) <= 1200 and passage.text.startswith("Paragraph") for passage in found)
    assert sum(passage.text.count("speaks of herons") for passage in found) == 40
    assert sum(passage.text.count("stork") for passage in await search("stork", tmp_path, limit=50)) == 1000
    assert len((await search("kingfisher" + "x" * 1190, tmp_path))[0].text) == 1200


async def test_a_table_keeps_its_header_in_every_passage(tmp_path: Path) -> None:
    rows = [f"heron {number},river" for number in range(200)]
    put(tmp_path, "birds.csv", "\n".join(["bird,place", *rows]))
    found = await search("river", tmp_path, limit=50)
    assert len(found) > 1
    assert all(passage.text.startswith("bird,place\nheron") and len(passage.text) <= 1200 for passage in found)
    assert sorted(row for passage in found for row in passage.text.splitlines()[1:]) == sorted(rows)


async def test_the_same_document_in_two_places_is_one_hit(tmp_path: Path) -> None:
    put(tmp_path, "one/a.txt", "The heron stands.")
    put(tmp_path, "two/b.txt", "The heron stands.\n")
    assert await names("heron", tmp_path / "one", tmp_path / "two", tmp_path) == ["a.txt"]


# What is left out


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (".secret.txt", "heron", "hidden"),
        (".git/config.txt", "heron", "hidden"),
        ("photo.png", "heron", "no text format (.png)"),
        ("program.txt", b"heron\0\1\2\0\0\0\7heron\0" * 50, "not a text"),
        ("control.txt", b"heron \x01\x02\x03\x04\x05" * 20, "not a text"),
        ("large.txt", b"heron " * (1024 * 1024), "larger than 5 MB"),
    ],
)
async def test_what_is_left_out_is_named_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, content: str | bytes, reason: str
) -> None:
    caplog.set_level(logging.INFO, "graph.library")
    put(tmp_path, name, content)
    put(tmp_path, "kept.txt", "The heron stands.")
    assert await names("heron", tmp_path) == ["kept.txt"]
    (line,) = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
    assert reason in line
    assert str(tmp_path / name.split("/")[0]) in line


async def test_links_are_followed_inside_the_folder_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "graph.library")
    shelf = tmp_path / "shelf"
    secret = put(tmp_path, "secret.txt", "The secret heron.")
    inside = put(shelf, "docs/heron.txt", "The open heron.")
    (shelf / "alias.txt").symlink_to(inside)
    (shelf / "outside.txt").symlink_to(secret)
    (shelf / "dangling.txt").symlink_to(shelf / "nowhere.txt")
    (shelf / "loop").symlink_to(shelf)
    os.mkfifo(shelf / "pipe.txt")
    assert await names("heron", shelf) == ["alias.txt"]
    told = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
    assert len(told) == 4
    assert any("outside.txt left out: a link that leads outside" in line for line in told)


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.write_text("a file")])
async def test_an_unreadable_folder_is_an_error_in_the_log_and_no_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, make: Callable[[Path], object]
) -> None:
    missing = tmp_path / "missing"
    make(missing)
    put(tmp_path, "shelf/a.txt", "The heron stands.")
    assert await names("heron", missing, tmp_path / "shelf") == ["a.txt"]
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert str(missing) in record.getMessage()


# What is found


@pytest.mark.parametrize(
    "query",
    [
        "configure",
        "Configuration",
        "How do I CONFIGURE it?",
        "the configuring of things",
        "konfigurierung configurations",
    ],
)
async def test_inflected_words_are_found(tmp_path: Path, query: str) -> None:
    put(tmp_path, "a.txt", "Everything here is configured by hand.")
    put(tmp_path, "b.txt", "Nothing of the kind.")
    assert await names(query, tmp_path) == ["a.txt"]


async def test_accents_and_beginnings_help(tmp_path: Path) -> None:
    put(tmp_path, "it.txt", "La città è più fredda.")
    put(tmp_path, "de.txt", "Die Konfigurationsdatei liegt daneben.")
    assert await names("citta", tmp_path) == ["it.txt"]
    assert await names("Konfiguration", tmp_path) == ["de.txt"]


async def test_words_without_spaces_are_found_inside_a_line(tmp_path: Path) -> None:
    put(tmp_path, "ja.txt", "東京都庁は新宿にある。カワセミもいる。")
    put(tmp_path, "zh.txt", "今天天气很好")
    put(tmp_path, "ko.txt", "한국어문서입니다")
    assert await names("新宿", tmp_path) == ["ja.txt"]
    assert await names("カワセミ", tmp_path) == ["ja.txt"]
    assert await names("AIの天气?", tmp_path) == ["zh.txt"]
    assert await names("文书 문서", tmp_path) == ["ko.txt"]
    assert await names("庁", tmp_path) == ["ja.txt"]


async def test_the_better_match_comes_first(tmp_path: Path) -> None:
    put(tmp_path, "a.txt", "Herons eat fish.")
    put(tmp_path, "b.txt", "A river. " * 20 + "Herons live there.")
    put(tmp_path, "c.md", "# Food of herons\n\nIt is fish, and fish again.")
    found = await search("What fish do herons eat?", tmp_path)
    assert [passage.source.name for passage in found] == ["a.txt", "Food of herons", "b.txt"]
    assert [passage.score for passage in found] == sorted((passage.score for passage in found), reverse=True)
    assert len(await search("herons", tmp_path, limit=2)) == 2


async def test_a_setting_is_found_by_its_name(tmp_path: Path) -> None:
    put(tmp_path, "a.txt", "The model of the llm is large, as every model is.")
    put(tmp_path, "b.txt", "Set LLM_MODEL before the start.")
    for number in range(5):
        put(tmp_path, f"{number}.txt", f"Heron number {number}.")
    assert (await names("What is LLM_MODEL?", tmp_path))[0] == "b.txt"


@pytest.mark.parametrize(
    "query",
    [
        "",
        "   ",
        "?!...",
        "🎉🎉",
        "the of and",
        "what is it",
        "di che cosa",
        "was ist das",
        "unicorns",
        "\x00",
        "\ud800",
        '"',
        "*",
    ],
)
async def test_what_says_nothing_finds_nothing(tmp_path: Path, query: str) -> None:
    put(tmp_path, "a.txt", "What is it? It is the heron of the river, das ist was, di che cosa.")
    assert await search(query, tmp_path) == []


@pytest.mark.parametrize(
    "query",
    [
        'heron" OR "1',
        "heron NEAR(river, 2)",
        "NEAR(heron river)*",
        "title:heron",
        "-heron ^heron",
        "heron AND NOT (river",
        "heron'); DROP TABLE passage; --",
        "{title text}: heron",
        "🦆 heron 🦆",
        "heron\0",
        "heron " * 5000,
        " ".join(f"word{number}" for number in range(20)) + " heron",
    ],
)
async def test_a_question_is_never_taken_for_a_command(tmp_path: Path, query: str) -> None:
    put(tmp_path, "a.txt", "The heron.")
    assert await names(query, tmp_path) == ["a.txt"]


# Its life


async def test_searches_wait_for_the_index_and_run_side_by_side(tmp_path: Path) -> None:
    for number in range(200):
        put(tmp_path, f"{number}.txt", f"The heron has number{number}.")
    library: Library = FolderLibrary([tmp_path], samples=False)
    found = await asyncio.gather(*(library.search(f"tenant-{n}", f"number{n}", 3) for n in range(0, 200, 10)))
    assert [[passage.source.name for passage in passages] for passages in found] == [
        [f"{n}.txt"] for n in range(0, 200, 10)
    ]
    assert isinstance(library, FolderLibrary)
    library.close()


async def test_a_closed_library_says_so(tmp_path: Path) -> None:
    put(tmp_path, "a.txt", "The heron.")
    library = FolderLibrary([tmp_path], samples=False)
    library.start()
    library.start()
    waiting = asyncio.create_task(library.search("default", "heron", 3))
    await asyncio.sleep(0)
    library.close()
    library.close()
    assert len(await waiting) <= 1
    with pytest.raises(RuntimeError, match="closed"):
        await library.search("default", "heron", 3)


# The sample library


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("What is Cortex Flow?", "What Cortex Flow is"),
        ("the latest AI agent frameworks", "AI agents, frameworks and trends"),
        ("AI trends", "AI agents, frameworks and trends"),
        ("How does a request travel through the team?", "The team and how a request travels"),
        ("What is the conversation_id for?", "Conversations and conversation_id"),
        ("Where is my data stored?", "Storage"),
        ("Which model does the offline setting use?", "Models and the offline model"),
        ("How do I stream Chat Completions?", "The OpenAI APIs it speaks"),
        ("Which environment variables configure the server?", "Configuration"),
        ("What is the iteration limit?", "Limits"),
    ],
)
async def test_a_newcomers_question_has_a_source(question: str, name: str) -> None:
    found = await search(question, samples=True, limit=1)
    assert [passage.source.name for passage in found] == [name]


async def test_the_operators_folder_stands_beside_the_samples(tmp_path: Path) -> None:
    put(tmp_path, "a.txt", "The zanzibar heron.")
    async with opened(tmp_path, samples=True) as library:
        assert [passage.source.name for passage in await library.search("acme", "zanzibar", 5)] == ["a.txt"]
        assert await library.search("acme", "Cortex Flow", 5)


def test_the_samples_are_whole_documents() -> None:
    documents = sorted(SAMPLE_LIBRARY.glob("*.md"))
    assert len(documents) == 9
    for path in documents:
        text = path.read_text("utf-8")
        assert text.startswith("# ")
        assert text.endswith("\n")
        assert all(len(section) < 1400 for section in text.split("\n## "))
