"""What the API answers, for callers within the process."""

from __future__ import annotations

from typing import Any


class WireObject(dict[str, Any]):
    """A JSON object as the API would send it. Its fields can be read as attributes too, as those of OpenAI's clients can;
    a field named like a method of dictionaries can't."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"There is no field {name!r}; there are: {', '.join(self)}.") from None


def as_objects(value: Any) -> Any:
    """Parsed JSON with its objects as `WireObject`s, all the way down."""
    match value:
        case dict():
            return WireObject({name: as_objects(each) for name, each in value.items()})
        case list():
            return [as_objects(each) for each in value]
        case _:
            return value
