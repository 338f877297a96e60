"""How large what clients keep here may be, in bytes."""

from __future__ import annotations

from typing import Final

MB: Final = 1024 * 1024
LARGEST_FILE: Final = 512 * MB
LARGEST_PART: Final = 64 * MB
LARGEST_ENCLOSED: Final = 20 * MB
"""A file that is put into a prompt."""
ALL_ENCLOSED: Final = 50 * MB
"""All files of one prompt together."""
