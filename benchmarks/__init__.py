"""Measures the product beside its direct upstream: `python -m benchmarks`, or `uv run poe bench`."""
