"""What people have written for OpenAI's Assistants API, run by whatever `openai` is installed beside it (1.x and newer).

Line by line: `{"play": name, "url": base}` in, what the sample has seen out, or `{"failed": traceback}`.
The samples are those of `tests/node/samples.mjs`, in Python.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

import openai

WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
PAUSE = 0.01


def quickstart(client: Any) -> Any:
    assistant = client.beta.assistants.create(
        name="Math Tutor", instructions="You help with math problems", model="ollama/llama3.2:3b"
    )
    thread = client.beta.threads.create()
    client.beta.threads.messages.create(thread.id, role="user", content="What is 2 + 2?")
    run = client.beta.threads.runs.create(thread.id, assistant_id=assistant.id)
    status = run.status
    while status in ("queued", "in_progress"):
        time.sleep(PAUSE)
        status = client.beta.threads.runs.retrieve(run.id, thread_id=thread.id).status
    return [status, newest(client, thread.id)]


def migration(client: Any) -> Any:
    assistant = client.beta.assistants.create(model="gpt-4o")
    thread = client.beta.threads.create()
    client.beta.threads.messages.create(
        thread.id, role="user", content='Analyze the sentiment of this review: "Absolutely loved this product!"'
    )
    began = time.monotonic()
    run = client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
    return [run.status, newest(client, thread.id), time.monotonic() - began < 4]


def memory(client: Any) -> Any:
    assistant = client.beta.assistants.create(
        name="Chat Bot",
        instructions="You are a friendly chat bot. Remember previous messages.",
        model="ollama/llama3.2:3b",
    )
    thread = client.beta.threads.create()

    def chat(message: str) -> str:
        client.beta.threads.messages.create(thread.id, role="user", content=message)
        run = client.beta.threads.runs.create(thread.id, assistant_id=assistant.id)
        while True:
            status = client.beta.threads.runs.retrieve(run.id, thread_id=thread.id)
            if status.status == "completed":
                break
            if status.status == "failed":
                raise RuntimeError(status.last_error)
            time.sleep(PAUSE)
        (message_,) = client.beta.threads.messages.list(thread.id, limit=1, order="desc").data
        return str(message_.content[0].text.value)

    return [chat("Hi, my name is Alex"), chat("What is my name?")]


def tool_outputs(client: Any) -> Any:
    assistant = client.beta.assistants.create(model="gpt-4o", tools=[WEATHER])
    run = client.beta.threads.create_and_run_poll(
        assistant_id=assistant.id, thread={"messages": [{"role": "user", "content": "The weather in 'Rome'?"}]}
    )
    asked = run.required_action.submit_tool_outputs.tool_calls
    outputs = [{"tool_call_id": call.id, "output": "sun"} for call in asked]
    done = client.beta.threads.runs.submit_tool_outputs_and_poll(
        run_id=run.id, thread_id=run.thread_id, tool_outputs=outputs
    )
    calls = [[call.function.name, json.loads(call.function.arguments)] for call in asked]
    steps = client.beta.threads.runs.steps.list(run.id, thread_id=run.thread_id, order="asc").data
    return [run.status, calls, done.status, newest(client, run.thread_id), [step.type for step in steps]]


def errors(client: Any) -> Any:
    thread = client.beta.threads.create()
    try:
        client.beta.threads.runs.create(thread.id, assistant_id="invalid-id")
    except openai.APIError as error:
        return [error.status_code, bool(error.message), error.code]  # type: ignore[attr-defined]
    return "nothing was refused"


def models(client: Any) -> Any:
    local = client.beta.assistants.create(
        name="Local Assistant", model="ollama/llama3.2:3b", instructions="Fast local responses"
    )
    cloud = client.beta.assistants.create(
        name="Cloud Assistant", model="openai/gpt-4o", instructions="Complex reasoning tasks"
    )
    said = []
    for assistant in (local, cloud):
        thread = client.beta.threads.create(messages=[{"role": "user", "content": "Hello"}])
        run = client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
        said.append([run.model, run.status, newest(client, thread.id)])
    return said


def management(client: Any) -> Any:
    made = [client.beta.assistants.create(model="gpt-4o", name=f"Page {n}", metadata={"n": str(n)}) for n in range(3)]
    ids = [each.id for each in made]
    listed = [each.id for each in client.beta.assistants.list(limit=2) if each.id in ids]
    changed = client.beta.assistants.update(made[0].id, name="Code Expert", temperature=0.5)
    thread = client.beta.threads.create(metadata={"project": "demo"})
    message = client.beta.threads.messages.create(thread.id, role="user", content="Hello!", metadata={"source": "web"})
    same = client.beta.threads.messages.retrieve(message.id, thread_id=thread.id)
    gone = [client.beta.assistants.delete(id).deleted for id in ids]
    gone.append(client.beta.threads.delete(thread.id).deleted)
    return [listed == ids[::-1], changed.name, changed.temperature, changed.metadata, same.metadata, gone]


def cancelling(client: Any) -> Any:
    assistant = client.beta.assistants.create(model="gpt-4o", tools=[WEATHER])
    run = client.beta.threads.create_and_run_poll(
        assistant_id=assistant.id, thread={"messages": [{"role": "user", "content": "The weather in 'Rome'?"}]}
    )
    client.beta.threads.runs.cancel(run.id, thread_id=run.thread_id)
    return client.beta.threads.runs.poll(run.id, thread_id=run.thread_id).status


class Told:
    """What a handler has heard."""

    def __init__(self) -> None:
        self.text = ""
        self.done: list[str] = []
        self.calls: list[str] = []


def streaming(client: Any) -> Any:
    told = Told()

    class Handler(openai.AssistantEventHandler):
        def on_text_delta(self, delta: Any, snapshot: Any) -> None:
            told.text += delta.value

        def on_text_done(self, text: Any) -> None:
            told.done.append(text.value)

        def on_tool_call_done(self, tool_call: Any) -> None:
            told.calls.append(tool_call.function.arguments)

        def on_event(self, event: Any) -> None:
            if event.event == "thread.run.requires_action":
                outputs = [
                    {"tool_call_id": call.id, "output": "sun"}
                    for call in event.data.required_action.submit_tool_outputs.tool_calls
                ]
                with client.beta.threads.runs.submit_tool_outputs_stream(
                    thread_id=event.data.thread_id,
                    run_id=event.data.id,
                    tool_outputs=outputs,
                    event_handler=Handler(),
                ) as more:
                    more.until_done()

    assistant = client.beta.assistants.create(model="gpt-4o", tools=[WEATHER])
    thread = client.beta.threads.create()
    client.beta.threads.messages.create(thread.id, role="user", content="Good morning")
    with client.beta.threads.runs.stream(
        thread_id=thread.id, assistant_id=assistant.id, event_handler=Handler()
    ) as stream:
        stream.until_done()
        final = stream.get_final_run()
        steps, messages = stream.get_final_run_steps(), stream.get_final_messages()
    with client.beta.threads.create_and_run_stream(
        assistant_id=assistant.id,
        thread={"messages": [{"role": "user", "content": "The weather in 'Rome'?"}]},
        event_handler=Handler(),
    ) as stream:
        stream.until_done()
    return [final.status, final.usage.total_tokens > 0, len(steps), len(messages), told.text, told.done, told.calls]


def streaming_async(client: Any) -> Any:
    told = Told()

    class Handler(openai.AsyncAssistantEventHandler):
        async def on_text_delta(self, delta: Any, snapshot: Any) -> None:
            told.text += delta.value

        async def on_text_done(self, text: Any) -> None:
            told.done.append(text.value)

    async def play() -> Any:
        async with openai.AsyncOpenAI(base_url=client.base_url, api_key="key", max_retries=0) as own:
            beta: Any = own.beta
            assistant = await beta.assistants.create(model="gpt-4o")
            thread = await beta.threads.create(messages=[{"role": "user", "content": "Good morning"}])
            async with beta.threads.runs.stream(
                thread_id=thread.id, assistant_id=assistant.id, event_handler=Handler()
            ) as stream:
                await stream.until_done()
            run = await beta.threads.create_and_run_poll(
                assistant_id=assistant.id, thread={"messages": [{"role": "user", "content": "Hello"}]}
            )
            return [run.status, told.text, told.done]

    return asyncio.run(play())


def file_upload(client: Any) -> Any:
    file = client.files.create(file=("data.csv", b"a,b\n1,2\n"), purpose="assistants")
    content = client.files.content(file.id)
    return [file.filename, content.text, client.files.delete(file.id).deleted]


def newest(client: Any, thread_id: str) -> str:
    return str(client.beta.threads.messages.list(thread_id).data[0].content[0].text.value)


SAMPLES: dict[str, Callable[[Any], Any]] = {
    sample.__name__: sample
    for sample in (
        quickstart, migration, memory, tool_outputs, errors, models, management, cancelling, streaming, streaming_async,
        file_upload,
    )
}  # fmt: skip


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        try:
            with openai.OpenAI(base_url=order["url"], api_key="not-needed", max_retries=0) as client:
                told = {"told": SAMPLES[order["play"]](client), "version": openai.__version__}
        except Exception:
            told = {"failed": traceback.format_exc()}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
