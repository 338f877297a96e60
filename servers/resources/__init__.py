"""What is not a run: one file with a `router` each, named here."""

RESOURCES: tuple[str, ...] = ("root", "models", "files", "uploads")

__all__ = ["RESOURCES"]
