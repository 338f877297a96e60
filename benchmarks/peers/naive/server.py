"""A supervisor and three agents, as tutorials write them: LangGraph, `ChatOpenAI`, a SQLite checkpointer, FastAPI.

Nothing in it is slow on purpose. `UPSTREAM` is the model's base URL; a request's `conversation_id` names its thread.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from langchain_core.messages import AnyMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver  # type: ignore[import-not-found]
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command
from pydantic import BaseModel

AGENTS = ("researcher", "analyst", "writer")
SUPERVISOR = "You lead a team of a researcher, an analyst and a writer. Hand tasks to them, or answer yourself."

llm = ChatOpenAI(model="scripted", base_url=os.environ["UPSTREAM"], api_key="unused", stream_usage=True)  # type: ignore[arg-type]


@tool
def transfer_to_researcher(task: str) -> str:
    """Hand a task to the researcher, who finds facts."""
    return task


@tool
def transfer_to_analyst(task: str) -> str:
    """Hand a task to the analyst, who computes and compares."""
    return task


@tool
def transfer_to_writer(task: str) -> str:
    """Hand a task to the writer, who writes the text."""
    return task


leader = llm.bind_tools([transfer_to_researcher, transfer_to_analyst, transfer_to_writer], parallel_tool_calls=False)


async def supervisor(
    state: MessagesState,
) -> Command[Literal["researcher", "analyst", "writer", "__end__"]]:
    reply: Any = await leader.ainvoke([SystemMessage(SUPERVISOR), *state["messages"]])
    goto = reply.tool_calls[0]["name"].removeprefix("transfer_to_") if reply.tool_calls else "__end__"
    return Command(goto=goto, update={"messages": [reply]})


def agent(name: str) -> Any:
    async def work(state: MessagesState) -> Command[Literal["supervisor"]]:
        asked: Any = state["messages"][-1]
        call = asked.tool_calls[0]
        prompt: list[AnyMessage] = [SystemMessage(f"You are the {name} of a team."), HumanMessage(call["args"]["task"])]
        reply = await llm.ainvoke(prompt)
        return Command(goto="supervisor", update={"messages": [ToolMessage(reply.content, tool_call_id=call["id"])]})

    return work


builder = StateGraph(MessagesState)
builder.add_node("supervisor", supervisor)
for each in AGENTS:
    builder.add_node(each, agent(each))
builder.add_edge(START, "supervisor")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with AsyncSqliteSaver.from_conn_string("checkpoints.db") as checkpointer:
        app.state.graph = builder.compile(checkpointer=checkpointer)
        yield


app = FastAPI(lifespan=lifespan)


class Message(BaseModel):
    role: str
    content: str


class ChatRequest(BaseModel):
    model: str
    messages: list[Message]
    stream: bool = False
    conversation_id: str | None = None


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/v1/chat/completions", response_model=None)
async def chat(request: ChatRequest) -> dict[str, Any] | StreamingResponse:
    config = {"configurable": {"thread_id": request.conversation_id or str(uuid.uuid4())}}
    given = {"messages": [message.model_dump() for message in request.messages]}
    if request.stream:
        return StreamingResponse(chunks(request.model, given, config), media_type="text/event-stream")
    state = await app.state.graph.ainvoke(given, config)
    message = {"role": "assistant", "content": state["messages"][-1].content}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "model": request.model,
        "choices": [choice],
    }


async def chunks(model: str, given: dict[str, Any], config: dict[str, Any]) -> AsyncIterator[str]:
    id = f"chatcmpl-{uuid.uuid4().hex}"

    def chunk(delta: dict[str, Any], finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return f"data: {json.dumps({'id': id, 'object': 'chat.completion.chunk', 'model': model, 'choices': [choice]})}\n\n"

    async for event in app.state.graph.astream_events(given, config, version="v2"):
        if event["event"] != "on_chat_model_stream" or event["metadata"]["langgraph_node"] != "supervisor":
            continue
        if text := event["data"]["chunk"].content:
            yield chunk({"content": text})
    yield chunk({}, "stop") + "data: [DONE]\n\n"
