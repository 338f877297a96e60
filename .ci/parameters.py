"""Write the table of chat parameters into the documentation: `uv run poe parameters`, and `--check` whether it is stale.

Each field of `ChatRequest` says in one sentence what it does, and whether it is honoured, a hint, or refused.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from servers.chat_completions.schema import ChatRequest

PAGE = Path(__file__).parent.parent / "docs" / "how-to" / "parameters.md"
BEGIN = "<!-- written by `uv run poe parameters` from servers/chat_completions/schema.py -->"
END = "<!-- end -->"


def main() -> None:
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    written = "\n".join([f"{before}{BEGIN}", "", *table(), "", f"{END}{rest.split(END)[1]}"])
    if written == page:
        return
    if "--check" in sys.argv:
        sys.exit("The table of parameters is stale: uv run poe parameters")
    PAGE.write_text(written, encoding="utf-8")


def table() -> Iterator[str]:
    """The table's lines, a parameter each, in the order of the fields."""
    yield "| parameter | | |"
    yield "|---|---|---|"
    for name, field in ChatRequest.model_fields.items():
        if not (field.description and isinstance(field.json_schema_extra, dict)):
            sys.exit(f"{name} does not say what it does: make it `honoured`, a `hint` or `refused`")
        yield f"| `{name}` | {field.json_schema_extra['kind']} | {field.description} |"


if __name__ == "__main__":
    main()
