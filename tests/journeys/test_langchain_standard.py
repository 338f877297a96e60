"""LangChain's own tests of a chat model, for its `ChatOpenAI` on a running server."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests
from openai import DefaultAsyncHttpxClient

from tests.journeys.capable import capable
from tests.journeys.server import Server
from tests.journeys.stage import Stage
from tests.standard import Plain

pytestmark = [
    pytest.mark.xdist_group("journeys-talk"),
    # The client's types say that `metadata` holds strings alone; ours holds what the guide promises.
    pytest.mark.filterwarnings("ignore:Pydantic serializer warnings"),
    # What the tests send is what these two of the client's warnings are about.
    pytest.mark.filterwarnings("ignore:Received a Pydantic BaseModel V1 schema"),
    pytest.mark.filterwarnings("ignore:OpenAI may require a filename"),
]

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class TestChatOpenAI(Plain, ChatModelIntegrationTests):
    """What is not supported has its reason beside it, and is skipped."""

    url: str

    @pytest.fixture(autouse=True)
    def played(self, scripted: Server, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        """The upstream is a capable model, and what the tests would load from the web is a picture of one pixel."""
        stage.play(capable)
        self.url = f"{scripted.url}/v1"
        monkeypatch.setattr(httpx, "get", lambda url, **options: httpx.Response(200, content=PIXEL))

    @pytest.fixture
    async def model(self, request: pytest.FixtureRequest) -> AsyncIterator[BaseChatModel]:
        """With an HTTP client of its own: LangChain keeps one for all, beyond the event loop it belongs to."""
        extra = getattr(request, "param", None) or {}
        async with DefaultAsyncHttpxClient(verify=False) as client:
            yield self.chat_model_class(**{**self.chat_model_params, **extra, "http_async_client": client})

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatOpenAI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {
            "model": "cortex-flow",
            "base_url": self.url,
            "api_key": "dummy",
            "max_retries": 0,
            "stream_usage": True,
        }

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def supports_image_inputs(self) -> bool:
        return True

    @property
    def supports_image_urls(self) -> bool:
        return True

    @property
    def supports_image_tool_message(self) -> bool:
        return True

    @property
    def supports_pdf_inputs(self) -> bool:
        return True

    @property
    def supports_pdf_tool_message(self) -> bool:
        return True

    @property
    def supports_audio_inputs(self) -> bool:
        return False  # OpenAI's `input_audio` is refused by name: the team hears no sound

    @property
    def supports_video_inputs(self) -> bool:
        return False  # chat completions have no such part

    @property
    def enable_vcr_tests(self) -> bool:
        return False  # nothing is recorded here; what a stream costs is measured by `poe bench`

    @property
    def supports_anthropic_inputs(self) -> bool:
        return True

    @property
    def model_override_value(self) -> str:
        return "cortex-flow-writer"
