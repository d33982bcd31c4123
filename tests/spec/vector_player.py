"""Plays the test vectors of spec/vectors: on one connection, and on a room seen from outside."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timezone
from functools import cache
from typing import Any

from attrs import field, frozen

from chatroom_protocol.connection import (
    ClientConnection,
    EndOfStream,
    Event,
    ServerConnection,
)
from chatroom_protocol.errors import ProtocolViolation, Refusal, Rejection
from chatroom_protocol.frames import (
    EXTENSIONS,
    JOIN_TEXT,
    LEAVE_TEXT,
    ClientMessage,
    Disconnect,
    Join,
    JoinResponse,
    Ping,
    Pong,
    Roster,
    ServerMessage,
)
from chatroom_protocol.framing import Decoder
from chatroom_protocol.limits import ClientLimits, ServerLimits
from chatroom_protocol.room import Abort, Action, Close, Room, Send, SendEOF
from tests.spec.documents import vector_files

NAMES = {"self": "alice", "other": "derek", "nobody": "carol"}
CUTS = ("one", "pieces", "octets")
# From here on the middle is not cut at every octet, so that the run stays quick.
_ENDS = 2048
_CHUNK = 1021

JSONObject = dict[str, Any]


@frozen
class Vector:
    """One vector, with the receiver that its file names."""

    receiver: str
    file: str
    members: JSONObject = field(repr=False)

    @property
    def id(self) -> str:
        return str(self.members["id"])

    @property
    def granted(self) -> tuple[str, ...]:
        return tuple(self.members.get("granted", ()))

    def __getitem__(self, name: str) -> Any:
        return self.members[name]


@cache
def files() -> dict[str, JSONObject]:
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in vector_files()}


@cache
def vectors() -> tuple[Vector, ...]:
    return tuple(
        Vector(content["receiver"], name, vector)
        for name, content in files().items()
        for vector in content["vectors"]
    )


def pieces(value: Any) -> list[bytes]:
    """The pieces of "octets" in the sense of the vectors' README, in order."""
    return [value.encode()] if isinstance(value, str) else [_piece(piece) for piece in value]


def _piece(piece: Any) -> bytes:
    if isinstance(piece, str):
        return piece.encode()
    if "hex" in piece:
        once = bytes.fromhex(piece["hex"])
    else:
        once = (piece["text"] if "text" in piece else NAMES[piece["name"]]).encode()
    return bytes(once * int(piece.get("times", 1)))


def text(value: Any) -> Any:
    """A text of the vectors as a string; null stays null."""
    return None if value is None else b"".join(pieces(value)).decode()


def segments(vector: Vector, cut: str) -> list[bytes]:
    parts = pieces(vector["input"])
    whole = b"".join(parts)
    if cut == "pieces":
        return parts
    if cut == "one":
        return [whole]
    if len(whole) <= 2 * _ENDS:
        return _cut(whole, 1)
    middle = _cut(whole[_ENDS:-_ENDS], _CHUNK)
    return [*_cut(whole[:_ENDS], 1), *middle, *_cut(whole[-_ENDS:], 1)]


def _cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def line(members: JSONObject) -> bytes:
    return json.dumps(members).encode() + b"\n"


# ------------------------------------------------------------------ one connection


def play(vector: Vector, cut: str) -> list[JSONObject]:
    """The events that the package reports, in the words of the vectors."""
    events, prefix = _REPORTS[vector.receiver](vector, segments(vector, cut))
    return [_in_words(event, prefix) for event in events]


def _in_words(event: Event, prefix: int) -> JSONObject:
    """An event as the vectors write it; `prefix` octets came before the vector's own."""
    match event:
        case Join(username, extensions):
            return {"event": "join", "username": username, "extensions": list(extensions)}
        case ClientMessage(message, dm):
            return {"event": "message", "message": message, "dm": dm}
        case ServerMessage(message, dm, sender):
            return {"event": "message", "message": message, "dm": dm, "sender": sender}
        case JoinResponse(granted, code, extensions):
            known = {"granted": granted, "code": code, "extensions": list(extensions)}
            return {"event": "join-response", **known}
        case Roster(usernames):
            return {"event": "roster", "usernames": list(usernames)}
        case Ping(token) | Pong(token):
            return {"event": type(event).__name__.lower(), "token": token}
        case ProtocolViolation(fault, _, offset):
            return {"event": "violation", "code": fault.value, "offset": offset - prefix}
    return _short_words(event)


def _short_words(event: Event) -> JSONObject:
    match event:
        case Refusal(code):
            return {"event": "refusal", "code": int(code)}
        case Rejection(reason):
            return {"event": "rejection", "code": reason.value}
        case Disconnect():
            return {"event": "disconnect"}
        case EndOfStream():
            return {"event": "end"}
    raise AssertionError(event)


