"""The frames of the protocol, one class each, and JSON objects to and from them.

A frame has no type member: it is known by the members it has, in an order of precedence that each
``parse_`` function below follows. They are lenient as the specification demands (unknown members
are ignored, and so is what a peer says of itself); ``members()`` of a frame is strict.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from typing import Any

from attrs import frozen

from chatroom_protocol.errors import ErrorCode, Refusal, Rejection, RejectionCode
from chatroom_protocol.framing import JSONObject
from chatroom_protocol.limits import (
    MAX_PING_CODE_POINTS,
    MAX_USERNAME_CODE_POINTS,
    MAX_USERNAME_OCTETS,
)

JOIN_TEXT = "User has connected"
LEAVE_TEXT = "{} is offline\n"

ROSTER = "roster"
PING = "ping"
EXTENSIONS = (PING, ROSTER)

# General category Cc, and the property Bidi_Control, as of Unicode 13.0.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_BIDI_CONTROL = re.compile(r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# The property White_Space, as of Unicode 13.0.
_WHITE_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
_SURROGATE = re.compile("[\ud800-\udfff]")


def username_fault(name: str) -> str | None:
    """Say in one sentence why ``name`` is no acceptable username; None if it is one.

    Specification: [NAME], section "Names".
    """
    if not name:
        return "a username has at least one character"
    if len(name) > MAX_USERNAME_CODE_POINTS:
        return f"a username has at most {MAX_USERNAME_CODE_POINTS} characters, not {len(name):,}"
    if _SURROGATE.search(name):
        return "a username is Unicode text, without half of a surrogate pair"
    octets = len(name.encode())
    if octets > MAX_USERNAME_OCTETS:
        return f"a username has at most {MAX_USERNAME_OCTETS} octets in UTF-8, not {octets}"
    if _CONTROL.search(name):
        return "a username has no control characters"
    if _BIDI_CONTROL.search(name):
        return "a username has no characters that control the direction of text"
    if name[0] in _WHITE_SPACE or name[-1] in _WHITE_SPACE:
        return "a username does not begin or end with white space"
    if not unicodedata.is_normalized("NFC", name):
        return "a username is in Unicode normalization form NFC"
    return None


def text_fault(text: str) -> str | None:
    """Say in one sentence why ``text`` cannot be sent in a frame; None if it can.

    Specification: [JSON].
    """
    if _SURROGATE.search(text):
        return "a text is Unicode, without half of a surrogate pair"
    return None


def token_fault(token: str) -> str | None:
    """Say in one sentence why ``token`` cannot be pinged with; None if it can.

    Specification: [PING].
    """
    if len(token) > MAX_PING_CODE_POINTS:
        return f"a ping token has at most {MAX_PING_CODE_POINTS} characters, not {len(token):,}"
    return text_fault(token)


@frozen
class Join:
    """Client to server, the first frame: asks for a name and for extensions."""

    username: str
    extensions: tuple[str, ...] = ()

    def members(self) -> JSONObject:
        """Give the members of the JSON object."""
        if self.extensions:
            return {"username": self.username, "extensions": list(self.extensions)}
        return {"username": self.username}


@frozen
class JoinResponse:
    """Server to client, the first frame: whether the client has joined.

    ``error_code`` is None only in what a server of another make sent without an integer.
    """

    is_connected: bool
    error_code: int | None
    extensions: tuple[str, ...] = ()

    def members(self) -> JSONObject:
        """Give the members of the JSON object."""
        code = None if self.error_code is None else int(self.error_code)
        members: JSONObject = {"isConnected": self.is_connected, "errorCode": code}
        if self.extensions:
            members["extensions"] = list(self.extensions)
        return members


@frozen
class ClientMessage:
    """Client to server: a text for everyone (``dm`` is None) or for one user alone."""

    message: str
    dm: str | None = None
    sender: str = ""

    def members(self) -> JSONObject:
        """Give the members of the JSON object: all three, since original servers want them."""
        return {"message": self.message, "dm": self.dm, "sender": self.sender}


@frozen
class ServerMessage:
    """Server to client: a text that a user said, or a notice of the server itself.

    Attributes:
        message: the text.
        dm: the addressee of a private message or of a notice; None for everyone.
        sender: the username of who said it; ``""`` is the server.
        length: code points in ``message``, by the sender's count.
        date: when the server had it, as RFC 3339 with a space, or whatever the server sent.
    """

    message: str
    dm: str | None
    sender: str
    length: int
    date: str

    def members(self) -> JSONObject:
        """Give the members of the JSON object."""
        return {
            "message": self.message,
            "dm": self.dm,
            "sender": self.sender,
            "length": self.length,
            "date": self.date,
        }

    @property
    def is_notice(self) -> bool:
        """Whether the server itself speaks. Specification: [NOTICE]."""
        return not self.sender

    @property
    def is_private(self) -> bool:
        """Whether a user said it to one user alone."""
        return bool(self.sender) and self.dm is not None

    @property
    def announces_join(self) -> bool:
        """Whether it reads as a join notice; a user can say the same words."""
        return bool(self.sender) and self.dm is None and self.message == JOIN_TEXT

    @property
    def announces_leave(self) -> bool:
        """Whether it reads as a leave notice; a user can say the same words."""
        return (
            bool(self.sender) and self.dm is None and self.message == LEAVE_TEXT.format(self.sender)
        )


@frozen
class Disconnect:
    """Either way: the last frame. A client names itself, a server does not."""

    sender: str | None = None

    def members(self) -> JSONObject:
        """Give the members of the JSON object."""
        if self.sender is None:
            return {"disconnect": True}
        return {"disconnect": True, "sender": self.sender}


@frozen
class Roster:
    """Server to client, once, where ``roster`` was granted: everybody who has joined."""

    usernames: tuple[str, ...]

    def members(self) -> JSONObject:
        """Give the members of the JSON object."""
        return {"roster": list(self.usernames)}


@frozen
class Ping:
    """Either way, where ``ping`` was granted: asks for a :class:`Pong` with the same token."""

    token: str

    def members(self) -> JSONObject:
        """Give the members of the JSON object."""
        return {"ping": self.token}


@frozen
class Pong:
    """Either way, where ``ping`` was granted: answers a :class:`Ping`."""

    token: str

    def members(self) -> JSONObject:
        """Give the members of the JSON object."""
        return {"pong": self.token}


ClientFrame = Join | ClientMessage | Disconnect | Ping | Pong
ServerFrame = JoinResponse | ServerMessage | Disconnect | Roster | Ping | Pong
Frame = ClientFrame | ServerFrame


def _strings(value: Any) -> tuple[str, ...]:
    """Give the strings of an array of strings, each once; of anything else, none."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(dict.fromkeys(value))
    return ()


