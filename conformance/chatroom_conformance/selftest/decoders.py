"""Decoders that a fault can be put into."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from chatroom_protocol.errors import ProtocolViolation, ViolationCode

from .host import ChangedDecoder, Item


class OctetDecoder(ChangedDecoder):
    """Looks at some octets by themselves, so that it knows where in the stream they are."""

    #: The octets that are looked at; what is between two of them comes in one piece.
    looks_at = re.compile(b"[{}]")
    #: The octet before.
    last = b""

    def receive_data(self, data: bytes) -> list[Item]:
        """Take octets, piece after piece."""
        found: list[Item] = []
        at = 0
        while at < len(data):
            match = self.looks_at.search(data, at)
            start = match.start() if match else len(data)
            end = max(start, at + 1) if start == at else start
            found += self.take(data[at:end])
            self.last = data[end - 1 : end]
            at = end
        return found

    def take(self, octets: bytes) -> list[Item]:
        """Take one octet of those that are looked at, or several of the others."""
        return super().receive_data(octets)

    @property
    def inside(self) -> bool:
        """Whether a frame has begun and not ended."""
        return self._depth > 0

    @property
    def in_string(self) -> bool:
        """Whether a string has begun and not ended."""
        return self._in_string

    def violate(self) -> list[Item]:
        """Take it for a violation."""
        self._failed = True
        return [ProtocolViolation(ViolationCode.NOT_JSON, "it is not JSON", 0)]


class TextDecoder(ChangedDecoder):
    """Reads each frame by a function of its own; a `ValueError` of it is a violation."""

    #: Whether it does so for those only who have joined.
    joined_only = True

    def _take_quickly(self, data: bytes, found: list[Item]) -> int:  # noqa: ARG002
        return 0

    def _decode(self, frame: bytes) -> dict[str, Any]:
        try:
            joined = self.connection.has_joined or not self.joined_only
            return self.read(frame) if joined else self.strictly(frame)
        except UnicodeDecodeError:
            raise
        except ValueError as error:
            raise json.JSONDecodeError(str(error), "", 0) from error

    def read(self, frame: bytes) -> dict[str, Any]:
        """Make an object of the octets of a frame."""
        return super()._decode(frame)

    def strictly(self, frame: bytes) -> dict[str, Any]:
        """Make an object of them as the package does."""
        return super()._decode(frame)


def each_string(value: Any, change: Callable[[str], str]) -> Any:
    """The same value with each string in it changed, names of members included."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [each_string(part, change) for part in value]
    if isinstance(value, dict):
        return {change(name): each_string(part, change) for name, part in value.items()}
    return value