def expected_events(vector: Vector) -> list[JSONObject]:
    return [{name: _expanded(name, event[name]) for name in event} for event in vector["events"]]


def _expanded(name: str, value: Any) -> Any:
    if name in ("username", "message", "dm", "sender", "token"):
        return text(value)
    return [text(item) for item in value] if name == "usernames" else value


def clock() -> datetime:
    return datetime(2026, 3, 14, 15, 9, 26, tzinfo=timezone.utc)


def _server_reports(vector: Vector, data: Iterable[bytes]) -> tuple[list[Event], int]:
    connection = ServerConnection(clock)
    prefix = b""
    if vector["state"] == "joined":
        prefix = line({"username": NAMES["self"], "extensions": list(vector.granted)})
        connection.receive_data(prefix)
        connection.accept(vector.granted)
    events: list[Event] = []
    for segment in data:
        connection.feed(segment)
        events += _drain(connection)
    if vector.members.get("end"):
        connection.feed_eof()
        events += _drain(connection)
    return events, len(prefix)


def _drain(connection: ServerConnection) -> Iterator[Event]:
    while (event := connection.next_event()) is not None:
        if isinstance(event, Join):
            connection.accept(set(event.extensions) & set(EXTENSIONS))
        yield event


def client_in_state(vector: Vector) -> tuple[ClientConnection, int]:
    """A client in the vector's state, and how many octets it has received."""
    connection = ClientConnection(extensions=("roster", "ping"))
    prefix = b""
    if vector["state"] != "idle":
        connection.join(NAMES["self"])
    if vector["state"] in ("joined", "leaving"):
        response = {"isConnected": True, "errorCode": -1}
        prefix = line(response | ({"extensions": vector.granted} if vector.granted else {}))
        connection.receive_data(prefix)
    if vector["state"] == "leaving":
        connection.leave()
    connection.data_to_send()
    return connection, len(prefix)


def feed_client(connection: ClientConnection, vector: Vector, data: Iterable[bytes]) -> list[Event]:
    events: list[Event] = []
    for segment in data:
        events += connection.receive_data(segment)
    if vector.members.get("end"):
        events += connection.receive_eof()
    return events


def _client_reports(vector: Vector, data: Iterable[bytes]) -> tuple[list[Event], int]:
    connection, prefix = client_in_state(vector)
    return feed_client(connection, vector, data), prefix


_REPORTS = {"server": _server_reports, "client": _client_reports}


def decoded(vector: Vector, cut: str) -> list[JSONObject | ProtocolViolation]:
    """What a bare decoder, with the limits of the vector's receiver, makes of the input."""
    limits = ServerLimits() if vector.receiver == "server" else ClientLimits()
    decoder = Decoder(limits.max_frame_octets, limits.max_depth)
    return [item for part in segments(vector, cut) for item in decoder.receive_data(part)]


# ------------------------------------------------------------------ a server from outside


@frozen
class Seen:
    """What a course of reactions looks like: frames to each, and whether the end has come."""

    to_self: tuple[JSONObject, ...]
    to_other: tuple[JSONObject, ...]
    closed: bool


class Onlooker:
    """A room with `other` in it and the vector's connection, which records what each is sent."""

    def __init__(self, vector: Vector) -> None:
        self.room: Room[str] = Room(clock)
        self.sent: dict[str, list[JSONObject]] = {"self": [], "other": []}
        self.closed = False
        self.room.connection_made("other", 0)
        self.room.receive_data("other", line({"username": NAMES["other"]}), 0)
        self.room.connection_made("self", 0)
        if vector["state"] == "joined":
            asked = {"username": NAMES["self"], "extensions": list(vector.granted)}
            self.room.receive_data("self", line(asked), 0)

    def take(self, actions: Iterable[Action[str]]) -> None:
        for action in actions:
            if isinstance(action, Send):
                for key in action.connections:
                    self.sent[key] += map(json.loads, action.data.splitlines())
            elif isinstance(action, SendEOF | Close | Abort):
                assert action.connection == "self", "the other client is cut off"
                self.closed = True

    def play(self, vector: Vector, cut: str) -> Seen:
        for segment in segments(vector, cut):
            self.take(self.room.receive_data("self", segment, 0))
        if vector.members.get("end"):
            self.take(self.room.receive_eof("self", 0))
        return Seen(self._shapes("self"), self._shapes("other"), self.closed)

    def _shapes(self, key: str) -> tuple[JSONObject, ...]:
        return tuple(map(_shape, self.sent[key]))

    def serves(self, sender: str, receiver: str, message: str) -> bool:
        """Whether a message from one reaches the other, and nothing else does."""
        before = len(self.sent[receiver])
        self.take(self.room.receive_data(sender, line({"message": message}), 1))
        return [frame["message"] for frame in self.sent[receiver][before:]] == [message]


