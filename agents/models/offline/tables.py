"""Tables that stand in files: the program that reads one, and the file that a request means."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agents.models.offline import lexicon
from agents.models.offline.figures import series
from agents.models.port import ToolSpec
from agents.tools import python
from agents.tools.sandbox.port import DATA
from agents.words import normal, words

_TABLES = (".csv", ".tsv", ".tab", ".txt")
_LINK = re.compile(rf"sandbox:{re.escape(DATA)}/([^,)\n]+)")
_READ = re.compile(rf"open\('{re.escape(DATA)}/((?:[^'\\]|\\.)+)'\)")


def tool_of(tools: Sequence[ToolSpec]) -> ToolSpec | None:
    """The tool that runs programs, where it is ours."""
    return next((tool for tool in tools if tool.name in python.NAMES and python.is_ours(tool)), None)


def files_of(tool: ToolSpec | None) -> list[str]:
    """The names of the files that its programs find."""
    told = python.files_told(tool.description or "") if tool else ""
    return [name for name in re.sub(r" \((?:.* left out|no longer there): .*\)$", "", told).split(", ") if name]


def meant(request: str, files: Sequence[str]) -> str | None:
    """The table that a request asks about: the one it names, else the newest where it asks for a statistic and brings no
    figures of its own."""
    tables = [name for name in files if name.casefold().endswith(_TABLES)]
    named = [name for name in tables if normal(name) in normal(request)]
    asks = bool(set(words(request)) & (lexicon.STATISTIC | lexicon.ANALYSIS))
    wanted = named or (tables if asks and not series(request) else [])
    return wanted[-1] if wanted else None


def reading(name: str, request: str) -> str:
    """Lines of a program that make `data`, the columns of numbers by name, of a table: those that the request names, else
    all of them."""
    return "\n".join([
        "import csv",
        f"asked = {words(request)!r}",
        f"with open({f'{DATA}/{name}'!r}) as file:",
        "    lines = [line for line in file.read().replace('\\ufeff', '').splitlines() if line.strip()]",
        "mark = max([',', ';', '\\t', '|'], key=lambda mark: lines[0].count(mark)) if lines else ','",
        "rows = list(csv.reader(lines, delimiter=mark))",
        "def number(cell):",
        "    cell = cell.strip().strip('$€£% ')",
        "    cell = cell.replace(',', '.') if mark == ';' and '.' not in cell else cell.replace(',', '')",
        "    try:",
        "        return float(cell)",
        "    except ValueError:",
        "        return None",
        "header = [cell.strip() for cell in rows[0]] if rows else []",
        "data = {}",
        "for place, name in enumerate(header):",
        "    cells = [row[place] for row in rows[1:] if len(row) > place and row[place].strip()]",
        "    values = [number(cell) for cell in cells]",
        "    if values and None not in values:",
        "        data[name] = values",
        "named = [name for name in data if all(word in asked for word in name.lower().replace('_', ' ').split())]",
        "if named:",
        "    data = {name: data[name] for name in named}",
        "if not data:",
        "    print('There is no column of numbers. The columns are: ' + ', '.join(header))",
    ])  # fmt: skip


def read_from(program: str) -> str | None:
    """The table that a program has read."""
    found = _READ.search(program)
    return found.group(1) if found else None


def links(output: str) -> list[str]:
    """The files that a program has left for the user, as they are linked to."""
    return [f"[{name}](sandbox:{DATA}/{name})" for name in _LINK.findall(output)]
