"""Whose packages these are."""

from __future__ import annotations

import gc

import pytest

from servers.imports import NamesTaken, check_names, refuse_foreign, without_collections


def test_here_they_are_ours() -> None:
    check_names()


@pytest.mark.parametrize("owners", [{}, {"agents": ["cortex-flow"]}, {"agents": ["Cortex_Flow"], "other": ["x"]}])
def test_ours(owners: dict[str, list[str]]) -> None:
    refuse_foreign(owners)


@pytest.mark.parametrize("room", ["agents", "graph", "servers"])
def test_somebody_elses(room: str) -> None:
    with pytest.raises(NamesTaken) as caught:
        refuse_foreign({room: ["cortex-flow", "openai-agents"]})
    message = str(caught.value)
    assert "openai-agents" in message
    assert repr(room) in message
    assert "\n" not in message


def test_garbage_is_collected_again() -> None:
    with without_collections():
        assert not gc.isenabled()
        with without_collections():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
