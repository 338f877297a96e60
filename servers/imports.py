"""Heavy imports, made light: without garbage collections in between, and only of packages that are really ours."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from servers.version import DISTRIBUTION

ROOMS = ("agents", "graph", "servers")


class NamesTaken(Exception):
    """Another distribution brings a package of one of our names. The message is one line and says what to do."""


@contextmanager
def without_collections() -> Iterator[None]:
    """For what makes many objects and no garbage, and never waits: looking for it costs a sixth of the time of imports, and
    nine tenths of that of reading a body with half a million small things in it."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def check_names() -> None:
    """Raise `NamesTaken` where an installed distribution besides ours owns `agents`, `graph` or `servers`. Reads the
    metadata of everything installed, which takes 0.1 s and more."""
    from importlib.metadata import packages_distributions

    refuse_foreign(packages_distributions())


def refuse_foreign(owners: Mapping[str, Iterable[str]]) -> None:
    """Raise `NamesTaken` where one of our packages has an owner besides us."""
    for room in ROOMS:
        foreign = sorted({owner for owner in owners.get(room, ()) if _normal(owner) != DISTRIBUTION})
        if foreign:
            raise NamesTaken(
                f"The package {room!r} is also installed by {', '.join(foreign)}, and Python can hold only one of that "
                f"name. Uninstall it, or give Cortex Flow an environment of its own."
            )


def _normal(name: str) -> str:
    return name.lower().replace("_", "-")
