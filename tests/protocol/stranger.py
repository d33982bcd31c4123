"""A decoder as somebody else might write it, and three ways to get it wrong.

Nothing here is from the package. Each bug is one that published parsers have had.
"""

from __future__ import annotations

import json
from typing import Any


class Stranger:
    """Takes pieces; ``objects`` are the frames found, ``failed`` is whether a fault was."""

    def __init__(self) -> None:
        self.objects: list[Any] = []
        self.failed = False
        self._frame = bytearray()
        self._depth = 0
        self._in_string = False
        self._escaped = False

    def feed(self, piece: bytes) -> None:
        for octet in piece:
            if self.failed:
                return
            self._take(octet)

    def _take(self, octet: int) -> None:
        if not self._frame:
            if octet in b" \t\r\n":
                return
            if octet != ord("{"):
                self.failed = True
                return
        self._frame.append(octet)
        self._scan(octet)
        if not self._depth:
            self._finish(bytes(self._frame))
            self._frame.clear()

    def _scan(self, octet: int) -> None:
        if self._escaped:
            self._escaped = False
        elif self._in_string:
            self._escaped = octet == ord("\\")
            self._in_string = octet != ord('"')
        elif octet == ord('"'):
            self._in_string = True
        elif octet in b"{[":
            self._depth += 1
        elif octet in b"}]":
            self._depth -= 1

    def _finish(self, frame: bytes) -> None:
        try:
            self.objects.append(json.loads(frame.decode(), parse_constant=self._refuse))
        except ValueError:
            self.failed = True

    def _refuse(self, word: str) -> None:
        raise ValueError(word)


class ForgetsTheEscape(Stranger):
    """Loses its place when a piece ends behind a backslash."""

    def feed(self, piece: bytes) -> None:
        self._escaped = False
        super().feed(piece)


class LosesWhatWasGood(Stranger):
    """Gives the frames of a piece all together, so a fault takes the good ones with it."""

    def feed(self, piece: bytes) -> None:
        before = list(self.objects)
        super().feed(piece)
        if self.failed:
            self.objects = before


class ReplacesBadOctets(Stranger):
    """Decodes UTF-8 leniently."""

    def _finish(self, frame: bytes) -> None:
        super()._finish(frame.decode(errors="replace").encode())
