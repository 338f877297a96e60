"""What is said of a store whose schema is not today's."""

from __future__ import annotations

from graph.storage.port import StorageError


def refuse_newer(where: str, found: int, today: int, otherwise: str) -> None:
    """Raise `StorageError` for a schema that this version does not know. `otherwise` is what to do if not upgrade."""
    if found > today:
        raise StorageError(
            f"{where} was written by a newer Cortex Flow (schema {found}, this one knows {today}): "
            f"upgrade Cortex Flow, or {otherwise}"
        )


def refuse_older(where: str, found: int, today: int) -> None:
    """Raise `StorageError` for a schema that has to be migrated."""
    if found < today:
        raise StorageError(
            f"{where} was written by an older Cortex Flow (schema {found}, this one needs {today}): "
            "stop every process that uses it and run `cortex-flow migrate`"
        )
