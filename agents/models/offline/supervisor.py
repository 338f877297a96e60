"""The offline model as supervisor: what to hand to whom, and the answer put together from what came back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from agents.briefing import Finding
from agents.models.offline import client_tools
from agents.models.offline.analyst import computed, has_computed, program_for
from agents.models.offline.aside import aside
from agents.models.offline.intent import Plan, is_question, is_work, plan, topic, topic_words
from agents.models.offline.memory import noted, recall, recount
from agents.models.offline.prompt import Prompt
from agents.models.offline.reply import ABOUT, Reply, Say, Use, is_empty_handed
from agents.models.offline.researcher import FILE_SEARCH, SEARCH, found, retold, searched
from agents.models.offline.tables import files_of, meant, tool_of
from agents.models.offline.talk import talk
from agents.models.offline.writer import compose
from agents.models.port import Params, ToolSpec
from agents.supervisor import TRANSFER
from agents.tools.python import NAMES

_FAILED = re.compile(
    r"The \w+ (?:failed|took more than|took too long|got no task|had nothing to say)|There is no tool called"
)


def lead(prompt: Prompt, tools: Sequence[ToolSpec], params: Params) -> Reply:
    """Call who has to work; when all have reported, or nobody has to, answer."""
    transfers = _transfers(tools)
    code = tool_of(tools)
    client = [tool for tool in tools if tool.name not in (*transfers.values(), *FILE_SEARCH) and tool is not code]
    uses = client_tools.calls(prompt, client, params)
    if code and not uses and (program := _program(prompt, code)):
        return (Use(code.name, {"code": program}),)
    said = None if uses or prompt.done else at_once(prompt)
    if said is not None:
        return Say(said)
    uses = (*_delegations(prompt, _plan(prompt, client, uses), transfers, alone=not uses), *uses)
    return uses[: 1 if params.parallel_tool_calls is False else None] or Say(answer(prompt))


def at_once(prompt: Prompt) -> str | None:
    """The answer to what needs no work: plain talk, and what the conversation itself can answer."""
    if (said := aside(prompt) or talk(prompt.request)) is not None:
        return said
    if (said := recount(prompt.request, prompt.earlier)) is not None:
        return said
    return None if is_work(prompt.request) else recall(prompt.request, prompt.earlier)


def answer(prompt: Prompt) -> str:
    """The answer from everything that was done: never empty, marks kept, failures named."""
    findings = _findings(prompt)
    sections = [client_tools.told(done) for done in prompt.done if not _inside(done.name)]
    if plan(prompt.request).writing and not any(finding.agent == "writer" for finding in findings):
        sections.append(compose(prompt.request, findings))
    else:
        sections += [_section(finding, len(findings) > 1) for finding in findings]
        sections += [ABOUT] if findings and all(is_empty_handed(finding.text) for finding in findings) else []
    sections += [f"The {agent}'s part is missing. {text}" for agent, text in _failures(prompt)]
    return "\n\n".join(section for section in sections if section) or _unknown(prompt)


def _plan(prompt: Prompt, client: Sequence[ToolSpec], uses: Sequence[Use]) -> Plan:
    """What the request asks of the team. A question that a tool of the client's answers asks nothing of it, and what it has
    worked out itself is at most written down."""
    if has_computed(prompt):
        return Plan(writing=plan(prompt.request).writing)
    served = bool(uses) or any(prompt.used(tool.name) for tool in client)
    if served and not is_work(prompt.request):
        return Plan()
    return plan(prompt.request) or Plan(research=_points_back(prompt))


def _program(prompt: Prompt, code: ToolSpec) -> str | None:
    """What it works out itself, where it has the tool: figures of the request, and tables. Who has run a program knows."""
    files = files_of(code)
    if prompt.done or not (meant(prompt.request, files) or plan(prompt.request).own_figures):
        return None
    return program_for(prompt, files)


def _points_back(prompt: Prompt) -> bool:
    """Whether a question has no subject of its own, and the conversation has one: “Tell me more.”"""
    return is_question(prompt.request) and not topic_words(prompt.request) and _subject(prompt) != prompt.request


def _transfers(tools: Sequence[ToolSpec]) -> dict[str, str]:
    """The transfers by agent. Where a tool of the client's has the same name, ours has a longer one."""
    names = sorted((tool.name for tool in tools if TRANSFER in tool.name), key=len)
    return {_agent(name): name for name in names}


def _agent(name: str) -> str:
    return name.partition(TRANSFER)[2]


def _delegations(prompt: Prompt, asked: Plan, transfers: Mapping[str, str], alone: bool) -> Sequence[Use]:
    """Who has to work next. Nobody is asked twice; the writer comes last, by itself."""
    open_to = {agent for agent, name in transfers.items() if not prompt.used(name)}
    research = asked.research and "researcher" in open_to
    analysis = asked.analysis and "analyst" in open_to and (asked.own_figures or not research)
    now = [agent for agent, wanted in (("researcher", research), ("analyst", analysis)) if wanted]
    if now or not (alone and asked.writing and "writer" in open_to):
        return [Use(transfers[agent], {"task": _task(agent, prompt)}) for agent in now]
    return [Use(transfers["writer"], {"task": _task("writer", prompt), "final": True})]


def _task(agent: str, prompt: Prompt) -> str:
    if agent == "researcher":
        return f"Find facts about {_subject(prompt)}."
    if agent == "analyst":
        return f"Analyse what this asks for: {prompt.request}"
    return f"Write what this asks for, from the findings: {prompt.request}"


def _subject(prompt: Prompt) -> str:
    """What the request is about; where it points back, what the conversation was about."""
    before = (message.text for message in reversed(prompt.earlier) if message.role == "user")
    subjects = (topic(text) for text in [prompt.request, *before] if topic_words(text))
    return next((subject for subject in subjects if subject), prompt.request)


def _inside(name: str) -> bool:
    return TRANSFER in name or name in (*FILE_SEARCH, SEARCH, *NAMES)


def _findings(prompt: Prompt) -> list[Finding]:
    """What the agents have reported; what it has searched or computed itself counts as theirs."""
    reported = [
        Finding(_agent(done.name), done.output.strip())
        for done in prompt.done
        if TRANSFER in done.name and done.output.strip() and not _FAILED.match(done.output)
    ]
    looked_up = [Finding("researcher", found(prompt))] if searched(prompt) else []
    worked_out = [Finding("analyst", computed(prompt))] if has_computed(prompt) else []
    return [*reported, *looked_up, *worked_out]


def _failures(prompt: Prompt) -> Iterator[tuple[str, str]]:
    for done in prompt.done:
        if TRANSFER in done.name and (_FAILED.match(done.output) or not done.output.strip()):
            yield _agent(done.name), " ".join(done.output.split()) or "It reported nothing."


def _section(finding: Finding, several: bool) -> str:
    """An agent's report as part of the answer."""
    if several and finding.agent == "analyst":
        return f"**Analysis.** {finding.text}"
    return retold(finding.text) if finding.agent == "researcher" else finding.text


def _unknown(prompt: Prompt) -> str:
    return noted(prompt.request) or f"I can't answer that by myself. {ABOUT}"
