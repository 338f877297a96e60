"""The agents' work as one text."""

from __future__ import annotations

from servers.chat_completions.progress import Progress


def test_one_speaker_at_a_time() -> None:
    progress = Progress()
    shown = [
        progress.started("1", "researcher", "tea"),
        progress.started("2", "analyst", "sums"),
        progress.said("2", "analyst", "1+1"),
        progress.said("1", "researcher", "Old."),
        progress.finished("2"),
        progress.finished("1"),
    ]
    assert shown == ["**researcher**\n\ntea\n\n", "", "", "Old.", "", "\n\n**analyst**\n\nsums\n\n1+1"]


def test_who_waited_goes_on_live() -> None:
    progress = Progress()
    progress.started("1", "researcher", "tea")
    progress.started("2", "analyst", "sums")
    assert progress.finished("1") == "\n\n**analyst**\n\nsums\n\n"
    assert progress.said("2", "analyst", "1+1") == "1+1"
    assert progress.finished("2") == ""


def test_everybody_is_heard_in_the_end() -> None:
    progress = Progress()
    progress.started("1", "researcher", "a")
    progress.started("2", "researcher", "b")
    progress.started("3", "researcher", "c")
    progress.finished("3")
    assert progress.finished("1") == "\n\n**researcher**\n\nb\n\n"
    assert progress.finished("2") == "\n\n**researcher**\n\nc\n\n"


def test_the_entry_agent_thinks_between() -> None:
    progress = Progress()
    assert progress.said("", "supervisor", "Hm") == "**supervisor**\n\nHm"
    assert progress.said("", "supervisor", "m.") == "m."
    assert progress.finished("") == ""
    assert progress.started("1", "writer", "poem") == "\n\n**writer**\n\npoem\n\n"


def test_the_end_of_somebody_who_never_spoke() -> None:
    assert Progress().finished("9") == ""
