"""What a dialect asks of the engine: one value, the same for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from agents.models.port import Message, Params, ToolSpec
from agents.tools.port import SearchOptions

Dialect = Literal["chat", "assistants", "responses"]
History = Literal["auto", "full", "append"]


@dataclass(frozen=True, slots=True)
class FileSearch:
    """The vector stores whose files a run may search, by their bare ids; how many passages a search brings (None = as many
    as suit the window), and the score that they must have."""

    stores: tuple[str, ...]
    limit: int | None = None
    least: float = 0.0


@dataclass(frozen=True, slots=True)
class CodeFile:
    """A file for a run's programs: its bare id, what its client calls it, and its bytes."""

    id: str
    name: str
    size: int = 0


@dataclass(frozen=True, slots=True)
class CodeInterpreter:
    """A run's entry agent may run programs itself; they find these files. `gone` are ids that name none any more."""

    files: tuple[CodeFile, ...] = ()
    gone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A run to start.

    - `conversation`: the name the client uses (`thread_...`, `conv_...`, a bare id, or any string of its own); None = new.
    - `messages`: what came with the request; system messages among them hold for this run alone.
    - `history`: `auto` compares `messages` with the stored conversation, `full` says that they are all of it, `append`
      that they are new.
    - `agent`: who speaks first: `supervisor`, or an agent that works alone. `model`: None = the configured ones.
    - `label`: the model's name as the client wrote it; it is echoed, never interpreted.
    - `params`: sampling of the calls that produce the answer. `max_tokens` and `stop` in it are kept on the answer itself.
    - `search`: what it wants of web searches, where this service has one.
    - `files`: what it may search of the client's files; None = nothing.
    - `interpreter`: its entry agent runs programs too, which find these files; None = agents that can run programs do.
    - `calls_by_name`: the client knows a call by its function's name, as OpenAI's first clients did: one at a time, no id.
    - `tools`: the client's; `watched`: somebody reads the answer as it is produced; `progress`: the agents' work too.
    - `max_prompt_tokens`: of all turns of the entry agent together, counted without what is ours in them (the team's own
      instructions and tools); the run ends `incomplete` where the next turn would have more.
    - `last_messages`: how many messages of the conversation a turn reads at most.
    - `assistant_id`, `echo`: what the dialect wants back with the run. Kept, never interpreted.
    - `durable`: written before `start` returns, and brought to an end whatever happens to the process.
    - `timeout`: seconds until the run expires; None = the engine's default.
    - `run_id`: the id of the run that it makes, where that was chosen before.
    """

    tenant: str
    messages: tuple[Message, ...]
    dialect: Dialect = "chat"
    conversation: str | None = None
    history: History = "auto"
    agent: str = "supervisor"
    model: str | None = None
    label: str = ""
    instructions: str | None = None
    tools: tuple[ToolSpec, ...] = ()
    calls_by_name: bool = False
    params: Params = field(default_factory=Params)
    watched: bool = False
    progress: bool = False
    durable: bool = False
    timeout: float | None = None
    max_prompt_tokens: int | None = None
    last_messages: int | None = None
    assistant_id: str | None = None
    echo: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    search: SearchOptions = field(default_factory=SearchOptions)
    files: FileSearch | None = None
    run_id: str | None = None
    interpreter: CodeInterpreter | None = None
