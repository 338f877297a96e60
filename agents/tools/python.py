"""The `python` tool: a program of the model's, run in a sandbox."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from agents.models.port import ToolSpec
from agents.tools.port import Made, Tool, ToolContext, ToolOutput
from agents.tools.sandbox.monty import MONTY
from agents.tools.sandbox.port import DATA, Ran, Sandbox

NAME: Final = "python"
NAMES: Final = (NAME, f"team_{NAME}")
"""What it is called: the second where a tool of the client's has the first."""
CODE_CHARACTERS: Final = 100_000
_PURPOSE: Final = "Runs a Python program and returns what it prints, then the value of its last expression."
_AFRESH: Final = (
    "(This program began afresh: the names that earlier programs had defined were lost. Their files are still there.)"
)
_FILES: Final = f"\nFiles that are there, under {DATA}: "


def python_tool(sandbox: Sandbox) -> Tool:
    """The tool whose programs a sandbox runs: in the session of a run where there is one, else each by itself."""

    async def run(arguments: Mapping[str, Any], context: ToolContext) -> ToolOutput:
        """Run `code` and report what came of it. Cancelling it ends the program at once."""
        code = arguments.get("code")
        if not isinstance(code, str) or not code.strip():
            return ToolOutput("The argument `code` must be a Python program, as a string.", "error")
        if len(code) > CODE_CHARACTERS:
            return ToolOutput(f"The program is longer than {CODE_CHARACTERS} characters.", "error")
        if context.interpreter is not None:
            return await context.interpreter.run(code)
        return await _run_alone(sandbox, code)

    return Tool(_spec(sandbox.guide), run)


def with_files(tool: Tool, names: str) -> Tool:
    """The tool, telling which files its programs find."""
    description = f"{tool.spec.description}{_FILES}{names}"
    return replace(tool, spec=replace(tool.spec, description=description)) if names else tool


def is_ours(spec: ToolSpec) -> bool:
    """Whether this is our tool, and not one of the client's that is called alike."""
    return (spec.description or "").startswith(_PURPOSE)


def files_told(description: str) -> str:
    """What `with_files` has told."""
    return description.partition(_FILES)[2]


def _spec(guide: str) -> ToolSpec:
    return ToolSpec(
        NAME,
        f"{_PURPOSE} Later programs find the names and files of earlier ones. Files written directly under "
        f"{DATA} are kept for the user: link to them in the answer as sandbox:{DATA}/NAME. {guide}",
        {
            "type": "object",
            "properties": {"code": {"type": "string", "description": "The whole program."}},
            "required": ["code"],
            "additionalProperties": False,
        },
    )


def output_of(ran: Ran, made: Sequence[Made] = (), notes: Sequence[str] = (), *, afresh: bool = False) -> ToolOutput:
    """What a program has brought, as a model reads it: with the links to the files that are kept for the user, and what
    else there is to know. Lines that are not the program's own stand in brackets."""
    links = ", ".join(f"sandbox:{DATA}/{each.name}" for each in made)
    lines = [
        _AFRESH if afresh or ran.afresh else "",
        ran.text,
        *(f"({note})" for note in notes),
        f"(Kept for the user, to be linked to in the answer by these words: {links})" if links else "",
    ]
    return ToolOutput("\n".join(filter(None, lines)), ran.status, made=tuple(made))


async def _run_alone(sandbox: Sandbox, code: str) -> ToolOutput:
    own = Path(tempfile.gettempdir(), f"cortex-flow-{uuid4().hex}")
    session = await sandbox.open(own / "files")
    try:
        return output_of(await session.run(code))
    finally:
        await session.close()
        await asyncio.to_thread(shutil.rmtree, own, ignore_errors=True)


PYTHON = python_tool(MONTY)
