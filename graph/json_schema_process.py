"""A JSON schema, and a document against it, looked at in a process that may die of them. Started by `graph.json_schema`.

Reads one JSON object from standard input: `schema`, `document` (as text; null: look at the schema alone), `regex_size`.
Writes two lines: `{"fault", "fits"}`, and the first mistakes as a list. Where only the first comes, the mistakes were too
much.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import jsonschema_rs

_SECONDS = 1
_MEMORY = 512 * 2**20
_MISTAKES = 3
_LENGTH = 300
_BACKTRACKS = 1_000_000


def main() -> None:
    _limit()
    asked = json.load(sys.stdin)
    options = jsonschema_rs.FancyRegexOptions(
        backtrack_limit=_BACKTRACKS, size_limit=asked["regex_size"], dfa_size_limit=asked["regex_size"]
    )
    try:
        validator = jsonschema_rs.validator_for(
            asked["schema"], validate_formats=False, pattern_options=options, offline=True
        )
    except jsonschema_rs.ValidationError as error:
        return _write({"fault": _sentence(error), "fits": False}, [])
    except ValueError as error:
        return _write({"fault": f"{error}."[:_LENGTH], "fits": False}, [])
    document = json.loads(asked["document"] or "null")  # null: shows whether anything can be checked by it
    fits = validator.is_valid(document)
    _write({"fault": None, "fits": fits})
    if asked["document"] and not fits:
        _write(_mistakes(validator, document))
    return None


def _limit() -> None:
    """Where the system can: so much CPU and memory, and no core is dumped."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


def _mistakes(validator: jsonschema_rs.Validator, document: Any) -> list[str]:
    found = validator.iter_errors(document)
    return [_sentence(error) for error, _ in zip(found, range(_MISTAKES), strict=False)]


def _sentence(error: jsonschema_rs.ValidationError) -> str:
    place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.instance_path)
    said = error.message  # begins with the document, or a part of it
    message = said if len(said) <= _LENGTH else f"{said[: _LENGTH // 2]} ... {said[-_LENGTH // 2 :]}"
    return f"{place.removeprefix('.')}: {message}." if place else f"{message}."


def _write(*lines: Any) -> None:
    for line in lines:
        print(json.dumps(line), flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
