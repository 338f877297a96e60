"""The offline model as analyst, with the real sandbox."""

from __future__ import annotations

import pytest

from agents import ANALYST
from agents.briefing import Finding
from agents.models.port import Message
from agents.tools import TOOLS
from tests.agents.models.offline.rehearsal import (
    AGENTS_MARK,
    TRENDS_MARK,
    answered,
    called,
    delegate,
    reply,
    user,
)


@pytest.mark.parametrize(
    ("task", "result"),
    [
        ("What is 17 * 23?", "17 * 23 = 391"),
        ("15% of 240", "= 36"),
        ("(3 + 4) * 5", "(3 + 4) * 5 = 35"),
        ("the square root of 144", "sqrt(144) = 12"),
        ("What is 15! (factorial)?", "factorial(15) = 1307674368000"),
        ("2 to the power of 10", "2 ^ 10 = 1024"),
        ("1,234 + 1,000,000", "1234 + 1000000 = 1001234"),
        ("quanto fa 17 per 3", "17 * 3 = 51"),
        ("10 / 0", "The computation failed: ZeroDivisionError"),
        ("the mean of 3, 5 and 8", "- mean: 5.3333"),
        ("total and maximum of $1,200, $300 and $50.50", "- sum: 1550.5\n- maximum: 1200"),
        ("the growth of 10, 12, 15", "- change from first to last in percent: 50"),
        ("Sales: 2021: 12, 2022: 15, 2023: 21", "figures 12, 15, 21"),
        ("month,sales,cost\nJan,10,5\nFeb,20,6\nMar,15,7.5\n", "- sales mean: 15"),
        ("| year | profit |\n|---|---|\n| 2021 | 3 |\n| 2022 | 4 |", "- profit sum: 7"),
        ("007 + 1", "7 + 1 = 8"),
    ],
)
async def test_the_analyst_computes(task: str, result: str) -> None:
    assert result in await delegate(ANALYST, task)


async def test_figures_of_the_findings_are_used_where_a_statistic_is_asked() -> None:
    findings = [Finding("researcher", "Sales were 10 in May 【1†May】, and 14 in June 【2†June】.")]
    assert "- mean: 12" in await delegate(ANALYST, "Work out the average sales", findings=findings)


async def test_findings_without_figures_are_compared() -> None:
    findings = [
        Finding("researcher", f"- Agents use tools. {AGENTS_MARK}\n- Teams of agents share work. {TRENDS_MARK}")
    ]
    analysis = await delegate(ANALYST, "Analyse AI", findings=findings)
    assert analysis.startswith("The findings make 2 points from 2 passages.")
    assert f"- **agents**: 2 of 2 points {AGENTS_MARK}{TRENDS_MARK}" in analysis


async def test_a_text_is_measured_and_not_judged() -> None:
    analysis = await delegate(ANALYST, "Analyse it", 'Analyze the sentiment of: "Absolutely loved this product!"')
    assert "4 words in 1 sentence" in analysis
    assert "not judge" in analysis


async def test_the_analyst_says_when_there_is_nothing_to_analyse() -> None:
    assert (await delegate(ANALYST, "Analyse the market")).startswith("There is nothing to analyse")


async def test_the_analyst_alone_reads_the_newest_message() -> None:
    tools = [TOOLS["python"].spec]
    messages = [Message("system", ANALYST.instructions), user("What is 17 * 23?")]
    turn = await reply(messages, tools)
    assert called(turn) == ["python"]
    assert (await reply([*messages, *answered(turn, "391")], tools)).text == "17 * 23 = 391"
    assert (await reply([*messages, *answered(turn, "391")])).text == "17 * 23 = 391"
    assert (await reply([messages[0], user("Thanks!")], tools)).text == "You're welcome!"
