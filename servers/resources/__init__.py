"""What is not a run: one file with a `router` each, named here."""

RESOURCES: tuple[str, ...] = ("root", "models", "files", "uploads", "vector_stores")

__all__ = ["RESOURCES"]
