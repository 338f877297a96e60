"""`/` and the documentation."""

from __future__ import annotations

from servers.version import version
from tests.servers.asgi import ask
from tests.servers.conftest import Serve


async def test_what_this_is(serve: Serve) -> None:
    app = await serve()
    answer = await ask(app, "GET", "/")
    about = answer.json()
    assert (answer.status, about["name"], about["version"]) == (200, "Cortex Flow", version())
    for name, link in about["links"].items():
        assert name == "api" or (await ask(app, "GET", link)).status == 200


async def test_the_routes_are_described(serve: Serve) -> None:
    described = (await ask(await serve(), "GET", "/openapi.json")).json()
    assert set(described["paths"]) == {
        "/",
        "/mcp",
        "/v1/assistants",
        "/v1/assistants/{assistant_id}",
        "/v1/chat/completions",
        "/v1/chat/completions/{completion_id}",
        "/v1/chat/completions/{completion_id}/messages",
        "/v1/files",
        "/v1/files/{file_id}",
        "/v1/files/{file_id}/content",
        "/v1/models",
        "/v1/models/{name}",
        "/v1/threads",
        "/v1/threads/runs",
        "/v1/threads/{thread_id}",
        "/v1/threads/{thread_id}/branches",
        "/v1/threads/{thread_id}/messages",
        "/v1/threads/{thread_id}/messages/{message_id}",
        "/v1/threads/{thread_id}/runs",
        "/v1/threads/{thread_id}/runs/{run_id}",
        "/v1/threads/{thread_id}/runs/{run_id}/cancel",
        "/v1/threads/{thread_id}/runs/{run_id}/steps",
        "/v1/threads/{thread_id}/runs/{run_id}/steps/{step_id}",
        "/v1/threads/{thread_id}/runs/{run_id}/submit_tool_outputs",
        "/v1/uploads",
        "/v1/uploads/{upload_id}/cancel",
        "/v1/uploads/{upload_id}/complete",
        "/v1/uploads/{upload_id}/parts",
        "/v1/vector_stores",
        "/v1/vector_stores/{vector_store_id}",
        "/v1/vector_stores/{vector_store_id}/search",
        "/v1/vector_stores/{vector_store_id}/files",
        "/v1/vector_stores/{vector_store_id}/files/{file_id}",
        "/v1/vector_stores/{vector_store_id}/files/{file_id}/content",
        "/v1/vector_stores/{vector_store_id}/file_batches",
        "/v1/vector_stores/{vector_store_id}/file_batches/{batch_id}",
        "/v1/vector_stores/{vector_store_id}/file_batches/{batch_id}/cancel",
        "/v1/vector_stores/{vector_store_id}/file_batches/{batch_id}/files",
    }
