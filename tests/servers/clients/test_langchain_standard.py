"""LangChain's own tests of a chat model, for our client of it."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.load import dumpd, load
from langchain_tests.unit_tests import ChatModelUnitTests

from servers.clients import ChatCortexFlow
from tests.standard import Plain

pytestmark = pytest.mark.filterwarnings("ignore:The function `load` is in beta")

BASE = "http://127.0.0.1:8001/v1"


class TestChatCortexFlow(Plain, ChatModelUnitTests):
    """Created, bound, described and loaded again."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatCortexFlow

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "cortex-flow", "base_url": BASE, "api_key": "dummy", "conversation_id": "my chat/7"}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        """LangChain's variables are understood."""
        environment = {"OPENAI_API_KEY": "key", "OPENAI_API_BASE": BASE}
        return environment, {"model": "cortex-flow"}, {"openai_api_key": "key", "openai_api_base": BASE}

    @pytest.mark.xfail(reason="LangChain's allowed_objects='all' is all of LangChain's own classes, and no others.")
    def test_serdes(self, model: BaseChatModel, snapshot: Any) -> None:
        super().test_serdes(model, snapshot)


def test_it_is_loaded_again() -> None:
    made_of: Any = ChatCortexFlow  # its fields have aliases, which type checkers don't see
    model = made_of(model="cortex-flow", base_url=BASE, api_key="dummy", conversation_id="my chat/7")
    allowed: Any = {"allowed_objects": [ChatCortexFlow], "valid_namespaces": ["servers"]}
    again = load(dumpd(model), **allowed, secrets_map={"OPENAI_API_KEY": "dummy"})
    assert isinstance(again, ChatCortexFlow)
    assert again.asdict() == model.asdict()
    assert again.conversation_id == "my chat/7"
