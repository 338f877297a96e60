"""Values for a JSON schema, taken from the words of a request: arguments of a tool, or an answer in a given form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agents.models.offline.intent import topic
from agents.models.offline.lexicon import word_set
from agents.models.offline.quoting import stems
from agents.words import words

Schema = Mapping[str, Any]

_DEPTH = 4
_REFERENCES = 8
_NUMBER = re.compile(r"(?<![\w.])-?\d{1,15}(?:\.\d{1,15})?(?![\w.]?\w)")
_WHOLE = word_set("answer content input message prompt q query question request search task text topic")
_PROPER = r"[A-ZÀ-Þ][\w'’.-]*(?:\s+[A-ZÀ-Þ][\w'’.-]*)*"
_AFTER = re.compile(rf"\b(?:in|at|for|from|to|near|of|about|with|di|da|per|für|nach|von|aus)\s+(?:the\s+)?({_PROPER})")
_AND = re.compile(rf"(?:\s*,\s*(?:and\s+)?|\s+(?:and|or|e|und)\s+)({_PROPER})")
_DIRECTIONS = {"from": "from origin source start departure sender", "to": "to destination target end arrival recipient"}
_SHAPES = {
    "email": re.compile(r"[\w.+-]{1,64}@[\w-]{1,64}\.[\w.-]{0,64}\w"),
    "url": re.compile(r"https?://\S+"),
    "uri": re.compile(r"https?://\S+"),
    "date": re.compile(r"\d{4}-\d\d-\d\d"),
}


def mapping(value: Any) -> Schema:
    """The value if it is an object; an empty one for whatever else a client sends in its place."""
    return value if isinstance(value, Mapping) else {}


@dataclass(slots=True)
class Filler:
    """Fills schemas from a request. With an `answer`, texts are the answer instead of words of the request.

    A schema comes from a client: what makes no sense in it is passed over.
    """

    request: str
    answer: str | None = None
    root: Schema = field(default_factory=dict)
    _numbers: list[float] | None = None

    def object(self, schema: Schema, depth: int = 0) -> dict[str, Any]:
        """An object with what the schema requires, and what else the request speaks of."""
        properties = mapping(schema.get("properties"))
        required = _list(schema["required"]) if "required" in schema else list(properties)
        return {
            name: self.value(name, part, depth + 1)
            for name, part in properties.items()
            if name in required or self._spoken_of(part)
        }

    def value(self, name: str, schema: Any, depth: int = 0) -> Any:
        """A value of the schema's type; the name says which words of the request are meant."""
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if options := _list(schema.get("enum")):
            return next((option for option in options if _said(option, self.request)), options[0])
        match _type(schema):
            case "object":
                return self.object(schema, depth) if depth < _DEPTH else {}
            case "array":
                return [self.value(name, schema.get("items"), depth + 1)] if depth < _DEPTH else []
            case "integer":
                return int(self._number(schema))
            case "number":
                return self._number(schema)
            case "boolean":
                return schema.get("default", True)
            case "null":
                return None
        return self._text(name, schema)

    def _resolved(self, schema: Any) -> Schema:
        """The schema behind references and alternatives: the first that is not null."""
        for _ in range(_REFERENCES):
            schema = mapping(schema)
            schema = self._referred(str(schema["$ref"])) if "$ref" in schema else schema
            choices = _list(schema.get("anyOf")) or _list(schema.get("oneOf")) or _list(schema.get("allOf"))
            if not choices:
                break
            schema = next((choice for choice in choices if mapping(choice).get("type") != "null"), {})
        return mapping(schema)

    def _referred(self, reference: str) -> Schema:
        found: Any = self.root
        for key in reference.removeprefix("#").strip("/").split("/"):
            found = mapping(found).get(key)
        return mapping(found)

    def _spoken_of(self, schema: Any) -> bool:
        return any(_said(option, self.request) for option in _list(self._resolved(schema).get("enum")))

    def _number(self, schema: Schema) -> float:
        if self._numbers is None:
            found = _NUMBER.findall(self.request.replace(",", " "))
            self._numbers = [float(number) if "." in number else int(number) for number in found]
        least, most = (_bound(schema, key) for key in ("minimum", "maximum"))
        default = _bound(schema, "default")
        number = self._numbers.pop(0) if self._numbers else next((n for n in (default, least) if n is not None), 1)
        number = number if least is None else max(number, least)
        return number if most is None else min(number, most)

    def _text(self, name: str, schema: Schema) -> str:
        if self.answer is not None:
            return self.answer
        said = set(words(name.replace("_", " ")))
        shape = next((_SHAPES[key] for key in (*sorted(said), str(schema.get("format"))) if key in _SHAPES), None)
        match = shape.search(self.request) if shape else None
        if match:
            return match.group()
        if said & _WHOLE:
            return self.request
        return (
            _directed(said, self.request) or next(iter(names(self.request)), "") or topic(self.request) or self.request
        )


def names(text: str) -> list[str]:
    """The proper names of a text: after a preposition and those joined to them, else any but a sentence's first word."""
    found: list[str] = []
    for match in _AFTER.finditer(text):
        found.append(match.group(1))
        end = match.end()
        while joined := _AND.match(text, end):
            found.append(joined.group(1))
            end = joined.end()
    anywhere = re.findall(rf"(?<=[^.!?\s])\s+({_PROPER})", text)
    return list(dict.fromkeys(name.rstrip(".'’-") for name in found or anywhere))


def _directed(said: set[str], text: str) -> str:
    for preposition, meanings in _DIRECTIONS.items():
        match = re.search(rf"\b{preposition}\s+({_PROPER})", text)
        if match and said & set(meanings.split()):
            return match.group(1).rstrip(".")
    return ""


def _said(option: Any, text: str) -> bool:
    wanted = stems(words(option.replace("_", " "))) if isinstance(option, str) else {}
    return bool(wanted) and all(stem in stems(words(text)) for stem in wanted)


def _type(schema: Schema) -> str:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    return str(next((one for one in kind if one != "null"), "null") if isinstance(kind, list) else kind)


def _bound(schema: Schema, key: str) -> float | None:
    value = schema.get(key)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
