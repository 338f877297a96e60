"""Figures in ordinary text: expressions to work out, series of numbers, tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from agents.models.offline.quoting import MARK

_NUMBER = r"(?<!\d)\d{1,60}(?:\.\d{1,30})?(?!\d)"  # bounded, as all repeats here: any text must be read in linear time
_GROUPED = re.compile(r"(?<![\d.,])(\d{1,3}(?:,\d{3})+)(?!\d|,\d)")
_LEADING_ZEROS = re.compile(r"(?<![\d.])0+(?=\d)")
_NO_FIGURE = re.compile(
    r"\d{4}-\d\d-\d\d|\b\d\d?/\d\d?/\d{2,4}\b|\d\d?:\d\d\b|\b24/7\b|\b\d{1,9}-\d{1,9}(?= [^\W\d_])|https?://\S+"
    r"|\bv?\d+\.\d+\.\d+\S*"
)
_SPOKEN: Sequence[tuple[str, str]] = (
    (rf"({_NUMBER})\s*(?:%|percent|per ?cento|prozent)\s*(?:of|di|del|von)\s*({_NUMBER})", r"(\1 / 100 * \2)"),
    (
        rf"(?:square root of|radice quadrata di|quadratwurzel (?:von|aus)|wurzel (?:von|aus)|sqrt)\s*\(?\s*({_NUMBER})\s*\)?",
        r"math.sqrt(\1)",
    ),
    (r"(?:factorial of|fattoriale di|fakultät von)\s*(\d{1,6})|(?<![\w.])(\d{1,6})!(?!\w)", r"math.factorial(\1\2)"),
    (rf"({_NUMBER})\s*(?:to the power of|elevato a|hoch|\^)\s*({_NUMBER})", r"\1 ** \2"),
    (rf"(?<=[\d)])\s*(?:times|multiplied by|x|×|·|⋅|mal|per)\s*(?={_NUMBER})", " * "),
    (rf"(?<=[\d)])\s*(?:divided by|over|÷|geteilt durch|diviso)\s*(?={_NUMBER})", " / "),
    (rf"(?<=[\d)])\s*(?:plus|più)\s*(?={_NUMBER})", " + "),
    (rf"(?<=[\d)])\s*(?:minus|meno|−)\s*(?={_NUMBER})", " - "),
)
_OPERAND = rf"\({{0,9}}\s?-?\s?(?:math\.\w{{1,9}}\({_NUMBER}\)|{_NUMBER})\s?\){{0,9}}"
_EXPRESSION = re.compile(rf"(?<![\w.]){_OPERAND}(?:\s{{0,9}}(?:\*\*|//|[-+*/%])\s{{0,9}}{_OPERAND})*")
_OPERATION = re.compile(r"math\.|\d\s*\)*\s*(?:\*\*|//|[-+*/%])\s*\(*\s*-?\s*(?:math|\d)")
_LABELLED = re.compile(rf"\w\s{{0,3}}[:=]\s{{0,3}}[$€£]?\s?(-?{_NUMBER})(?=\s*(?:[,;\n%$€£]|\.?\s|\.?$))")
_LOOSE = re.compile(rf"(?<![\w.])-?{_NUMBER}(?![\w]|\.\d)")
_IS_NUMBER = re.compile(rf"-?{_NUMBER}").fullmatch
_IS_YEAR = re.compile(r"(?:19|20)\d\d").fullmatch

Series = Mapping[str, Sequence[str]]


def expression(text: str) -> str | None:
    """The longest arithmetic expression of a text, as Python (`math` is to be imported); None if it has none."""
    spoken = _plain(text)
    for pattern, python in _SPOKEN:
        spoken = re.sub(pattern, python, spoken, flags=re.I)
    found = (match.group().strip() for match in _EXPRESSION.finditer(spoken))
    whole = [candidate for candidate in map(_balanced, found) if _OPERATION.search(candidate)]
    return max(whole, key=len, default=None)


def series(text: str) -> Series:
    """The series of numbers in a text by name: a table's columns, else labelled values, else at least two loose ones."""
    if table := _columns(text):
        return table
    plain = _plain(text)
    labelled = _LABELLED.findall(plain)
    values = labelled if len(labelled) > 1 else _LOOSE.findall(plain)
    return {"": values} if len(values) > 1 else {}


def _plain(text: str) -> str:
    """The text without what only looks like figures: marks, dates, times, ranges, addresses, versions."""
    return _digits(_NO_FIGURE.sub(" ", MARK.sub(" ", text)))


def _digits(text: str) -> str:
    """Numbers as Python writes them: 1,234 is 1234, and 007 is 7."""
    return _LEADING_ZEROS.sub("", _GROUPED.sub(lambda match: match.group().replace(",", ""), text))


def _balanced(candidate: str) -> str:
    """The expression without brackets that open or close nothing."""
    while candidate.count("(") > candidate.count(")") and candidate.startswith("("):
        candidate = candidate[1:].lstrip()
    while candidate.count(")") > candidate.count("(") and candidate.endswith(")"):
        candidate = candidate[:-1].rstrip()
    return candidate


def _columns(text: str) -> Series:
    """The columns of the first table that hold numbers alone, but for a column of years beside others."""
    rows = _table(text.splitlines())
    if len(rows) < 3:
        return {}
    header, *body = rows
    columns = {
        name: [_digits(cell.strip("$€£% ")) for cell in cells] for name, *cells in zip(header, *body, strict=True)
    }
    numeric = {name: cells for name, cells in columns.items() if all(map(_IS_NUMBER, cells))}
    return {name: cells for name, cells in numeric.items() if not all(map(_IS_YEAR, cells))} or numeric


def _table(lines: Iterable[str]) -> list[list[str]]:
    """The first neighbouring lines that have equally many cells, two or more."""
    rows: list[list[str]] = []
    for line in lines:
        cells = _cells(line)
        if rows and len(cells) != len(rows[0]):
            if len(rows) > 2:
                break
            rows = []
        if len(cells) > 1 and not all(re.fullmatch(r":?-+:?", cell) for cell in cells):
            rows.append(cells)
    return rows


def _cells(line: str) -> list[str]:
    mark = next((mark for mark in ("|", "\t", ";", ",") if mark in line), ",")
    return [cell.strip() for cell in line.strip().strip("|").split(mark)]
