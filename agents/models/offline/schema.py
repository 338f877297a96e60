"""Values for a JSON schema, taken from the words of a request: arguments of a tool, or an answer in a given form."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.models.offline.intent import topic
from agents.models.offline.lexicon import word_set
from agents.words import stems, words

Schema = Mapping[str, Any]

_DEPTH = 4  # what may be left out is left out below, and nothing is filled in below twice as much
_PLACES = 2_000  # the most values in all: a schema may refer to itself many times over
_LONGEST = 10_000
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
_EXAMPLES = {
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "date": "2000-01-01",
    "date-time": "2000-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "duration": "P1D",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uuid": "00000000-0000-4000-8000-000000000000",
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
    _places: int = _PLACES

    def object(self, schema: Schema, depth: int = 0) -> dict[str, Any]:
        """An object with what the schema requires, and what else the request speaks of."""
        properties = mapping(schema.get("properties"))
        required = _list(schema["required"]) if "required" in schema else list(properties)
        filled = {
            name: self.value(name, part, depth + 1)
            for name, part in properties.items()
            if name in required or self._spoken_of(part)
        }
        others = [name for name in required if isinstance(name, str) and name not in properties]
        return filled | {name: self.value(name, schema.get("additionalProperties"), depth + 1) for name in others}

    def value(self, name: str, schema: Any, depth: int = 0) -> Any:
        """A value of the schema's type; the name says which words of the request are meant."""
        self._places -= 1
        schema = self._resolved(schema, optional=depth >= _DEPTH)
        if "const" in schema:
            return schema["const"]
        if options := _list(schema.get("enum")):
            return next((option for option in options if _said(option, self.request)), options[0])
        match _type(schema):
            case "object":
                return self.object(schema, depth) if depth < 2 * _DEPTH and self._places > 0 else {}
            case "array":
                return self._array(name, schema, depth) if depth < 2 * _DEPTH and self._places > 0 else []
            case "integer":
                return self._number(schema, whole=True)
            case "number":
                return self._number(schema)
            case "boolean":
                return schema.get("default", True)
            case "null":
                return None
        return self._text(name, schema)

    def _array(self, name: str, schema: Schema, depth: int) -> list[Any]:
        """One thing, as far as the schema leaves the choice; where they must differ, they are numbered."""
        given = _list(schema.get("prefixItems"))
        least, most = _bound(schema, "minItems") or 0, _bound(schema, "maxItems")
        wanted = max(int(least), len(given), 1 if depth < _DEPTH and schema.get("items") is not False else 0)
        count = min(wanted, _PLACES if most is None else max(0, int(most)), max(0, self._places))
        parts = [*given, *[schema.get("items")] * (count - len(given))][:count]
        things = [self.value(name, part, depth + 1) for part in parts]
        return _distinct(things, schema.get("items")) if schema.get("uniqueItems") is True else things

    def _resolved(self, schema: Any, *, optional: bool = False) -> Schema:
        """The schema behind references and alternatives: the first that is not null; where it is `optional`, null."""
        for _ in range(_REFERENCES):
            schema = mapping(schema)
            schema = self._referred(str(schema["$ref"])) if "$ref" in schema else schema
            if whole := _list(schema.get("allOf")):
                schema = _merged([{**schema, "allOf": None}, *(self._resolved(part) for part in whole)])
            choices = _list(schema.get("anyOf")) or _list(schema.get("oneOf"))
            if not choices:
                break
            chosen = next((one for one in choices if (mapping(one).get("type") == "null") is optional), choices[0])
            schema = _merged([{**schema, "anyOf": None, "oneOf": None}, mapping(chosen)])
        return mapping(schema)

    def _referred(self, reference: str) -> Schema:
        found: Any = self.root
        for key in reference.removeprefix("#").strip("/").split("/"):
            found = mapping(found).get(key)
        return mapping(found)

    def _spoken_of(self, schema: Any) -> bool:
        return any(_said(option, self.request) for option in _list(self._resolved(schema).get("enum")))

    def _number(self, schema: Schema, *, whole: bool = False) -> float:
        if self._numbers is None:
            found = _NUMBER.findall(self.request.replace(",", " "))
            self._numbers = [float(number) if "." in number else int(number) for number in found]
        least, most = _least(schema), _most(schema)
        default = _bound(schema, "default")
        number = self._numbers.pop(0) if self._numbers else next((n for n in (default, least) if n is not None), 1)
        number = number if least is None else max(number, least)
        number = number if most is None else min(number, most)
        step = _bound(schema, "multipleOf") or (1 if whole else 0)
        if step > 0:
            number = step * (-(-number // step) if least is not None else number // step)
        return int(number) if whole and abs(number) < 2**63 else number

    def _text(self, name: str, schema: Schema) -> str:
        text = self._words(name, schema)
        least, most = (min(int(_bound(schema, key) or 0), _LONGEST) for key in ("minLength", "maxLength"))
        return text.ljust(least, ".")[: most or None]

    def _words(self, name: str, schema: Schema) -> str:
        form = str(schema.get("format"))
        if self.answer is not None:
            shape = _SHAPES.get(form)
            found = shape.search(self.request) if shape else None
            return found.group() if found else _EXAMPLES.get(form, self.answer)
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


def _merged(schemas: Sequence[Schema]) -> Schema:
    """Schemas that all hold, as one."""
    merged: dict[str, Any] = {}
    for schema in schemas:
        properties = {**mapping(merged.get("properties")), **mapping(schema.get("properties"))}
        required = [*_list(merged.get("required")), *_list(schema.get("required"))]
        merged |= {key: value for key, value in schema.items() if value is not None}
        merged |= {"properties": properties} if properties else {}
        merged |= {"required": required} if "required" in merged else {}
    return merged


def _distinct(things: list[Any], schema: Any) -> list[Any]:
    """Things that differ: values of an enumeration, else numbers that go up, texts that are numbered."""
    if options := _list(mapping(schema).get("enum")):
        return options[: len(things)]
    return [thing if number == 0 else _other(thing, number) for number, thing in enumerate(things)]


def _other(thing: Any, number: int) -> Any:
    if isinstance(thing, str):
        return f"{thing} {number + 1}"
    return thing + number if isinstance(thing, int | float) and not isinstance(thing, bool) else thing


def _least(schema: Schema) -> float | None:
    least, beyond = _bound(schema, "minimum"), _bound(schema, "exclusiveMinimum")
    return least if beyond is None else max(beyond + 1, least if least is not None else beyond)


def _most(schema: Schema) -> float | None:
    most, below = _bound(schema, "maximum"), _bound(schema, "exclusiveMaximum")
    return most if below is None else min(below - 1, most if most is not None else below)


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
    kind = schema.get("type", "object" if "properties" in schema else "array" if "items" in schema else "string")
    return str(next((one for one in kind if one != "null"), "null") if isinstance(kind, list) else kind)


def _bound(schema: Schema, key: str) -> float | None:
    value = schema.get(key)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
