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
_READ = re.compile(rf"open\('{re.escape(DATA)}/((?:[^'\\]|\\.)+)', 'rb'\)")
_NAMES = re.compile(r'(?:"[^"]+"|[^"(])*')  # what is told behind them stands in brackets
_NAME = re.compile(r'"([^"]+)"|([^,"]+)')

# Programs for any sandbox: without packages, in the Python that all of them speak.
_READING = """\
import csv
MISSING = ['', 'na', 'n/a', '#n/a', 'nan', 'null', 'none', '-', '--', '\\u2013', '\\u2014', '?', '.']
def text_of(data):
    if data.startswith((b'\\xff\\xfe', b'\\xfe\\xff')):
        return data.decode('utf-16')
    try:
        return data.decode('utf-8')
    except UnicodeDecodeError:
        return ''.join([chr(byte) for byte in data])
def plain(cell):
    cell = ''.join([sign for sign in cell.replace('\\u2212', '-') if sign not in " \\u00a0\\u202f\\u2009'\\u2019$\\u20ac\\u00a3\\u00a5%"])
    cell = '-' + cell[1:-1] if cell.startswith('(') and cell.endswith(')') else cell
    return cell[:-3] if cell[-3:] in ['EUR', 'USD', 'GBP', 'CHF'] else cell
def has_decimal_commas(cells):
    for cell in cells:
        behind = cell.split(',')[-1]
        if ',' in cell and (cell.count(',') > 1 or '.' in behind):
            return False
        if ',' in cell and ('.' in cell or len(behind) != 3):
            return True
    return mark == ';'
def number(cell, commas):
    cell = cell.replace('.', '').replace(',', '.') if commas else cell.replace(',', '')
    try:
        return float(cell)
    except ValueError:
        return None
def numbers(cells):
    cells = [plain(cell) for cell in cells if cell.strip().lower() not in MISSING]
    commas = any([',' in cell or cell.count('.') > 1 for cell in cells]) and has_decimal_commas(cells)
    return [number(cell, commas) for cell in cells]
def is_asked(name):
    said = ''.join([sign if sign.isalnum() else ' ' for sign in name.split('(')[0].lower()]).split()
    return bool(said) and all([word in asked for word in said])"""
_COLUMNS = """\
    lines = text_of(file.read()).replace('\\ufeff', '').replace('\\r\\n', '\\n').replace('\\r', '\\n').split('\\n')
lines = [line + '\\n' for line in lines if line.strip()]
if lines and lines[0].lower().startswith('sep='):
    mark, lines = lines[0][4], lines[1:]
else:
    marks = [',', ';', '\\t', '|']
    held = lambda mark: (sum([mark in line for line in lines[:9]]), lines[0].count(mark) if lines else 0)
    mark = max(marks, key=held)
rows = list(csv.reader(lines, delimiter=mark))
if len(rows) > 1 and len(rows[0]) == 1 < len(rows[1]):
    if None in [number(plain(cell), False) for cell in rows[1]]:
        rows = rows[1:]
    else:
        mark = ';'
        rows = list(csv.reader(lines, delimiter=mark))
header = [cell.strip() for cell in rows[0]] if rows else []
data = {}
for place, name in enumerate(header):
    values = numbers([row[place] for row in rows[1:] if len(row) > place])
    if values and None not in values:
        data[name] = values
named = [name for name in header if is_asked(name)]
if named:
    data = {name: data[name] for name in named if name in data}
if not data:
    print('There are no numbers in ' + (', '.join(named) or 'the table') + '. The columns are: ' + ', '.join(header))"""


def tool_of(tools: Sequence[ToolSpec]) -> ToolSpec | None:
    """The tool that runs programs, where it is ours."""
    return next((tool for tool in tools if tool.name in python.NAMES and python.is_ours(tool)), None)


def files_of(tool: ToolSpec | None) -> list[str]:
    """The names of the files that its programs find."""
    told = python.files_told(tool.description or "") if tool else ""
    there = _NAMES.match(told)
    return [
        quoted or bare.strip()
        for quoted, bare in _NAME.findall(there.group() if there else "")
        if quoted or bare.strip()
    ]


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
    return "\n".join(
        [_READING, f"asked = {words(request)!r}", f"with open({f'{DATA}/{name}'!r}, 'rb') as file:", _COLUMNS]
    )


def read_from(program: str) -> str | None:
    """The table that a program has read."""
    found = _READ.search(program)
    return found.group(1) if found else None


def links(output: str) -> list[str]:
    """The files that a program has left for the user, as they are linked to."""
    return [f"[{name}](sandbox:{DATA}/{name})" for name in _LINK.findall(output)]
