"""Bytes to JSON objects and back, in time linear in the bytes.

A frame ends where the brackets outside strings balance, so it needs no newline and no segment
boundary. There are two ways through :class:`Decoder`:

- the *quick* way hands the text of a whole chunk to the C parser of :mod:`json`, which finds the
  end of each object by itself. It only ever takes frames that are certainly good;
- the *careful* way looks for the end of one frame, keeps its place between chunks, and is the only
  one that reports a fault.

So what is reported, and where, depends on the bytes alone and never on how they were cut. A chunk
goes the careful way to the end of a frame that an earlier chunk began, then the quick way until
that fails, then the careful way: three passes at most, whatever the bytes are.
"""

from __future__ import annotations

import json
import math
import re
from codecs import utf_8_decode
from collections.abc import Callable
from json.encoder import encode_basestring_ascii
from typing import Any

from chatroom_protocol.errors import LocalProtocolError, ProtocolViolation, ViolationCode

JSONObject = dict[str, Any]

_WHITESPACE = re.compile(r"[ \t\n\r]+")
_WHITESPACE_OCTETS = re.compile(rb"[ \t\n\r]*")
_BRACKET_OR_QUOTE = re.compile(rb'[{}\[\]"]')
_QUOTE_OR_ESCAPE = re.compile(rb'["\\]')
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_OTHER_JSON_VALUE = b'["-0123456789tfn'
# No integer with fewer digits than this can be beyond the range of a double.
_SAFE_DIGITS = 300
# More digits than this are beyond it, and int() may refuse them for their number alone.
_MAX_DIGITS = 310


class _FaultError(ValueError):
    """A fault that the JSON parser's hooks found."""

    def __init__(self, code: ViolationCode, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def _object(pairs: list[tuple[str, Any]]) -> JSONObject:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _FaultError(ViolationCode.DUPLICATE_NAME, "an object has two members of one name")
    return members


def _integer(digits: str) -> int:
    if len(digits) >= _SAFE_DIGITS and (len(digits) > _MAX_DIGITS or math.isinf(float(digits))):
        raise _out_of_range()
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise _out_of_range()
    return value


def _out_of_range() -> _FaultError:
    return _FaultError(
        ViolationCode.NUMBER_OUT_OF_RANGE, "a number is beyond the range of a double"
    )


def _constant(name: str) -> Any:
    raise _FaultError(ViolationCode.NOT_JSON, f"{name} is no JSON value")


_parse = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_integer,
    parse_float=_float,
    parse_constant=_constant,
).raw_decode


def _has_lone_surrogate(value: Any) -> bool:
    """Whether any string of ``value`` has one; the nesting is bounded by the decoder."""
    if isinstance(value, str):
        return any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, dict):
        return any(_has_lone_surrogate(part) for pair in value.items() for part in pair)
    return isinstance(value, list) and any(map(_has_lone_surrogate, value))


