"""`response_format`, kept: whether an answer is the JSON that was asked for, and what to say where it is not.

Holds for the text that ends a run, whoever writes it. Texts that a limit has cut, and refusals, are what they are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from agents.models.json_format import Format, schema_of, wish
from agents.models.port import Message
from graph.errors import InvalidRequest
from graph.json_schema import Schemas

_FENCED = re.compile(r"```[a-zA-Z]{0,16}[ \t\r]*\n(.*)\n?[ \t]*```", re.S)
_PARAM = "response_format.json_schema.schema"


@dataclass(frozen=True, slots=True)
class Fitting:
    """An answer's `text` without what stands around its JSON, and the `mistake` in it; None = it is as asked for."""

    text: str
    mistake: str | None = None


class AnswerFormats:
    """Keeps the formats that requests ask for. Belongs to one event loop, which it never holds up."""

    def __init__(self) -> None:
        self._schemas = Schemas()

    async def check(self, wanted: Format) -> None:
        """Raises `InvalidRequest` for a schema that nobody could follow."""
        schema = schema_of(wanted)
        if schema is not None and (fault := await self._schemas.fault(schema)) is not None:
            raise InvalidRequest(f"Invalid schema for response_format: {fault}", _PARAM, "invalid_value")

    async def fit(self, wanted: Format, text: str) -> Fitting:
        """How a text fits the format."""
        text = _peeled(text)
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            return Fitting(text, f"It is no JSON: {error}.")
        schema = schema_of(wanted)
        if schema is None:
            return Fitting(text, None if isinstance(value, dict) else "It is JSON, but no object.")
        return Fitting(text, await self._schemas.mistake(schema, text, value))


def correction(wanted: Format, text: str, mistake: str) -> Sequence[Message]:
    """What the model is told when it is asked once more."""
    asked = (
        f"That answer does not have the form it must have. {mistake}\n\nWrite the whole answer again. {wish(wanted)}"
    )
    return [Message("assistant", text), Message("user", asked)]


def refusal(mistake: str) -> str:
    """What the client reads when the second answer is wrong too."""
    return f"The model did not bring its answer into the requested JSON format, and was asked twice. {mistake}"


def _peeled(text: str) -> str:
    """The text without the code fence around it."""
    text = text.strip()
    fenced = _FENCED.fullmatch(text) if text.startswith("```") and text.endswith("```") else None
    return fenced[1].strip() if fenced else text
