"""What the graph's nodes know of the run they work for, handed to them as LangGraph's runtime context."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agents.agent import Agent
from agents.crew import Crew
from agents.models.port import Message, Model, Part, TextPart
from agents.tools.file_search import FILE_SEARCH
from agents.tools.port import Interpreter, Library, RunFiles, Tool, ToolContext
from agents.tools.python import NAME as PYTHON
from agents.tools.python import with_files
from agents.tools.search import SEARCH
from graph import events as ev
from graph.answer_format import AnswerFormats
from graph.citations import Citations
from graph.ids import call_id
from graph.interpreter.links import Links
from graph.items import CallKind
from graph.request import RunRequest
from graph.table import Entry
from graph.tokens import Tokenizer


class ModelSource(Protocol):
    """Where the models come from. Raises `ModelError` for a model that can't be opened."""

    def for_agent(self, agent: str, override: str | None) -> Model: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """`max_iterations`: the supervisor's turn with that number has no tools. `agent_timeout` in seconds."""

    max_iterations: int = 8
    agent_timeout: float = 120


@dataclass(slots=True)
class Context:
    """One leg of a run. `emit` tells live events; `record` makes durable ones part of the journal, then tells them.

    `prompt` is what the entry agent reads before its own turns: its system message first. `system_text` is what the
    client's application told us to be. `code_files` says which files programs find.
    """

    run_id: str
    fence: int
    request: RunRequest
    models: ModelSource
    tokenizer: Tokenizer
    library: Library
    crew: Crew
    limits: Limits
    citations: Citations
    links: Links
    formats: AnswerFormats
    emit: Callable[[ev.Live], None]
    record: Callable[..., Awaitable[None]]
    prompt: Sequence[Message] = ()
    system_text: str = ""
    table: Mapping[str, Entry] = field(default_factory=dict)
    inserted: Sequence[tuple[int, Message]] = ()
    answer_tokens: int = 0
    files: RunFiles | None = None
    interpreter: Interpreter | None = None
    code_files: str = ""
    _minted: int = field(default=0)

    @property
    def entry(self) -> Agent:
        """The agent that speaks first."""
        return self.crew.speaker(self.request.agent)

    @property
    def kinds(self) -> dict[str, CallKind]:
        return {name: entry.kind for name, entry in self.table.items()}

    @property
    def user_text(self) -> str:
        """The newest words of the user."""
        return self._newest.text

    @property
    def attached(self) -> tuple[Part, ...]:
        """The images and files that came with them."""
        content = self._newest.content
        return () if isinstance(content, str) else tuple(part for part in content if not isinstance(part, TextPart))

    @property
    def _newest(self) -> Message:
        return next((message for message in reversed(self.prompt) if message.role == "user"), Message("user"))

    def model(self, agent: str) -> Model:
        return self.models.for_agent(agent, self.request.model)

    def mint(self) -> str:
        """A fresh call id of this run."""
        self._minted += 1
        return call_id(self.run_id, self.fence, self._minted, told=not self.request.calls_by_name)

    def tools_of(self, agent: Agent) -> dict[str, Tool]:
        """An agent's tools: who looks things up looks them up in the run's files too."""
        own = self.crew.tools_of(agent)
        if self.runs_programs(agent):
            own[PYTHON] = self.python()
        searches = self.files is not None and SEARCH.spec.name in own
        return {FILE_SEARCH.spec.name: FILE_SEARCH, **own} if searches else own

    def runs_programs(self, agent: Agent) -> bool:
        """Whether an agent has our tool for that, and not one of the operator's."""
        return PYTHON in agent.tools and PYTHON in self.crew.tools and PYTHON not in self.crew.registered

    def python(self) -> Tool:
        """The tool that runs programs, telling which files they find."""
        return with_files(self.crew.tools[PYTHON], self.code_files)

    def tool_context(self) -> ToolContext:
        return ToolContext(
            self.request.tenant,
            self.library,
            self.citations.cite,
            self.request.search,
            self.files,
            self.interpreter,
        )