class Decoder:
    """Takes the octets of one direction as they come and gives the JSON objects in them.

    Args:
        max_frame_octets: the largest frame taken, from ``{`` to ``}``.
        max_depth: the deepest nesting taken; the frame itself is depth 1.

    At most one unfinished frame is kept, never more than ``max_frame_octets``. Specification:
    [FRAME], [JSON] and the limits "client-frame", "server-frame" and "depth".
    """

    def __init__(self, max_frame_octets: int, max_depth: int) -> None:
        self._max_frame_octets = max_frame_octets
        self._max_depth = max_depth
        self._buffer = bytearray()
        self._offset = 0
        self._failed = False
        self._begin_frame()

    def _begin_frame(self) -> None:
        self._place = 0
        self._depth = 0
        self._in_string = False

    def receive_data(self, data: bytes) -> list[JSONObject | ProtocolViolation]:
        """Take octets; return the objects they complete, in order.

        A :class:`ProtocolViolation` is the last thing ever returned: what comes behind it is
        thrown away. Nothing the peer sends makes this raise.
        """
        found: list[JSONObject | ProtocolViolation] = []
        if self._failed:
            return found
        if self._buffer:
            self._buffer += data
            if not self._take_one(found):
                return found
            data = bytes(self._buffer)
            self._buffer.clear()
        taken = self._take_quickly(data, found) if b"}" in data else 0
        self._offset += taken
        if taken < len(data):
            self._buffer += data[taken:]
            while self._take_one(found):
                pass
        return found

    def _take_quickly(self, data: bytes, found: list[JSONObject | ProtocolViolation]) -> int:
        """Take good frames from the start of ``data``; return how many octets they were."""
        try:
            text, _ = utf_8_decode(data, "strict", False)
        except UnicodeDecodeError:
            return 0
        place, length = 0, len(text)
        doubtful = (
            len(data) > self._max_frame_octets
            or data.count(b"{") + data.count(b"[") > self._max_depth
            or b"\\u" in data
        )
        try:
            while place < length:
                if not text.startswith("{", place):
                    blanks = _WHITESPACE.match(text, place)
                    if not blanks:
                        break
                    place = blanks.end()
                    continue
                value, end = _parse(text, place)
                if doubtful and (
                    self._may_break_a_limit(text, place, end) or _has_lone_surrogate(value)
                ):
                    break
                found.append(value)
                place = end + 1 if text.startswith("\n", end) else end
        except (ValueError, RecursionError):
            pass  # unfinished or faulty: the careful way finds out which
        return place if text.isascii() else len(text[:place].encode())

    def _may_break_a_limit(self, text: str, start: int, end: int) -> bool:
        """Whether frames in this text may be over a limit; no code point takes over 4 octets."""
        octets = end - start if text.isascii() else 4 * (end - start)
        if octets > self._max_frame_octets:
            octets = len(text[start:end].encode())
        return (
            octets > self._max_frame_octets
            or text.count("{", start, end) + text.count("[", start, end) > self._max_depth
        )

    def _take_one(self, found: list[JSONObject | ProtocolViolation]) -> bool:
        """Take one frame from the buffer; return whether another may follow."""
        if not self._depth and not self._skip_to_frame(found):
            return False
        end = self._find_end(found)
        if end is None:
            return False
        frame = bytes(self._buffer[:end])
        try:
            value = self._decode(frame)
        except _FaultError as fault:
            self._fail(found, fault.code, fault.detail, 0)
            return False
        except UnicodeDecodeError as error:
            detail = f"the octets are not UTF-8 ({error.reason})"
            self._fail(found, ViolationCode.NOT_UTF_8, detail, error.start)
            return False
        except json.JSONDecodeError as error:
            place = len(error.doc[: error.pos].encode())
            self._fail(found, ViolationCode.NOT_JSON, f"it is not JSON: {error.msg}", place)
            return False
        found.append(value)
        del self._buffer[:end]
        self._offset += end
        self._begin_frame()
        return bool(self._buffer)

    def _skip_to_frame(self, found: list[JSONObject | ProtocolViolation]) -> bool:
        """Drop white space from the buffer; return whether a frame begins behind it."""
        blanks = _WHITESPACE_OCTETS.match(self._buffer).end()  # type: ignore[union-attr]
        del self._buffer[:blanks]
        self._offset += blanks
        if self._buffer.startswith(b"{"):
            return True
        if self._buffer:
            if self._buffer[0] in _OTHER_JSON_VALUE:
                code, detail = ViolationCode.NOT_AN_OBJECT, "it is no JSON object"
            else:
                code, detail = ViolationCode.NOT_JSON, "it is not JSON"
            self._fail(found, code, f"{detail}; a frame begins with '{{'", 0)
        return False

    def _find_end(self, found: list[JSONObject | ProtocolViolation]) -> int | None:
        """Go on looking for the end of the frame; None if it has none yet, or a fault.

        Every octet is looked at once, however often this is called: ``_place`` is where it goes
        on. It may lie one octet behind the buffer, when an escape was cut in two.
        """
        buffer = self._buffer
        stop = min(len(buffer), self._max_frame_octets)
        while self._place < stop:
            pattern = _QUOTE_OR_ESCAPE if self._in_string else _BRACKET_OR_QUOTE
            match = pattern.search(buffer, self._place, stop)
            if match is None:
                self._place = stop
                break
            self._place = match.end()
            self._step(match[0])
            if self._depth > self._max_depth:
                detail = f"the nesting is deeper than {self._max_depth} levels"
                self._fail(found, ViolationCode.TOO_DEEP, detail, self._place - 1)
                return None
            if not self._depth:
                return self._place
        if len(buffer) >= self._max_frame_octets:
            detail = f"the frame is larger than {self._max_frame_octets:,} octets"
            self._fail(found, ViolationCode.TOO_LARGE, detail, self._max_frame_octets)
        return None

    def _step(self, token: bytes) -> None:
        if token == b'"':
            self._in_string = not self._in_string
        elif token == b"\\":
            self._place += 1
        elif token in b"{[":
            self._depth += 1
        else:
            self._depth -= 1

    def _decode(self, frame: bytes) -> JSONObject:
        text = frame.decode()
        value: JSONObject = _parse(text)[0]
        if _SURROGATE_ESCAPE.search(text) and _has_lone_surrogate(value):
            raise _FaultError(ViolationCode.LONE_SURROGATE, "a string has half of a surrogate pair")
        return value

    def _fail(
        self,
        found: list[JSONObject | ProtocolViolation],
        code: ViolationCode,
        detail: str,
        place: int,
    ) -> None:
        found.append(ProtocolViolation(code, detail, self._offset + place))
        self._failed = True
        self._buffer.clear()


def _encoder(*, ascii_only: bool) -> Callable[[Any], str]:
    return json.JSONEncoder(
        ensure_ascii=ascii_only, allow_nan=False, check_circular=False, separators=(",", ":")
    ).encode


quote: Callable[[str], str] = encode_basestring_ascii
"""Gives a text as a JSON string in ASCII."""

_encode_ascii = _encoder(ascii_only=True)
_encode_unicode = _encoder(ascii_only=False)


def encode(members: JSONObject, max_octets: int) -> bytes:
    r"""Give the octets of one frame, with the LF that ends it.

    Everything beyond ASCII is escaped, since there are legacy peers that read another charset
    than UTF-8; where only that makes the frame larger than ``max_octets`` it is left as UTF-8.

    Raises:
        LocalProtocolError: the frame is larger than ``max_octets`` either way (its ``}``
            included, its LF not).
    """
    frame = _encode_ascii(members).encode("ascii")
    if len(frame) > max_octets:
        frame = _encode_unicode(members).encode()
    if len(frame) > max_octets:
        msg = f"this takes {len(frame):,} octets, and at most {max_octets:,} can be sent"
        raise LocalProtocolError(msg)
    return frame + b"\n"
