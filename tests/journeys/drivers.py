"""Clients that people use, each as a driver of a few lines: it does what a step says, and tells what its client saw.

A driver keeps its history as its client would, in the client's own types, so that what is sent back is what the client
makes of our answers. Those of JavaScript run in node, one process each (`tests/node`).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import openai
import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import StructuredTool
from langchain_openai import ChatOpenAI
from openai.lib.streaming.chat import ChatCompletionStreamState

NODE = Path(__file__).parents[1] / "node"
LONGEST = 60.0

Told = Mapping[str, Any]


class Session(Protocol):
    """One user of one client. `settings` are `url` and `request` (the fields of every request, with `stream`,
    `conversation_id` and `schema`)."""

    def __call__(self, step: Mapping[str, Any]) -> Told:
        """Do this (`say`, `outputs`, `alone`, `url`, `loop`); what was seen, or `refused` and `param`."""
        ...


Driver = Callable[[Mapping[str, Any]], Session]


def answered(outputs: Sequence[str] | Mapping[str, str], calls: Sequence[str]) -> list[tuple[str, str]]:
    """Ids and outputs: given by id, or in the order of the last answer's calls."""
    if isinstance(outputs, Mapping):
        return list(outputs.items())
    return list(zip(calls, outputs, strict=False))


def http_client() -> Any:
    """Its certificates are not read, which costs more than the request: nothing here is https."""
    return openai.DefaultHttpxClient(verify=False)


def refusal(error: openai.APIStatusError) -> Told:
    return {"refused": error.status_code, "param": error.param}


