"""The offline model at a table: the program that it writes, run in the real sandbox on files as people have them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from agents.models.offline.analyst import program_for
from agents.models.offline.prompt import read
from agents.models.offline.tables import files_of, meant
from agents.models.port import Message
from agents.tools.python import PYTHON, with_files
from agents.tools.sandbox.monty import MONTY

MEAN = "What is the mean of the column price in the file?"


async def computed(folder: Path, data: bytes, question: str = MEAN, name: str = "sales.csv") -> Sequence[str]:
    """What the program for a question prints about a file."""
    (folder / "files").mkdir()
    (folder / "files" / name).write_bytes(data)
    program = program_for(read([Message("user", question)]), [name])
    assert program is not None
    session = await MONTY.open(folder / "files")
    try:
        return (await session.run(program)).text.splitlines()
    finally:
        await session.close()


@pytest.mark.parametrize(
    ("table", "mean"),
    [
        ("product,price\na,1.5\nb,2.5\n", "2"),
        ("product;price\na;1,5\nb;2,5\n", "2"),
        ("product;price\na;1.234,50\nb;2.000,50\n", "1617.5"),
        ("product;price\na;1.000\nb;12,50\nc;1.234.567,00\n", "411859.8333"),
        ("product;price\na;1.5\nb;2.5\n", "2"),
        ('product,price\na,"1,5"\nb,"2,5"\n', "2"),
        ('product,price\na,"1,200.00"\nb,"2,000"\n', "1600"),
        ('product,price\na,"1,200"\nb,"2,000"\n', "1600"),
        ('product,price\na,"1,234,567"\nb,"1,234,569"\n', "1234568"),
        ("product,price\na,1'200.00\nb,1 000\nc,1\u00a0000\nd,1\u202f000\n", "1050"),
        ("product,price\na,$1.00\nb,€3.00\nc,5 EUR\n", "3"),
        ("product,price\na,(5.00)\nb,\u22123\nc,-1\n", "-3"),
        ("product,price\na,10%\nb,20 %\n", "15"),
        ("product,price\na,1\nb,\nc,3\nd,NA\ne,n/a\nf,-\ng,null\nh,NaN\n", "2"),
        ("price\n1e3\n2E3\n", "1500"),
        ("sep=;\nproduct;price\na;1,5\nb;2,5\n", "2"),
        ("Sales of the year\n\nproduct,price\na,1\nb,3\n", "2"),
        ('product,price\n"a\nb",1\n"c ""d"", e",3\n', "2"),
        ("product,price\ra,1\rb,3\r", "2"),
        ("product\tprice\na\t1\nb\t3\n", "2"),
        ("price\n1,5\n2,5\n", "2"),
        ("price\n1\n3\n", "2"),
    ],
)
async def test_numbers_as_people_write_them(tmp_path: Path, table: str, mean: str) -> None:
    assert await computed(tmp_path, table.encode()) == [f"price mean: {mean}"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
async def test_usual_encodings(tmp_path: Path, encoding: str) -> None:
    table = "naïveté,price\ncafé,2\nthé,4\n".encode(encoding)
    assert await computed(tmp_path, table) == ["price mean: 3"]


@pytest.mark.parametrize(
    "question",
    [
        "average price?",
        "Give me the avg of price",
        "Was ist der durchschnittliche price?",
        "Wie hoch ist der mittlere price?",
        "Qual è il price medio?",
        "Qual è la media di price?",
        "Quelle est la moyenne de la colonne price ?",
        "¿Cuál es el promedio de price?",
        "Calcule a média da coluna price",
        "Gemiddelde van price",
        "price列の平均は？",
        "price 的平均值是多少",
        "Какое среднее значение price?",
    ],
)
async def test_the_mean_in_many_words(tmp_path: Path, question: str) -> None:
    assert meant(question, ["sales.csv"]) == "sales.csv"
    assert await computed(tmp_path, b"product,price,qty\na,1.5,10\nb,2.5,20\n", question) == ["price mean: 2"]


async def test_a_column_without_numbers_is_told(tmp_path: Path) -> None:
    [line] = await computed(tmp_path, b"product,price\na,1\nb,2\n", "What is the mean of product?")
    assert line == "There are no numbers in product. The columns are: product, price"


async def test_the_unit_of_a_column_need_not_be_named(tmp_path: Path) -> None:
    table = b"product,Price (EUR),qty\na,1,5\nb,3,6\n"
    assert await computed(tmp_path, table) == ["Price (EUR) mean: 2"]


def test_names_of_files_are_told_apart() -> None:
    names = ["a, b.csv", "c (1).csv", "d.csv"]
    told = ", ".join(f'"{name}"' if set(name) & set(",(") else name for name in names)
    for more in ("", " (e, f.csv left out: at most 50 files)", " (no longer there: g.csv)"):
        assert files_of(with_files(PYTHON, told + more).spec) == names
