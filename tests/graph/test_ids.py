"""Ids: bare ones, those of a client's calls, and the names of a conversation."""

from __future__ import annotations

import pytest

from graph.ids import call_id, conversation_id, is_bare, is_untold, new_id, run_of_call, untold_call


def test_a_new_id_is_bare_and_its_own() -> None:
    ids = {new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(is_bare(id) for id in ids)


@pytest.mark.parametrize("text", ["", "abc", "x" * 23, "x" * 25, "é" * 24, "x" * 23 + "-", "x" * 24 + "\n", "٣" * 24])
def test_other_texts_are_not_bare(text: str) -> None:
    assert not is_bare(text)


def test_a_call_names_its_run() -> None:
    run_id = new_id()
    for fence, number in [(1, 1), (12, 345), (99999, 9999)]:
        id = call_id(run_id, fence, number)
        assert len(id) <= 40
        assert run_of_call(id) == run_id
        assert not is_untold(id)
        untold = call_id(run_id, fence, number, told=False)
        assert (run_of_call(untold), is_untold(untold), len(untold)) == (run_id, True, len(id))


def test_a_call_without_an_id_gets_one_that_names_no_run() -> None:
    id = untold_call("weather" * 9, 12)
    assert (run_of_call(id), is_untold(id), len(id)) == (None, True, 40)


@pytest.mark.parametrize(
    "id", ["", "call_1", f"call_{'x' * 24}", f"call_{'x' * 24}_1", f"call_{'x' * 24}_1_2_3", f"call_{'x' * 24}_1_٣"]
)
def test_other_ids_name_none(id: str) -> None:
    assert run_of_call(id) is None


@pytest.mark.parametrize(
    ("name", "id"),
    [
        ("thread_abc", "abc"),
        ("conv_abc", "abc"),
        ("abc", "abc"),
        ("thread_conv_abc", "conv_abc"),
        ("my chat", "my chat"),
    ],
)
def test_a_conversation_is_named_with_or_without_a_prefix(name: str, id: str) -> None:
    assert conversation_id(name) == id
