"""The files that programs find: which, and under which names."""

from __future__ import annotations

import base64

import pytest

from agents.models.port import FilePart, Message, TextPart
from agents.tools.port import Made
from graph.interpreter.inputs import (
    LONGEST_NAME,
    MOST_BYTES,
    MOST_FILES,
    Input,
    Inputs,
    inputs_of,
    safe_name,
    with_made,
)
from graph.request import CodeFile, CodeInterpreter


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("sales.csv", "sales.csv"),
        ("Umsätze 2024 (final).xlsx", "Umsätze 2024 (final).xlsx"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("/etc/passwd", "_etc_passwd"),
        ("C:\\data\\a.csv", "C__data_a.csv"),
        ("..", "file"),
        (".env", "env"),
        ("", "file"),
        ("a\nb\x00c.txt", "a_b_c.txt"),
        ("\ud800.txt", "_.txt"),
        ("日" * 100 + ".csv", "日" * 26 + ".csv"),
    ],
)
def test_names_are_safe(name: str, safe: str) -> None:
    assert safe_name(name) == safe
    assert len(safe.encode()) <= LONGEST_NAME


def test_each_name_is_there_once() -> None:
    files = (CodeFile("1", "a.csv"), CodeFile("2", "a.csv"), CodeFile("3", "A.CSV"), CodeFile("1", "a.csv"))
    found = inputs_of(CodeInterpreter(files, gone=("file-x",)), [])
    assert [(each.name, each.file_id) for each in found.files] == [("a.csv", "1"), ("a-2.csv", "2"), ("A-3.CSV", "3")]
    assert found.told == "a.csv, a-2.csv, A-3.CSV (no longer there: file-x)"


def test_the_files_of_messages_are_there() -> None:
    data = f"data:text/csv;base64,{base64.b64encode(b'a,b').decode()}"
    said = Message("user", (TextPart("Look!"), FilePart("a.csv", data), FilePart("a.csv", data), FilePart(None, data)))
    found = inputs_of(None, [said, Message("user", "Go on."), said])
    assert [each.name for each in found.files] == ["a.csv", "file"]
    assert inputs_of(None, [Message("user", "Go on.")]).told == ""


def test_names_are_told_apart() -> None:
    told = Inputs(tuple(Input(name, 1) for name in ("a, b.csv", "c (1).csv", "d e.csv")), gone=("f (2).csv",)).told
    assert told == '"a, b.csv", "c (1).csv", d e.csv (no longer there: f (2).csv)'


def test_the_newest_are_taken_where_there_are_too_many() -> None:
    files = tuple(CodeFile(str(number), f"{number}.csv") for number in range(MOST_FILES + 1))
    found = inputs_of(CodeInterpreter(files), [])
    assert (len(found.files), found.left_out) == (MOST_FILES, ("0.csv",))
    large = inputs_of(CodeInterpreter((CodeFile("1", "old", MOST_BYTES), CodeFile("2", "new", 1))), [])
    assert large.told == "new (old left out: at most 50 files with 100 MB together can be there)"


def test_what_programs_have_made_stands_in_the_place_of_what_was_given() -> None:
    found = inputs_of(CodeInterpreter((CodeFile("1", "a.csv"), CodeFile("2", "b.csv"))), [])
    there = with_made(found.files, [Made("file-9", "a.csv"), Made("file-8", "c.csv")])
    assert [(each.name, each.file_id) for each in there] == [("a.csv", "9"), ("b.csv", "2"), ("c.csv", "8")]