def _shape(frame: JSONObject) -> JSONObject:
    """A frame without what no vector says: date, and the text of a notice."""
    if frame.get("sender") == "":
        assert frame["dm"] == NAMES["self"]
        return {"notice": True}
    if "message" in frame:
        assert frame["length"] == len(frame["message"])
        return {name: frame[name] for name in ("message", "dm", "sender")}
    return frame


def course_as_seen(vector: Vector, course: Iterable[JSONObject]) -> Seen:
    """What the reference has to be seen doing in a course: with every notice, and every extension
    that is asked for granted."""
    to_self: list[JSONObject] = []
    to_other: list[JSONObject] = []
    name, closed = NAMES["self"], False
    for reaction in course:
        do = reaction["do"]
        if do == "join":
            name = text(reaction["username"])
            to_self += _response(reaction.get("extensions", ()), name)
            to_other.append({"message": JOIN_TEXT, "dm": None, "sender": name})
        elif do == "relay":
            frame, to = _relayed(reaction, name), reaction["to"]
            (to_self if to == "self" else to_other).append(frame)
        else:
            to_self += _SAID.get(do, lambda _: [])(reaction)
            closed = do in ENDS
            if do in ("violation", "leave", "end"):
                leave = LEAVE_TEXT.format(name)
                to_other.append({"message": leave, "dm": None, "sender": name})
    return Seen(tuple(to_self), tuple(to_other), closed)


ENDS = ("refuse", "violation", "leave", "end", "close", "refused")
_NOTICE = {"notice": True}
_SAID: dict[str, Any] = {
    "reject": lambda _: [_NOTICE],
    "pong": lambda reaction: [{"pong": text(reaction["token"])}],
    "refuse": lambda reaction: [{"isConnected": False, "errorCode": reaction["codes"][-1]}],
    "violation": lambda _: [_NOTICE, {"disconnect": True}],
    "leave": lambda _: [{"disconnect": True}],
}


def _response(granted: Collection[str], name: str) -> list[JSONObject]:
    response: JSONObject = {"isConnected": True, "errorCode": -1}
    if granted:
        response["extensions"] = sorted(granted)
    roster = [{"roster": [NAMES["other"], name]}] if "roster" in granted else []
    return [response, *roster]


def _relayed(reaction: JSONObject, name: str) -> JSONObject:
    dm = {"others": None, "other": NAMES["other"], "self": name}[reaction["to"]]
    return {"message": text(reaction["message"]), "dm": dm, "sender": name}


# ------------------------------------------------------------------ a client from outside


def client_reactions(vector: Vector, cut: str) -> tuple[list[JSONObject], bool]:
    """What a client makes of it in the words of the vectors, and whether it closes."""
    connection, _ = client_in_state(vector)
    events = feed_client(connection, vector, segments(vector, cut))
    pongs = [
        frame["pong"]
        for frame in map(json.loads, connection.data_to_send().splitlines())
        if "pong" in frame
    ]
    seen = [_reaction(event, connection, pongs) for event in events]
    assert not pongs, "an answer without a ping"
    return [reaction for reaction in seen if reaction], connection.close_expected


def _reaction(event: Event, connection: ClientConnection, pongs: list[str]) -> JSONObject | None:
    words = _in_words(event, 0)
    match event:
        case JoinResponse(granted, code):
            if granted:
                return {"do": "joined", "extensions": sorted(connection.granted)}
            return {"do": "refused", "codes": [code]}
        case ServerMessage():
            return {"do": "show"} | {name: words[name] for name in ("message", "sender", "dm")}
        case Roster():
            return {"do": "roster", "usernames": words["usernames"]}
        case Ping(token):
            if not pongs:
                return None
            return {"do": "pong", "token": pongs.pop(pongs.index(token))}
        case Pong(token):
            return {"do": "alive", "token": token}
    return {"do": {"disconnect": "leave"}.get(words["event"], words["event"])}


def course_of_client(course: Iterable[JSONObject]) -> list[JSONObject]:
    """A course with its texts written out, without what cannot be seen."""
    return [
        {
            name: sorted(value) if name == "extensions" else _expanded(name, value)
            for name, value in reaction.items()
        }
        for reaction in course
        if reaction["do"] not in ("ignore", "drop")
    ]
