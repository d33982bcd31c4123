"""Who is there, as far as a client can know."""

from __future__ import annotations

import itertools
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
        """Another number whenever there is something new to show."""

    def joined(self, me: str) -> None:
        """Start anew: this client has joined as ``me``."""
        self.me = me
        self.exact = False
        self.version += 1
        self._replace((me,))

    def roster(self, names: Iterable[str]) -> None:
        """Take the server's list."""
        if not self.exact:
            self.exact = True
            self.version += 1
        self._replace((self.me, *names))

    def heard(self, message: ServerMessage) -> None:
        """Learn from a message: who speaks is there, who is offline is not."""
        if message.is_notice or message.sender == self.me:
            return
        there = message.sender in self._names
        if message.announces_leave and there:
            self._names.remove(message.sender)
            self.version += 1
        elif not message.announces_leave and not there and len(self._names) < _MOST:
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
        replaced = set(itertools.islice(names, _MOST))
        if replaced != self._names:
            self._names = replaced
            self.version += 1
