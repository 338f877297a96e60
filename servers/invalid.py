"""The first thing wrong with a body, in one clear sentence and with the path of the field, as OpenAI tells it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from servers.errors import BadRequest
from servers.imports import without_collections

Body = TypeVar("Body", bound=BaseModel)

_WANTED = {
    "string_type": "a string",
    "bool_type": "a boolean",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "finite_number": "a finite number",
    "list_type": "an array",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
}
_LIMITS = {
    "greater_than": "below_min_value",
    "greater_than_equal": "below_min_value",
    "less_than": "above_max_value",
    "less_than_equal": "above_max_value",
}
_CODES = {
    "too_short": "empty_array",
    "too_long": "array_above_max_length",
    "string_too_short": "string_below_min_length",
    "string_too_long": "string_above_max_length",
}


def by_type(value: Any) -> str | None:
    """The tag of an object in a union that its `type` decides. Tags stand in the place of an error, where no client
    would understand them: they begin with `~`, and are taken out again. One may name several types, as `~and|or`; `~word`
    is no object."""
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)  # read, or written again
    return f"~{kind}" if isinstance(kind, str) else None


def validated(model: type[Body], body: Any) -> Body:
    """The body as a model. Raises `BadRequest` about the first thing that is wrong."""
    try:
        with without_collections():  # they were nine tenths of what a body of many small things took
            return model.model_validate(body)
    except ValidationError as error:
        raise complaint(error.errors(include_url=False)[0]) from None


def path(place: Sequence[int | str]) -> str:
    """`("messages", 0, "role")` as clients read it: `messages[0].role`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in place if not _is_tag(step))
    return "".join(steps).removeprefix(".")


def _is_tag(step: int | str) -> bool:
    """Whether a step is pydantic's own: a union's tag, or that a key is meant and not its value."""
    return isinstance(step, str) and (step.startswith("~") or step == "[key]")


def complaint(error: ErrorDetails) -> BadRequest:
    """What a client is told of one thing that is wrong."""
    kind, param = error["type"], path(error["loc"])
    named = repr(param) if param else "the body"
    if kind == "missing":
        return BadRequest(f"Missing required parameter: {named}.", param, "missing_required_parameter")
    if kind in _WANTED:
        got = _json_type(error["input"])
        return BadRequest(
            f"Invalid type for {named}: expected {_WANTED[kind]}, but got {got} instead.", param or None, "invalid_type"
        )
    if kind.startswith("union_tag"):
        return _unknown_type(error, param)
    return BadRequest(f"Invalid value for {named}: {_sentence(error)}", param, _code(error))


def _unknown_type(error: ErrorDetails, param: str) -> BadRequest:
    if not isinstance(error["input"], dict):
        got = _json_type(error["input"])
        return BadRequest(
            f"Invalid type for '{param}': expected an object, but got {got} instead.", param, "invalid_type"
        )
    param = f"{param}.type"
    if "type" not in error["input"]:
        return BadRequest(f"Missing required parameter: '{param}'.", param, "missing_required_parameter")
    kind = error["input"]["type"]
    if not isinstance(kind, str):
        got = _json_type(kind)
        return BadRequest(
            f"Invalid type for '{param}': expected a string, but got {got} instead.", param, "invalid_type"
        )
    return BadRequest(
        f"Invalid value for '{param}': {kind!r:.100}. Supported values are: {_types(error)}.", param, "invalid_value"
    )


def _types(error: ErrorDetails) -> str:
    """The types that an object may have, as its union's tags name them."""
    tags = re.findall(r"~([\w|-]+)", error.get("ctx", {}).get("expected_tags", ""))
    return ", ".join(f"'{kind}'" for tag in tags if tag != "word" for kind in tag.split("|"))


def _sentence(error: ErrorDetails) -> str:
    message = error["msg"].replace("Input", "it").replace("List", "it").replace("String", "it")
    return f"{message}."


def _code(error: ErrorDetails) -> str:
    limit = _LIMITS.get(error["type"])
    if limit is None:
        return _CODES.get(error["type"], "invalid_value")
    return f"{'decimal' if isinstance(error['input'], float) else 'integer'}_{limit}"


def _json_type(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "an object"