def parse_join(members: JSONObject) -> Join | Refusal:
    """Read the first object that a client sent. Specification: [JOIN], [ERR]."""
    username = members.get("username")
    if not isinstance(username, str):
        return Refusal(
            ErrorCode.NOT_A_JOIN,
            "the first frame is a join, with a username that is a string",
        )
    fault = username_fault(username)
    if fault:
        return Refusal(ErrorCode.BAD_USERNAME, fault)
    return Join(username, _strings(members.get("extensions")))


def parse_client_frame(
    members: JSONObject, granted: Collection[str]
) -> ClientMessage | Disconnect | Ping | Pong | Rejection | None:
    """Read an object that a client sent after its join; None is a frame that is ignored.

    Specification: [FRAME], "which frame it is": ``disconnect`` before ``message`` before the
    extensions that were granted.
    """
    if "disconnect" in members:
        if members["disconnect"] is True:
            return Disconnect(_string_or_none(members.get("sender")))
        return Rejection(
            RejectionCode.BAD_DISCONNECT,
            "disconnect has to be true; anything else does nothing",
        )
    if "message" in members:
        return _parse_client_message(members)
    if PING in granted:
        if "ping" in members:
            return _parse_ping(members["ping"])
        if "pong" in members:
            return _parse_pong(members["pong"])
    return None


def _parse_client_message(members: JSONObject) -> ClientMessage | Rejection:
    text = members["message"]
    if not isinstance(text, str):
        return Rejection(
            RejectionCode.BAD_MESSAGE,
            "the message was not delivered, because message has to be a string",
        )
    dm = members.get("dm")
    if dm is not None and not isinstance(dm, str):
        return Rejection(
            RejectionCode.BAD_DM,
            "the message was not delivered, because dm has to be a username, or null for everyone",
        )
    sender = members.get("sender")
    return ClientMessage(text, dm or None, sender if isinstance(sender, str) else "")


def _parse_ping(token: Any) -> Ping | Rejection:
    fault = token_fault(token) if isinstance(token, str) else "a ping token is a string"
    return Rejection(RejectionCode.BAD_PING, fault) if fault else Ping(token)


def _parse_pong(token: Any) -> Pong | None:
    return Pong(token) if isinstance(token, str) and not token_fault(token) else None


def _string_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def parse_server_frame(members: JSONObject) -> ServerFrame | None:
    """Read an object that a server sent; None is one that a client ignores.

    Specification: [FRAME], "which frame it is": ``isConnected`` before ``disconnect`` before
    ``message`` before the extensions.
    """
    if "isConnected" in members:
        return _parse_join_response(members)
    if "disconnect" in members:
        return Disconnect() if members["disconnect"] is True else None
    if "message" in members:
        return _parse_server_message(members)
    if "roster" in members:
        return _parse_roster(members["roster"])
    if "ping" in members:
        ping = _parse_ping(members["ping"])
        return None if isinstance(ping, Rejection) else ping
    return _parse_pong(members.get("pong"))


def _parse_roster(value: Any) -> Roster | None:
    return Roster(_strings(value)) if value == [] or _strings(value) else None


def _parse_join_response(members: JSONObject) -> JoinResponse:
    code = members.get("errorCode")
    if not isinstance(code, int) or isinstance(code, bool):
        code = None
    is_connected = members["isConnected"] is True
    return JoinResponse(is_connected, code, _strings(members.get("extensions")))


def _parse_server_message(members: JSONObject) -> ServerMessage | None:
    text, dm, sender = (members.get(name) for name in ("message", "dm", "sender"))
    if not isinstance(text, str) or not isinstance(sender, str):
        return None
    if dm is not None and not isinstance(dm, str):
        return None
    length, date = members.get("length"), members.get("date")
    if not isinstance(length, int) or isinstance(length, bool):
        length = len(text)
    return ServerMessage(text, dm or None, sender, length, date if isinstance(date, str) else "")
