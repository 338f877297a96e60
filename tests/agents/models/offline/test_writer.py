"""The offline model as writer."""

from __future__ import annotations

import pytest

from agents import WRITER
from agents.briefing import Finding
from tests.agents.models.offline.rehearsal import (
    TRENDS_MARK,
    delegate,
)


async def test_the_writer_composes_from_findings() -> None:
    research = f"Found in the library on “AI trends”:\n\n- Agents work in teams. {TRENDS_MARK}\n- Answers name sources. {TRENDS_MARK}"
    findings = [Finding("researcher", research), Finding("analyst", "Computed: 3")]
    text = await delegate(WRITER, "Write it", "Create a report on AI trends", findings)
    assert text == (
        "# AI trends\n\nThis text puts together what the team found on “AI trends”.\n\n"
        f"Agents work in teams. {TRENDS_MARK} Answers name sources. {TRENDS_MARK}\n\nComputed: 3"
    )


async def test_the_writer_shortens_a_text() -> None:
    sentences = [
        "The graph has a state.",
        "Nodes change the state.",
        "Cats are nice.",
        "The state of the graph is kept.",
    ]
    request = f"Summarize this: {' '.join(sentences)} It rained all day long in some far away place that nobody knows."
    assert (
        await delegate(WRITER, "Write it", request)
        == "The graph has a state. Nodes change the state. The state of the graph is kept."
    )


@pytest.mark.parametrize(
    ("request_", "part"),
    [
        ("Write a short story about autumn", "# Autumn\n\nThis is a story about autumn"),
        ("Write a story", "# A story"),
        ("Write a poem", "A question comes"),
        ("Write a letter to {my} aunt", "“Write a letter to {my} aunt”"),
        ("Draft an email to Bob about the meeting", "Subject: the meeting"),
        ("Write a novel", "I have no findings on “novel” to write from"),
    ],
)
async def test_without_findings_the_writer_says_what_it_is(request_: str, part: str) -> None:
    text = await delegate(WRITER, "Write it", request_)
    assert part in text
    assert "LLM_MODEL" in text
