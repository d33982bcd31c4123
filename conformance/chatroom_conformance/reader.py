"""The suite's own reader of what a server sends: strict, incremental, linear.

It shares no code with the package of the protocol, so that a bug in one shows in the other. It
finds frames by their brackets alone, so that a server that leaves out the line feeds can still be
judged on everything else, and it notes every fault instead of stopping at it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from attrs import frozen

#: More than this without a complete frame is no frame: the bound of the buffer, in octets.
MAX_BUFFERED = 8 * 1024 * 1024
#: Deeper than this isn't parsed: no frame of the protocol is, and the parser recurses.
MAX_PARSED_DEPTH = 64

_NO_WHITESPACE = re.compile(rb"[^ \t\r\n]")
_STRUCTURE = re.compile(rb'["{}\[\]]')
_STRING_END = re.compile(rb'["\\]')
_JUNK_END = re.compile(rb"[{ \t\r\n]")
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")


@frozen(eq=False)
class Frame:
    """One object, from `{` to `}`.

    `value` is None when the octets are no JSON object at all; `gap` is the whitespace before it,
    `faults` a sentence for each way in which it isn't I-JSON.
    """

    raw: bytes
    value: dict[str, Any] | None
    faults: tuple[str, ...] = ()
    gap: bytes = b""
    depth: int = 1


@frozen(eq=False)
class Junk:
    """Octets between frames that are neither whitespace nor the beginning of an object."""

    raw: bytes


class Reader:
    """Cuts a stream of octets into frames and junk."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._scanned = 0
        self._in_string = False
        self._depth = 0
        self._deepest = 0
        self._gap = bytearray()
        self._parser = Parser()

    def feed(self, data: bytes) -> list[Frame | Junk]:
        """Take octets of any number; give what is complete, in the order of the stream."""
        self._buffer += data
        return list(self._complete())

    @property
    def gap(self) -> bytes:
        """The whitespace that came since the last frame."""
        return bytes(self._gap)

    def rest(self) -> bytes:
        """The octets of a frame that isn't complete."""
        return bytes(self._buffer)

    def _complete(self) -> Iterator[Frame | Junk]:
        while self._buffer:
            if self._depth == 0:
                junk = self._between()
                if junk:
                    yield junk
                    continue
                if not self._buffer:
                    return
            end = self._scan()
            if end is not None:
                yield self._take(end)
            elif len(self._buffer) > MAX_BUFFERED:
                yield self._give_up()
            else:
                return

    def _between(self) -> Junk | None:
        """Drop whitespace into the gap; an object may begin behind it, or junk comes out."""
        found = _NO_WHITESPACE.search(self._buffer)
        self._gap += self._cut(found.start() if found else len(self._buffer))
        if not self._buffer or self._buffer[0] == ord("{"):
            return None
        found = _JUNK_END.search(self._buffer)
        return Junk(self._cut(found.start() if found else len(self._buffer)))

    def _cut(self, end: int) -> bytes:
        octets = bytes(self._buffer[:end])
        del self._buffer[:end]
        return octets

    def _scan(self) -> int | None:
        """The place behind the object's last bracket; goes on where the last scan ended."""
        buffer, at = self._buffer, self._scanned
        while True:
            found = (_STRING_END if self._in_string else _STRUCTURE).search(buffer, at)
            if found is None:
                self._scanned = max(at, len(buffer))
                return None
            at = found.end()
            octet = found.group()
            if octet == b"\\":
                # The escaped octet may not be here yet; a scan that starts behind it is the same.
                at += 1
            elif octet == b'"':
                self._in_string = not self._in_string
            elif octet in b"{[":
                self._depth += 1
                self._deepest = max(self._deepest, self._depth)
            else:
                self._depth -= 1
                if self._depth == 0:
                    return at

    def _take(self, end: int) -> Frame:
        raw, gap, depth = self._cut(end), bytes(self._gap), self._deepest
        self._gap.clear()
        self._scanned = self._deepest = 0
        value, faults = self._parser.parse(raw, depth)
        return Frame(raw, value, faults, gap, depth)

    def _give_up(self) -> Junk:
        raw = self._cut(len(self._buffer))
        self._scanned = self._depth = self._deepest = 0
        self._in_string = False
        return Junk(raw)


class Parser:
    """Parses objects, one after the other, and names all that is wrong with each."""

    def __init__(self) -> None:
        self._faults: list[str] = []
        self._decoder = json.JSONDecoder(
            object_pairs_hook=self._pairs,
            parse_constant=self._constant,
            parse_int=self._number,
            parse_float=self._number,
        )

    def parse(self, raw: bytes, depth: int = 1) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
        """One object, and everything in which it isn't I-JSON (RFC 7493)."""
        faults = self._faults = []
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            faults.append(f"octet {error.start} of the frame is not UTF-8")
            text = raw.decode("utf-8", "replace")
        if depth > MAX_PARSED_DEPTH:
            return None, (*faults, f"arrays and objects {depth} deep")
        try:
            value = self._decoder.decode(text)
        except ValueError as error:
            return None, (*faults, f"not JSON: {error}")
        if _SURROGATE_ESCAPE.search(raw) and _has_surrogate(value):
            faults.append("a string has a surrogate without its pair")
        return value if isinstance(value, dict) else None, tuple(faults)

    def _pairs(self, members: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(members)
        if len(result) < len(members):
            self._faults.append("an object has two members of the same name")
        return result

    def _constant(self, name: str) -> float:
        self._faults.append(f"{name} is not JSON")
        return math.nan

    def _number(self, digits: str) -> float | int:
        result = float(digits)
        if math.isinf(result):
            self._faults.append("a number is beyond what a double can hold")
            return result
        return int(digits) if digits.lstrip("-").isdigit() else result


def _has_surrogate(value: object) -> bool:
    if isinstance(value, str):
        return any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, dict):
        return any(_has_surrogate(part) for item in value.items() for part in item)
    if isinstance(value, list):
        return any(_has_surrogate(part) for part in value)
    return False
