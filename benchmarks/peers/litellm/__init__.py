"""LiteLLM's proxy with one model and one key, without a database."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from benchmarks.peers.peer import Peer

KEY: Final = "sk-5d7e9a31c04f4b0c8f26b1e7a9d3c652"  # it refuses to start with a weak one


def _config(upstream: str) -> Mapping[str, str]:
    """YAML understands JSON."""
    model = {"model": "openai/scripted", "api_base": upstream, "api_key": "unused"}
    return {"config.yaml": json.dumps({"model_list": [{"model_name": "cortex-flow", "litellm_params": model}]})}


PEER: Final = Peer(
    name="litellm",
    title="LiteLLM",
    package="litellm",
    folder=Path(__file__).parent,
    command=("litellm", "--config=config.yaml", "--host=127.0.0.1", "--port=0", "--telemetry=False"),
    settings=lambda upstream: {
        "LITELLM_MASTER_KEY": KEY,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it asks the internet at its start
    },
    files=_config,
    health="/health/liveliness",
    ready="/v1/models",
    key=KEY,
)
