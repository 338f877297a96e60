"""Bodies as clients of the Assistants API might send them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.servers.chat_completions.requests import (
    MODELS,
    formats,
    functions,
    image_parts,
    names,
    or_absent,
    or_null,
    text_parts,
    texts,
    words,
)

Strategy = st.SearchStrategy[Any]

models = st.sampled_from([None, *MODELS, "gpt-4o", "ollama/llama3.2:3b", "nobody knows it"])
metadata = or_null(st.dictionaries(st.text(max_size=64), st.text(max_size=512), max_size=4))
ids = texts | st.sampled_from(["file-abc", "vs_1", "file-" + "x" * 300])
resources = or_null(
    or_absent(
        code_interpreter=or_absent(file_ids=st.lists(ids, max_size=2)),
        file_search=or_absent(vector_store_ids=or_null(st.lists(ids, max_size=1))),
    )
)
tools = or_null(
    st.lists(
        st.fixed_dictionaries({"type": st.just("code_interpreter")})
        | st.fixed_dictionaries(
            {"type": st.just("file_search")},
            optional={
                "file_search": or_absent(
                    max_num_results=st.integers(1, 50), ranking_options=st.just({"score_threshold": 0.5})
                )
            },
        )
        | st.fixed_dictionaries({"type": st.just("function"), "function": functions})
        | st.fixed_dictionaries({"function": functions}),
        max_size=3,
        unique_by=lambda tool: tool["function"]["name"] if "function" in tool else tool["type"],
    )
)
sampling: dict[str, Strategy] = {
    "model": models,
    "temperature": or_null(st.floats(0, 2)),
    "top_p": or_null(st.floats(0, 1)),
    "response_format": or_null(st.just("auto") | formats),
    "reasoning_effort": st.sampled_from([None, "low", "high"]),
    "instructions": or_null(words),
    "tools": tools,
    "metadata": metadata,
}
assistants = or_absent(
    name=or_null(texts.map(lambda text: text[:256])),
    description=or_null(texts.map(lambda text: text[:512])),
    tool_resources=resources,
    **sampling,
)
file_images = st.fixed_dictionaries(
    {"type": st.just("image_file"), "image_file": st.fixed_dictionaries({"file_id": names})}
)
attachments = or_null(
    st.lists(
        st.fixed_dictionaries(
            {"file_id": names},
            optional={"tools": st.lists(st.sampled_from([{"type": "file_search"}, {"type": "code_interpreter"}]))},
        ),
        max_size=2,
    )
)
messages = or_absent(
    role=st.sampled_from(["user", "assistant", None]),
    content=or_null(words | st.lists(text_parts | image_parts | file_images, min_size=1, max_size=3)),
    attachments=attachments,
    metadata=metadata,
)
several = or_null(st.lists(messages, max_size=3))
threads = or_absent(messages=several, metadata=metadata, tool_resources=resources)
choices = st.sampled_from([None, "auto", "none", {"type": "file_search"}, {"type": "code_interpreter"}])
limits = or_null(st.integers(256, 1000) | st.just(2**63 - 1))
running: dict[str, Strategy] = {
    **sampling,
    "stream": or_null(st.booleans()),
    "max_prompt_tokens": limits,
    "max_completion_tokens": limits,
    "truncation_strategy": st.sampled_from([None, {"type": "auto"}, {"type": "last_messages", "last_messages": 1}]),
    "tool_choice": choices,
    "parallel_tool_calls": or_null(st.booleans()),
}
runs = or_absent(additional_instructions=or_null(words), additional_messages=several, **running)
threads_and_runs = or_absent(thread=or_null(threads), tool_resources=resources, **running)
changes = or_absent(metadata=metadata)
outputs = st.fixed_dictionaries(
    {"tool_outputs": st.lists(or_absent(tool_call_id=texts, output=or_null(texts)), max_size=3)},
    optional={"stream": or_null(st.booleans())},
)
