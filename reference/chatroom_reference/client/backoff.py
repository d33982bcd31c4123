"""How long to wait before trying to connect again."""

from __future__ import annotations

from collections.abc import Callable

_FIRST, _CEILING = 1.0, 30.0


class BackOff:
    """Waits of 1, 2, 4, ... 30 seconds, each lengthened by up to a quarter.

    The random part keeps a restarted server's clients from all coming at one moment.
    """

    def __init__(self, random: Callable[[], float]) -> None:
        """Take a source of numbers from 0.0 to 1.0."""
        self._random = random
        self._base = _FIRST

    def next_wait(self) -> float:
        """Give the next wait, in seconds."""
        wait = self._base * (1 + self._random() / 4)
        self._base = min(self._base * 2, _CEILING)
        return wait

    def reset(self) -> None:
        """Begin with short waits again, because a connection has lasted."""
        self._base = _FIRST
