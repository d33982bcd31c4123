"""The suite tested by itself: servers with one fault each, and odd servers with none."""

from __future__ import annotations

from collections.abc import Sequence


def main(words: Sequence[str]) -> int:
    """Run the command `selftest`; its exit status."""
    from .command import main as run

    return run(words)
