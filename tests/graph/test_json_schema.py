"""Schemas of clients, some of them written to do harm: each is decided on, in little time."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from graph.json_schema import Schemas

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
TREE = {
    "type": "object",
    "properties": {"value": {"type": "string"}, "kids": {"type": "array", "items": {"$ref": "#"}}},
    "required": ["value"],
}


def doubling(times: int, word: str = "anyOf") -> dict[str, Any]:
    """A schema whose work doubles with each of its definitions."""
    kinds: dict[str, Any] = {"a0": {"type": "string"}}
    for number in range(1, times + 1):
        kinds[f"a{number}"] = {word: [{"$ref": f"#/$defs/a{number - 1}"}] * 2}
    return {"$ref": f"#/$defs/a{times}", "$defs": kinds}


async def mistake(schema: dict[str, Any], document: Any) -> str | None:
    schemas = Schemas()
    assert await schemas.fault(schema) is None
    return await schemas.mistake(schema, orjson.dumps(document).decode(), document)


@pytest.mark.parametrize(
    ("schema", "document"),
    [
        (PERSON, {"name": "Ada", "age": 36}),
        (TREE, {"value": "a", "kids": [{"value": "b", "kids": []}]}),
        ({"type": "string", "pattern": "^(?!0)[0-9]+$"}, "12"),
        ({"type": "string", "format": "date"}, "some day"),
        ({"$defs": {"p": PERSON}, "type": "array", "items": {"$ref": "#/$defs/p"}}, [{"name": "Ada", "age": 36}]),
        ({}, 1),
    ],
    ids=["plain", "recursive", "look-around", "formats are not asserted", "definitions", "anything"],
)
async def test_a_document_that_follows_its_schema(schema: dict[str, Any], document: Any) -> None:
    assert await mistake(schema, document) is None


@pytest.mark.parametrize(
    ("schema", "document", "said"),
    [
        (PERSON, {"name": "Ada", "age": "old"}, 'age: "old" is not of type "integer"'),
        (PERSON, {"name": "Ada"}, '"age" is a required property'),
        (TREE, {"value": "a", "kids": [{"value": 1}]}, 'kids[0].value: 1 is not of type "string"'),
        ({"pattern": "^(a+)+$"}, "a" * 5000 + "!", "does not match"),
    ],
)
async def test_what_is_wrong_is_told(schema: dict[str, Any], document: Any, said: str) -> None:
    assert said in str(await mistake(schema, document))


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "objekt"}, '"objekt"'),
        ({"$ref": "#/$defs/nobody"}, "nobody"),
        ({"$ref": "http://127.0.0.1:9/schema.json"}, "Retrieval is disabled"),
        ({"$ref": "file:///etc/passwd"}, "Retrieval is disabled"),
        ({"$schema": "http://127.0.0.1:9/draft"}, "Unknown meta-schema"),
        ({"pattern": "("}, "regex"),
        ({"pattern": "(a{1000}){1000}"}, "regex"),
        ({"description": "x" * 300_000}, "the maximum is"),
        (doubling(60), "too much time or memory"),
    ],
)
async def test_a_schema_that_is_of_no_use(schema: dict[str, Any], said: str) -> None:
    assert said in str(await Schemas().fault(schema))


async def test_a_document_whose_mistakes_would_fill_the_memory() -> None:
    assert await mistake(doubling(22), 1) == "It does not follow the JSON schema."


@pytest.mark.parametrize("depth", [300, 1000])
async def test_a_document_that_is_nested_deep(depth: int) -> None:
    text = '{"kids":[' * depth + "]}" * depth
    said = await Schemas().mistake({"properties": {"kids": {"items": {"$ref": "#"}}}}, text, None)
    assert said is None or "intricate" in said


@pytest.mark.parametrize("schema", [{"$ref": "#"}, {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}])
async def test_a_schema_that_goes_round_in_circles(schema: dict[str, Any]) -> None:
    assert await mistake(schema, {"a": 1}) is None
