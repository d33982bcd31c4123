"""What can go wrong, and who is told.

The error strategy, stated once:

- The peer's mistakes are *events*, never exceptions. There are three grades. A refusal answers a
  connection that has not joined, with an :class:`ErrorCode`. A violation ends a connection that
  has joined, with a :class:`ViolationCode`. A rejection drops one frame and keeps the connection,
  with a :class:`RejectionCode`. Only the first kind of code travels; the other two become the
  text of a notice.
- The caller's mistakes are exceptions: :class:`LocalProtocolError`, raised before anything has
  changed, with a sentence that can be shown to the user.
"""

from __future__ import annotations

from enum import Enum, IntEnum

from attrs import frozen


class ErrorCode(IntEnum):
    """``errorCode`` of a join response. Specification: section "Errors", registry."""

    ACCEPTED = -1
    USERNAME_TAKEN = 1
    SERVER_FULL = 2
    BAD_USERNAME = 3
    NOT_A_JOIN = 4
    JOIN_TIMEOUT = 5


class ViolationCode(Enum):
    """Why bytes are no frame at all. Specification: section "Errors", violations."""

    NOT_JSON = "not-json"
    NOT_UTF_8 = "not-utf-8"
    NOT_AN_OBJECT = "not-an-object"
    TOO_LARGE = "too-large"
    TOO_DEEP = "too-deep"
    DUPLICATE_NAME = "duplicate-name"
    NUMBER_OUT_OF_RANGE = "number-out-of-range"
    LONE_SURROGATE = "lone-surrogate"


class RejectionCode(Enum):
    """Why a frame is not acted upon. Specification: section "Errors", rejections."""

    BAD_MESSAGE = "bad-message"
    BAD_DM = "bad-dm"
    UNKNOWN_ADDRESSEE = "unknown-addressee"
    MESSAGE_TOO_LONG = "message-too-long"
    BAD_DISCONNECT = "bad-disconnect"
    BAD_PING = "bad-ping"


class LocalProtocolError(Exception):
    """The program asked for what the protocol does not allow; nothing was changed or sent."""


@frozen
class ProtocolViolation:
    """The peer's bytes are no frame; nothing that follows them is read.

    Attributes:
        code: what kind of fault it is.
        detail: one sentence for a person.
        offset: octets received before the fault, counted from the start of the stream; where only
            the frame is known to be at fault, that of its ``{``.
    """

    code: ViolationCode
    detail: str
    offset: int


@frozen
class Refusal:
    """The connection did not join; it was answered with ``code`` and closes."""

    code: ErrorCode
    detail: str


@frozen
class Rejection:
    """One frame was not acted upon; ``detail`` went to its sender as a notice."""

    code: RejectionCode
    detail: str
