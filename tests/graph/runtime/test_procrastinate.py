"""What is procrastinate's own."""

from __future__ import annotations

import logging

import pytest
from procrastinate import exceptions
from procrastinate.jobs import Job, Status
from procrastinate.testing import InMemoryConnector

from graph.runtime.procrastinate import Manager


class Away(InMemoryConnector):
    async def execute_query_async(self, query: str, **arguments: object) -> None:
        raise exceptions.ConnectorException("the database is away")


async def test_a_job_that_ends_while_the_database_is_away_takes_nobody_by_surprise(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """procrastinate writes the end in a task that nobody waits for."""
    job = Job(id=1, queue="cortex-flow", lock=None, queueing_lock=None, task_name="job")
    with caplog.at_level(logging.WARNING):
        await Manager(Away()).finish_job(job, Status.SUCCEEDED, delete_job=True)
    assert "the end of a job could not be written: the database is away" in caplog.text
