"""The links of a text to files that were made, by their places."""

from __future__ import annotations

from agents.tools.port import Made
from graph.interpreter.links import Links


def found(text: str, *names: str) -> list[tuple[str, str | None]]:
    links = Links(Made(f"file-{name}", name) for name in names)
    marks = links.annotations(text)
    assert all(text[mark.start : mark.end] == mark.mark and mark.path for mark in marks)
    return [(mark.mark, mark.source.file_id) for mark in marks]


def test_links_are_found_where_they_stand() -> None:
    text = "🎉 [a](sandbox:/mnt/data/a.csv), sandbox:/mnt/data/a.csv.gz; /mnt/data/a.csv; sandbox:/mnt/data/b%20%C3%BC.csv."
    assert found(text, "a.csv", "a.csv.gz", "b ü.csv") == [
        ("sandbox:/mnt/data/a.csv", "file-a.csv"),
        ("sandbox:/mnt/data/a.csv.gz", "file-a.csv.gz"),
        ("sandbox:/mnt/data/b%20%C3%BC.csv", "file-b ü.csv"),
    ]
    assert found("sandbox:/mnt/data/none.csv", "a.csv") == []
    assert found("sandbox:/mnt/data/a.csv") == []


def test_the_name_of_another_file_may_begin_like_one_of_these() -> None:
    for other in ("a.csvx", "a.csv.gz", "a.csv_2", "a.csv-old.csv", "a.csv/b"):
        assert found(f"sandbox:/mnt/data/{other}", "a.csv") == []
    for end in (")", ".", ". Then", "。", "を", "?", "`", "**", "...", "_"):
        assert found(f"sandbox:/mnt/data/a.csv{end}", "a.csv") == [("sandbox:/mnt/data/a.csv", "file-a.csv")]


def test_the_newest_of_a_name_is_meant() -> None:
    links = Links([Made("file-1", "a.png", image=True)])
    links.know(Made("file-2", "a.png", image=True))
    links.know(Made("file-3", "b.csv"))
    assert (links.images, [made.file_id for made in links.made]) == (("file-2",), ["file-2", "file-3"])
    assert links.annotations("sandbox:/mnt/data/a.png")[0].source.file_id == "file-2"
