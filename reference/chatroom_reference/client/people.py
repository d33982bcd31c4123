"""Who is there, as far as a client can know."""

from __future__ import annotations

from collections.abc import Iterable

from chatroom_protocol import ServerMessage

_MOST = 10_000
"""A bound on what a server can make a client remember; far above any room."""


class People:
    """The names in the room.

    Exact where the server granted ``roster``; otherwise those who were heard of.
    """

    def __init__(self) -> None:
        self._names: set[str] = set()
        self.me = ""
        self.exact = False
        self.version = 0

    def joined(self, me: str) -> None:
        """Start anew: this client has joined as ``me``."""
        self.me = me
        self.exact = False
        self._replace((me,))

    def roster(self, names: Iterable[str]) -> None:
        """Take the server's list."""
        self.exact = True
        self._replace((self.me, *names))

    def heard(self, message: ServerMessage) -> None:
        """Learn from a message: who speaks is there, who is offline is not."""
        if message.is_notice or message.sender == self.me:
            return
        if message.announces_leave:
            self._names.discard(message.sender)
        elif len(self._names) < _MOST:
            self._names.add(message.sender)
        self.version += 1

    @property
    def names(self) -> list[str]:
        """Everybody, this client included, in alphabetical order."""
        return sorted(self._names, key=lambda name: (name.casefold(), name))

    @property
    def others(self) -> list[str]:
        """Everybody else, in alphabetical order."""
        return [name for name in self.names if name != self.me]

    def heading(self) -> str:
        """Give the list's heading: what kind of list it is, and how long."""
        return f"{'People' if self.exact else 'Seen'} ({len(self._names):,})"

    def _replace(self, names: Iterable[str]) -> None:
        self._names = set(list(names)[:_MOST])
        self.version += 1
