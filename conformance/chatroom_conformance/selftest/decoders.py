"""Decoders that a fault can be put into."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from chatroom_protocol.errors import ProtocolViolation, ViolationCode

from .host import ChangedDecoder, Item


class OctetDecoder(ChangedDecoder):
    """Looks at each octet by itself, so that it knows where in the stream it is."""

    #: The octet before.
    last = b""

    def receive_data(self, data: bytes) -> list[Item]:
        """Take octets, one after another."""
        found: list[Item] = []
        for number in data:
            octet = bytes((number,))
            found += self.take(octet)
            self.last = octet
        return found

    def take(self, octet: bytes) -> list[Item]:
        """Take one octet."""
        return super().receive_data(octet)

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

    def _take_quickly(self, data: bytes, found: list[Item]) -> int:  # noqa: ARG002
        return 0

    def _decode(self, frame: bytes) -> dict[str, Any]:
        try:
            return self.read(frame)
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
