"""The offline model as analyst: computes in Python on the figures it finds, or shows what findings have in common."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from agents.models.offline import lexicon
from agents.models.offline.figures import Series, expression, series
from agents.models.offline.intent import material
from agents.models.offline.prompt import Prompt
from agents.models.offline.quoting import Quote, overlap, quotes
from agents.models.offline.reply import NOTHING_TO_ANALYSE, Reply, Say, Use, is_empty_handed
from agents.models.offline.researcher import FOUND
from agents.models.offline.tables import files_of, links, meant, read_from, reading
from agents.models.port import ToolSpec
from agents.tools.python import NAMES
from agents.tools.sandbox.port import DATA
from agents.words import stems, telling_words, words

PYTHON = "python"
RESULT = "result.csv"

# (name, words that ask for it, Python on `values`)
_STATISTICS: Sequence[tuple[str, str, str]] = (
    ("count", "count many quanti viele", "len(values)"),
    ("sum", "sum total somma totale summe gesamt somme suma soma сумма 合計 合计 总和 総和", "sum(values)"),
    ("mean", "mean average avg media medio durchschnitt durchschnittlich durchschnittliche durchschnittlichen durchschnittlicher durchschnittliches mittelwert mittlere mittleren mittlerer mittleres moyenne promedio média gemiddelde среднее 平均 均值", "sum(values) / len(values)"),
    ("median", "median mediana médiane", "(ordered[(len(values) - 1) // 2] + ordered[len(values) // 2]) / 2"),
    ("minimum", "minimum min minimo smallest lowest", "ordered[0]"),
    ("maximum", "maximum max massimo largest highest", "ordered[-1]"),
    ("standard deviation", "deviation variance", "(sum((v - sum(values) / len(values)) ** 2 for v in values) / len(values)) ** 0.5"),
    ("change from first to last in percent", "growth trend increase decrease change crescita tendenza wachstum", "(values[-1] - values[0]) / values[0] * 100 if values[0] else float('nan')"),
)  # fmt: skip
_ALWAYS = ("count", "sum", "mean", "minimum", "maximum")


def analyse(prompt: Prompt, tool: ToolSpec | None) -> Reply:
    """Compute where there are figures, and report; else compare."""
    if has_computed(prompt):
        return Say(computed(prompt))
    program = program_for(prompt, files_of(tool)) if tool else None
    return (Use(tool.name, {"code": program}),) if tool and program else Say(_compare(prompt))


def has_computed(prompt: Prompt) -> bool:
    """Whether a program has been run since the newest request."""
    return any(prompt.used(name) for name in NAMES)


def computed(prompt: Prompt) -> str:
    """What the program has brought, in a sentence, and where it has left a file the link to that."""
    ran = [done for done in prompt.done if done.name in NAMES][-1]
    output = "\n".join(line for line in ran.output.strip().splitlines() if not line.startswith("("))
    left = links(ran.output)
    return "\n\n".join([_told(prompt, ran.arguments, output), *(f"The result is in {link}." for link in left)])


def _told(prompt: Prompt, arguments: str, output: str) -> str:
    if re.search(r"Traceback|Error\b|^The (?:tool|program|argument)", output):
        return f"The computation failed: {output.splitlines()[-1] if output else 'it brought nothing'}"
    if table := read_from(arguments):
        return f"Computed in Python from {table}:\n\n" + _list(output)
    whole = _figures(prompt)
    if isinstance(whole, str):
        return f"{whole.replace('math.', '').replace('**', '^')} = {_tidy(output)}"
    named = "; ".join(
        f"{name or 'the figures'} {', '.join(values[:12])}{', ...' if len(values) > 12 else ''}"
        for name, values in whole.items()
    )
    return f"Computed in Python{f' from {named}' if named else ''}:\n\n{_list(output)}"


def _list(output: str) -> str:
    return "\n".join(f"- {line}" for line in output.splitlines())


def program_for(prompt: Prompt, files: Sequence[str] = ()) -> str | None:
    """The program that works out what is asked: on a table of these files, else on the figures that are there."""
    said = f"{prompt.task or ''} {prompt.request}"
    if table := meant(said, files):
        return _statistics(reading(table, said), said)
    whole = _figures(prompt)
    if isinstance(whole, str):
        return f"import math\n{whole}"
    data = ", ".join(f"{name!r}: [{', '.join(values)}]" for name, values in whole.items())
    return _statistics(f"data = {{{data}}}", said) if whole else None


def _figures(prompt: Prompt) -> str | Series:
    """An expression or series: of the task, else of the request, else (where figures are asked for) of the findings."""
    own = [text for text in (prompt.task, prompt.request) if text]
    for text in own:
        if whole := expression(text) or series(text):
            return whole
    said = set(words(" ".join(own)))
    findings = series("\n".join(finding.text for finding in prompt.findings))
    return findings if said & lexicon.STATISTIC else {}


def _asked(text: str) -> list[str]:
    said = set(words(text))
    return [name for name, asking, _ in _STATISTICS if said & set(asking.split())] or list(_ALWAYS)


def _statistics(data: str, said: str) -> str:
    """A program that shows statistics of its `data`, and leaves them as a table where that is wanted."""
    lines = [f"    show(name, {name!r}, {python})" for name, _, python in _STATISTICS if name in _asked(said)]
    saving = [
        "import csv",
        f"with open({f'{DATA}/{RESULT}'!r}, 'w') as file:",
        "    csv.writer(file).writerows(shown)",
    ]
    return "\n".join([
        data,
        "shown = [['series', 'statistic', 'value']]",
        "def show(series, name, value):",
        "    value = round(value, 4)",
        "    value = int(value) if value % 1 == 0 else value",
        "    shown.append([series, name, value])",
        "    print(f'{series} {name}: {value}'.strip())",
        "for name, values in data.items():",
        "    ordered = sorted(values)",
        *lines,
        *(saving if set(words(said)) & lexicon.SAVING else []),
    ])  # fmt: skip


def _tidy(output: str) -> str:
    return output.removesuffix(".0")


def _compare(prompt: Prompt) -> str:
    """What findings have in common, or what a text brought along is made of."""
    reports = [finding.text for finding in prompt.findings if not is_empty_handed(finding.text)]
    said = [quote for text in reports for quote in quotes(text) if not quote.sentence.startswith(FOUND)]
    text = material(prompt.request) or material(prompt.task or "")
    if said:
        return _shared(said)
    if text:
        return _measured(text)
    return NOTHING_TO_ANALYSE


def _shared(said: Sequence[Quote]) -> str:
    """The themes of the findings, with the sources that speak of them."""
    marks = dict.fromkeys(quote.mark for quote in said if quote.mark)
    opening = f"The findings make {_number(len(said), 'point')} from {_number(max(1, len(marks)), 'passage')}."
    themes = _themes(said)
    if not themes:
        return f"{opening} No word recurs in them; each stands for itself. {''.join(marks)}".strip()
    lines = [f"- **{theme}**: {_speaking(said, theme)}" for theme in themes]
    return f"{opening} What recurs in them is {_listed(themes)}:\n\n" + "\n".join(lines)


def _themes(said: Sequence[Quote]) -> list[str]:
    """The words that recur in most points, each in the form that comes first."""
    forms: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for quote in said:
        telling = telling_words(quote.sentence)
        counts.update(list(stems(telling)))
        forms = {stem: word for word in reversed(telling) for stem in stems([word])} | forms
    return [forms[stem] for stem, count in counts.most_common() if count > 1 and len(stem) > 2][:3]


def _speaking(said: Sequence[Quote], theme: str) -> str:
    speaking = [quote for quote in said if overlap([theme], telling_words(quote.sentence))]
    return f"{len(speaking)} of {len(said)} points {''.join(dict.fromkeys(quote.mark for quote in speaking))}".strip()


def _listed(items: Sequence[str]) -> str:
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def _measured(text: str) -> str:
    counts = Counter(telling_words(text))
    standing = ", ".join(word for word, _ in counts.most_common(5))
    size = f"{_number(len(text.split()), 'word')} in {_number(max(1, len(re.findall(r'[.!?]+', text))), 'sentence')}"
    return f"The text has {size}. Words that stand out: {standing}. I can count words, but not judge what they mean."


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
