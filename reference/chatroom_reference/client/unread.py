"""What the user has missed: the title's count, and when the bell may ring."""

from __future__ import annotations

_SECONDS_BETWEEN_BELLS = 1.0


class Unread:
    """Counts texts that arrive while the window is not looked at."""

    def __init__(self) -> None:
        self._count = 0

    def arrived(self, texts: int, *, looked_at: bool) -> None:
        """Count ``texts`` new ones; looking at the window reads them all."""
        self._count = 0 if looked_at else self._count + texts

    def title(self, title: str) -> str:
        """Give the window's title with the count in front, if there is one."""
        return f"({self._count:,}) {title}" if self._count else title


class Bell:
    """Rings at most once a second, however many messages somebody sends."""

    def __init__(self) -> None:
        self._next = 0.0

    def may_ring(self, now: float) -> bool:
        """Say whether it is time to ring; ``now`` in monotonic seconds."""
        if now < self._next:
            return False
        self._next = now + _SECONDS_BETWEEN_BELLS
        return True
