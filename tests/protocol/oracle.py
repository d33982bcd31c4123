"""A decoder that is slow and obvious, to be compared with the real one.

It takes a whole stream at once, octet by octet, after the words of the specification (Sections
3.2, 4.2 and 10), and shares nothing with the package but the names of the faults.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chatroom_protocol import ViolationCode as Code

WHITE = b" \t\n\r"
HEX = "0123456789abcdefABCDEF"
ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
# The lead octets of RFC 3629, and what may follow each.
TAIL = (0x80, 0xBF)
LEADS = [
    (0xC2, 0xDF, [TAIL]),
    (0xE0, 0xE0, [(0xA0, 0xBF), TAIL]),
    (0xE1, 0xEC, [TAIL, TAIL]),
    (0xED, 0xED, [(0x80, 0x9F), TAIL]),
    (0xEE, 0xEF, [TAIL, TAIL]),
    (0xF0, 0xF0, [(0x90, 0xBF), TAIL, TAIL]),
    (0xF1, 0xF3, [TAIL, TAIL, TAIL]),
    (0xF4, 0xF4, [(0x80, 0x8F), TAIL, TAIL]),
]


class FrameError(Exception):
    """A frame is none."""

    def __init__(self, code: Code, offset: int | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.offset = offset


def decode(
    data: bytes, max_octets: int, max_depth: int
) -> tuple[list[dict[str, Any]], FrameError | None]:
    """Give the objects of a stream, and the fault that ended it (offset None: in the frame)."""
    objects: list[dict[str, Any]] = []
    place = 0
    while place < len(data):
        if data[place] in WHITE:
            place += 1
            continue
        try:
            end = find_end(data, place, max_octets, max_depth)
            if end is None:
                return objects, None
            objects.append(Parser(utf_8(data[place:end], place)).whole())
        except FrameError as fault:
            return objects, fault
        place = end
    return objects, None


def find_end(data: bytes, start: int, max_octets: int, max_depth: int) -> int | None:
    """Give the place behind the frame that begins at ``start``; None where it is unfinished."""
    if data[start] != ord("{"):
        other = data[start] in b'["-0123456789tfn'
        raise FrameError(Code.NOT_AN_OBJECT if other else Code.NOT_JSON, start)
    depth = 0
    for place, octet in outside_strings(data, start, max_octets):
        if octet in b"{[":
            depth += 1
            if depth > max_depth:
                raise FrameError(Code.TOO_DEEP, place)
        elif octet in b"}]":
            depth -= 1
            if depth == 0:
                return place + 1
    if len(data) - start >= max_octets:
        raise FrameError(Code.TOO_LARGE, start + max_octets)
    return None


def outside_strings(data: bytes, start: int, most: int) -> Iterator[tuple[int, int]]:
    """Give the octets of a frame that are in no string, with their places."""
    in_string, escaped = False, False
    for place in range(start, min(start + most, len(data))):
        octet = chr(data[place])
        if escaped:
            escaped = False
        elif in_string:
            escaped = octet == "\\"
            in_string = octet != '"'
        elif octet == '"':
            in_string = True
        else:
            yield place, data[place]


def utf_8(data: bytes, offset: int) -> str:
    """Decode by the table of RFC 3629."""
    text, place = "", 0
    while place < len(data):
        lead = data[place]
        ranges = next((tail for low, high, tail in LEADS if low <= lead <= high), None)
        if lead < 0x80:
            ranges = []
        rest = data[place + 1 : place + 1 + len(ranges or [])]
        if ranges is None or len(rest) < len(ranges):
            raise FrameError(Code.NOT_UTF_8, offset + place)
        if not all(low <= octet <= high for octet, (low, high) in zip(rest, ranges, strict=True)):
            raise FrameError(Code.NOT_UTF_8, offset + place)
        number = lead if lead < 0x80 else lead & (0x3F >> len(rest))
        for octet in rest:
            number = number * 64 + octet - 0x80
        text += chr(number)
        place += 1 + len(rest)
    return text


class Parser:
    """RFC 8259, a method for each of its rules."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0
        self.surrogate = False

    def whole(self) -> dict[str, Any]:
        value = self.object()
        if self.place != len(self.text):
            raise FrameError(Code.NOT_JSON)
        if self.surrogate:
            raise FrameError(Code.LONE_SURROGATE)
        return value

    def peek(self) -> str:
        return self.text[self.place : self.place + 1]

    def white(self) -> None:
        while self.peek() in set(" \t\n\r"):
            self.place += 1

    def take(self, word: str) -> bool:
        if not self.text.startswith(word, self.place):
            return False
        self.place += len(word)
        return True

    def need(self, word: str) -> None:
        if not self.take(word):
            raise FrameError(Code.NOT_JSON)

    def value(self) -> Any:
        for word, value in (("true", True), ("false", False), ("null", None)):
            if self.take(word):
                return value
        first = self.peek()
        if first == "{":
            return self.object()
        if first == "[":
            return self.array()
        if first == '"':
            return self.string()
        return self.number()

    def object(self) -> dict[str, Any]:
        pairs: list[tuple[str, Any]] = []
        self.need("{")
        self.white()
        while not (not pairs and self.peek() == "}"):
            name = self.string()
            self.white()
            self.need(":")
            self.white()
            pairs.append((name, self.value()))
            self.white()
            if self.peek() == "}":
                break
            self.need(",")
            self.white()
        self.need("}")
        names = [name for name, _ in pairs]
        if any(names.count(name) > 1 for name in names):
            raise FrameError(Code.DUPLICATE_NAME)
        return {name: value for name, value in pairs}  # noqa: C416 - spelled out, like the rest

    def array(self) -> list[Any]:
        values: list[Any] = []
        self.need("[")
        self.white()
        while not (not values and self.peek() == "]"):
            values.append(self.value())
            self.white()
            if self.peek() == "]":
                break
            self.need(",")
            self.white()
        self.need("]")
        return values

    def string(self) -> str:
        self.need('"')
        units: list[int] = []
        while not self.take('"'):
            character = self.peek()
            if character == "" or ord(character) < 0x20:
                raise FrameError(Code.NOT_JSON)
            self.place += 1
            if character != "\\":
                units += utf_16(character)
            elif self.take("u"):
                digits = self.text[self.place : self.place + 4]
                if len(digits) < 4 or any(digit not in HEX for digit in digits):
                    raise FrameError(Code.NOT_JSON)
                self.place += 4
                units.append(int(digits, 16))
            elif self.peek() and self.peek() in ESCAPES:
                units += utf_16(ESCAPES[self.peek()])
                self.place += 1
            else:
                raise FrameError(Code.NOT_JSON)
        return self.join(units)

    def join(self, units: list[int]) -> str:
        text, place = "", 0
        while place < len(units):
            unit = units[place]
            low = units[place + 1] if place + 1 < len(units) else 0
            if 0xD800 <= unit < 0xDC00 and 0xDC00 <= low < 0xE000:
                text += chr(0x10000 + (unit - 0xD800) * 0x400 + low - 0xDC00)
                place += 2
                continue
            self.surrogate = self.surrogate or 0xD800 <= unit < 0xE000
            text += chr(unit)
            place += 1
        return text

    def digits(self) -> str:
        start = self.place
        while self.peek() and self.peek() in "0123456789":
            self.place += 1
        return self.text[start : self.place]

    def number(self) -> int | float:
        start = self.place
        self.take("-")
        if not self.take("0") and not self.digits():
            raise FrameError(Code.NOT_JSON)
        end, whole = self.place, True
        if self.take(".") and self.digits():
            end, whole = self.place, False
        self.place = end
        if self.take("e") or self.take("E"):
            _ = self.take("+") or self.take("-")
            if self.digits():
                end, whole = self.place, False
        self.place = end
        digits = self.text[start:end]
        if abs(float(digits)) == float("inf"):
            raise FrameError(Code.NUMBER_OUT_OF_RANGE)
        return int(digits) if whole else float(digits)


def utf_16(character: str) -> list[int]:
    number = ord(character)
    if number < 0x10000:
        return [number]
    return [0xD800 + (number - 0x10000) // 0x400, 0xDC00 + (number - 0x10000) % 0x400]
