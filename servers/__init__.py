"""The room that speaks HTTP. To add a dialect, write one folder with a `routes.py` that has a `router`, and name it here.

Nothing is imported before it is needed: `/health` answers while the rest is still loading.
"""

DIALECTS: tuple[str, ...] = ("chat_completions",)

__all__ = ["DIALECTS"]