class OpenAIPython:
    """The official client: `create`, and the sum that it makes of a stream."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._url = settings["url"]
        self._fields = dict(settings["request"])
        self._schema = self._fields.pop("schema", None)
        self._id = self._fields.pop("conversation_id", None)
        self._history: list[Any] = []
        self._calls: list[str] = []

    def __call__(self, step: Mapping[str, Any]) -> Told:
        added: list[Any] = [
            {**self._output(id), "content": output} for id, output in answered(step.get("outputs", ()), self._calls)
        ]
        added += [{"role": "user", "content": step["say"]}] if step.get("say") else []
        self._history += added
        url = step.get("url", self._url)
        with openai.OpenAI(base_url=url, api_key="dummy", max_retries=0, http_client=http_client()) as client:
            try:
                return self._seen(self._answer(client, self._body(added if step.get("alone") else self._history)))
            except openai.APIStatusError as error:
                return refusal(error)

    def _output(self, id: str) -> dict[str, str]:
        """A legacy function's call has no id but its name."""
        if "functions" in self._fields:
            return {"role": "function", "name": id}
        return {"role": "tool", "tool_call_id": id}

    def _body(self, messages: list[Any]) -> dict[str, Any]:
        body = {**self._fields, "messages": messages}
        if self._id is not None:
            body["extra_body"] = {"conversation_id": self._id}
        if self._schema is not None:
            form = {"name": "answer", "schema": self._schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        return body

    def _answer(self, client: openai.OpenAI, body: dict[str, Any]) -> Any:
        if not body["stream"]:
            return client.chat.completions.create(**body)
        state: Any = ChatCompletionStreamState(input_tools=body.get("tools", openai.omit))
        for chunk in client.chat.completions.create(**body):
            state.handle_chunk(chunk)
        return state.get_final_completion()

    def _seen(self, completion: Any) -> Told:
        (choice,) = completion.choices
        message = choice.message
        tools, legacy = message.tool_calls or [], [message.function_call] if message.function_call else []
        self._history.append(message.model_dump(exclude={"parsed"}, exclude_none=True))
        self._calls = [call.id for call in tools] + [call.name for call in legacy]
        called = [call.function for call in tools] + legacy
        return {
            "text": message.content or "",
            "calls": [[call.name, json.loads(call.arguments)] for call in called],
            "finish": choice.finish_reason,
            **({} if self._schema is None else {"parsed": json.loads(message.content)}),
            **({"tokens": [each.token for each in choice.logprobs.content]} if choice.logprobs else {}),
        }


class LangChain:
    """`ChatOpenAI`: `bind_tools`, `with_structured_output`, and LangChain's agent for the loop."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._url = settings["url"]
        self._request = settings["request"]
        self._history: list[Any] = []
        self._calls: list[str] = []

    def __call__(self, step: Mapping[str, Any]) -> Told:
        added: list[Any] = [
            ToolMessage(output, tool_call_id=id) for id, output in answered(step.get("outputs", ()), self._calls)
        ]
        added += [HumanMessage(step["say"])] if step.get("say") else []
        self._history += added
        messages = added if step.get("alone") else self._history
        model = self._model(step.get("url", self._url))
        try:
            if step.get("loop"):
                return self._looped(model, step["loop"])
            if self._request.get("schema"):
                return self._structured(model, messages)
            return self._seen(self._answer(self._bound(model), messages))
        except openai.APIStatusError as error:
            return refusal(error)
        finally:
            model.root_client.close()

    def _model(self, url: str) -> Any:
        made_of: Any = ChatOpenAI  # its fields have aliases, which type checkers don't see
        request = self._request
        extra = {"conversation_id": request["conversation_id"]} if request.get("conversation_id") else None
        likely = {name: request[name] for name in ("logprobs", "top_logprobs") if name in request}
        return made_of(
            model=request["model"],
            base_url=url,
            api_key="dummy",
            max_retries=0,
            extra_body=extra,
            streaming=request["stream"],
            http_client=http_client(),
            **likely,
        )

    def _bound(self, model: Any) -> Any:
        names = ("tool_choice", "parallel_tool_calls")
        given = {name: self._request[name] for name in names if self._request.get(name) is not None}
        return model.bind_tools(self._request["tools"], **given) if self._request.get("tools") else model

    def _answer(self, model: Any, messages: list[Any]) -> Any:
        if not self._request["stream"]:
            return model.invoke(messages)
        chunks = model.stream(messages)
        whole = next(chunks)
        for chunk in chunks:
            whole += chunk
        return whole

    def _structured(self, model: Any, messages: list[Any]) -> Told:
        schema = {"title": "answer", "description": "The answer", **self._request["schema"]}
        structured = model.with_structured_output(schema, method="json_schema", strict=True)
        *_, parsed = structured.stream(messages) if self._request["stream"] else [structured.invoke(messages)]
        return {"text": "", "calls": [], "finish": "stop", "parsed": parsed}

    def _looped(self, model: Any, results: Mapping[str, str]) -> Told:
        from langchain.agents import create_agent

        tools = [_runnable(tool["function"], results) for tool in self._request["tools"]]
        last = create_agent(model, tools).invoke({"messages": self._history})["messages"][-1]
        return {"text": last.text, "calls": [], "finish": last.response_metadata["finish_reason"]}

    def _seen(self, message: AIMessage) -> Told:
        self._history.append(message)
        self._calls = [str(call["id"]) for call in message.tool_calls]
        likely = message.response_metadata.get("logprobs")
        return {
            "text": message.text,
            "calls": [[call["name"], call["args"]] for call in message.tool_calls],
            "finish": message.response_metadata["finish_reason"],
            **({"tokens": [each["token"] for each in likely["content"]]} if likely else {}),
        }


def _runnable(function: Mapping[str, Any], results: Mapping[str, str]) -> Any:
    def run(**arguments: Any) -> str:
        return results[function["name"]]

    return StructuredTool(
        name=function["name"], description=function["description"], args_schema=function["parameters"], func=run
    )


class Node:
    """A driver in node (`tests/node/NAME.mjs`), which plays many sessions one after the other."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def client(self, name: str) -> Driver:
        """The client of that name, among those that the script drives."""

        def session(settings: Mapping[str, Any]) -> Session:
            assert self._tell({"open": {"client": name, **settings}}) == {"opened": True}
            return self._tell

        return session

    def _tell(self, step: Mapping[str, Any]) -> Told:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(step) + "\n")
        self._process.stdin.flush()
        told: Told = json.loads(self._process.stdout.readline() or '{"failed": "node has ended"}')
        assert "failed" not in told, told["failed"]
        return told


@contextmanager
def node(script: str) -> Iterator[Node]:
    """A process of node that runs this script. The test is skipped where the JavaScript clients are not installed."""
    need_node()
    command = [str(shutil.which("node")), f"{script}.mjs"]
    with subprocess.Popen(
        command, cwd=NODE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        try:
            yield Node(process)
        finally:
            process.communicate(timeout=LONGEST)


def need_node() -> None:
    """Skip where the JavaScript clients are not installed; in CI that is a failure."""
    if shutil.which("node") and (NODE / "node_modules").is_dir():
        return
    missing = "The JavaScript clients are not installed: `uv run poe node`."
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)
