"""The streams of the stories that every dialect tells, event by event: `thread.` is left out, `*3` is three in a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

TOLD: Final[Mapping[str, str]] = {
    "plain": """
        run.in_progress run.step.created run.step.in_progress message.created message.in_progress
        message.delta*3 message.completed run.step.completed run.completed
    """,
    "delegated": """
        run.in_progress run.step.created run.step.in_progress run.step.delta*3 run.step.completed
        run.step.created run.step.in_progress message.created message.in_progress message.delta*2
        message.completed run.step.completed run.completed
    """,
    "parallel": """
        run.in_progress run.step.created run.step.in_progress run.step.delta*2 run.step.created
        run.step.in_progress run.step.delta*3 run.step.completed run.step.delta run.step.failed
        run.step.created run.step.in_progress message.created message.in_progress message.delta
        message.completed run.step.completed run.completed
    """,
    "final writer": """
        run.in_progress run.step.created run.step.in_progress run.step.delta*2 run.step.created
        run.step.in_progress message.created message.in_progress message.delta*2 message.completed
        run.step.completed run.step.delta run.step.completed run.completed
    """,
    "client's calls": """
        run.in_progress run.step.created run.step.in_progress run.step.delta*5 run.requires_action
    """,
    "client's calls answered": """
        run.in_progress run.step.created run.step.in_progress run.step.delta*5 run.requires_action run.queued
        run.in_progress run.step.completed run.step.created run.step.in_progress message.created
        message.in_progress message.delta*2 message.completed run.step.completed run.completed
    """,
    "commentary and calls": """
        run.in_progress run.step.created run.step.in_progress message.created message.in_progress
        message.delta*2 message.completed run.step.created run.step.in_progress run.step.delta*2
        run.step.completed run.step.delta run.step.completed run.step.created run.step.in_progress
        message.created message.in_progress message.delta message.completed run.step.created
        run.step.in_progress run.step.delta*2 run.step.completed run.requires_action
    """,
    "cut short": """
        run.in_progress run.step.created run.step.in_progress message.created message.in_progress
        message.delta*2 message.completed run.step.completed run.incomplete
    """,
    "filtered": """
        run.in_progress run.step.created run.step.in_progress message.created message.in_progress
        message.delta message.completed run.step.completed run.incomplete
    """,
    "failed before the first token": """
        run.in_progress run.failed
    """,
    "failed after the first token": """
        run.in_progress run.step.created run.step.in_progress message.created message.in_progress
        message.delta message.incomplete run.step.failed run.failed
    """,
    "cancelled": """
        run.in_progress run.step.created run.step.in_progress message.created message.in_progress
        message.delta run.cancelling message.incomplete run.step.cancelled run.cancelled
    """,
    "expired": """
        run.in_progress run.expired
    """,
    "cited": """
        run.in_progress run.step.created run.step.in_progress message.created message.in_progress
        message.delta message.completed run.step.completed run.step.created run.step.in_progress
        message.created message.in_progress message.delta*2 message.completed run.step.completed run.completed
    """,
    "refused": """
        run.in_progress run.step.created run.step.in_progress message.created message.in_progress
        message.delta*2 message.completed run.step.completed run.completed
    """,
}
