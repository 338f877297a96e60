"""`max_prompt_tokens`: what a run's turns may read together."""

from __future__ import annotations

from collections.abc import Sequence

from graph.context import Context
from graph.items import Item, Turn
from graph.prompt import render


class PromptSpent(Exception):
    """The next turn would read more than the run may."""


async def check(context: Context, items: Sequence[Item]) -> None:
    """Raise `PromptSpent` where the entry agent's next turn is one too many.

    Each turn reads the conversation again, and what has happened in the run before it. What is ours in its prompt, the
    agent's own instructions and tools, is not the client's to pay for: the smallest limit, 256 tokens, would be spent at once.
    """
    limit = context.request.max_prompt_tokens
    if limit is None:
        return
    turns = [index for index, item in enumerate(items) if isinstance(item, Turn) and item.agent == context.entry.name]
    conversation = sum(await context.tokenizer.counted(context.prompt[1:])) + context.tokenizer.count(
        context.system_text
    )
    read = [sum(await context.tokenizer.counted(render(items[:end]))) for end in (*turns, len(items))]
    if conversation * len(read) + sum(read) > limit:
        raise PromptSpent
