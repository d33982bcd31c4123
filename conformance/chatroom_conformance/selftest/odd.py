"""Servers that are odd in all that the specification leaves open, and right."""

from __future__ import annotations

import json
import socket
import struct
import unicodedata
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

from attrs import frozen

from chatroom_protocol.connection import ServerEvent
from chatroom_protocol.errors import (
    ErrorCode,
    ProtocolViolation,
    Refusal,
    RejectionCode,
    ViolationCode,
)
from chatroom_protocol.frames import ROSTER
from chatroom_protocol.limits import MAX_SERVER_FRAME_OCTETS, ServerLimits
from chatroom_protocol.room import Action, Close, SendEOF

from .decoders import TextDecoder, each_string
from .host import (
    Change,
    Connection,
    Item,
    Members,
    Peer,
    Server,
    edit,
    kind_of,
    message,
    octets,
)
from .secure import SecureServer

#: A frame with more octets than this is written without ornaments.
_LARGE = 4096


@frozen
class Odd:
    """An odd server. The suite is run in `shards`, side by side, where it would take long."""

    name: str
    sentence: str
    change: Change
    shards: int = 1
    timeout_scale: float = 5.0
    disruptive: bool = False
    tls: bool = False


def _written(write: Callable[[Members], bytes]) -> Change:
    """Write each frame by this function."""

    def sent(_: Peer, frame: Members) -> Iterator[bytes]:
        yield write(frame)

    return Change(sent=sent)


def _compact(frame: Members) -> bytes:
    """Compact, and in ASCII where it fits."""
    return octets(frame)[:-1]


def _roomy(frame: Members) -> bytes:
    if len(_unescaped(frame)) > _LARGE:
        return _unescaped(frame)
    parts = (f"{json.dumps(name)} :\t{json.dumps(value)}" for name, value in frame.items())
    return ("{ \t" + "\r, ".join(parts) + "  }\n").encode()


def _escaped(frame: Members) -> bytes:
    """Escape each character of each string, names of members included."""

    def string(text: str) -> str:
        units = text.encode("utf-16-be")
        return '"' + "".join(f"\\u{u:04X}" for (u,) in struct.iter_unpack(">H", units)) + '"'

    def write(value: Any) -> str:
        if isinstance(value, str):
            return string(value)
        if isinstance(value, list):
            return "[" + ",".join(map(write, value)) + "]"
        if isinstance(value, dict):
            return "{" + ",".join(f"{string(n)}:{write(v)}" for n, v in value.items()) + "}"
        return json.dumps(value)

    whole = write(frame).encode() + b"\n"
    return whole if len(whole) <= MAX_SERVER_FRAME_OCTETS else _unescaped(frame)


def _unescaped(frame: Members) -> bytes:
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _reversed(frame: Members) -> bytes:
    return _unescaped(dict(reversed(frame.items())))


def _extra(frame: Members) -> bytes:
    extra = {"version": 1, "x-server": {"name": "odd", "load": [0.5, None]}, "id": "\u00e9"}
    return _unescaped({**extra, **frame, "x-colour": "red"})


# ---- how octets are sent


class _DribblingServer(Server):
    """Sends one octet at a time."""

    def put(self, sock: socket.socket, data: bytearray) -> int:
        return sock.send(data[:1])


class _LaggingServer(Server):
    """Does everything 200 ms later."""

    def perform(self, action: Action[Peer]) -> None:
        base = super().perform
        self.later(0.2, lambda: base(action))


class _GluingServer(Server):
    """Sends what comes within 2 ms at once."""

    def write(self, peer: Peer, data: bytes) -> None:
        first = not peer.memory.get("kept")
        peer.memory["kept"] = peer.memory.get("kept", b"") + data
        if first:
            self.later(0.002, lambda: self._release(peer))

    def _release(self, peer: Peer) -> None:
        super().write(peer, peer.memory.pop("kept"))

    def finish(self, peer: Peer, how: SendEOF[Peer] | Close[Peer]) -> None:
        base = super().finish
        self.later(0.002, lambda: base(peer, how))


class _ResettingServer(Server):
    """Ends every connection with a reset."""

    def drop(self, peer: Peer) -> None:
        if not peer.gone and peer.socket is not None:
            no_linger = struct.pack("ii", 1, 0)
            peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
        super().drop(peer)


class _SlowDoorServer(Server):
    """Takes a connection each 20 ms."""

    def accepted(self, peer: Peer) -> None:
        super().accepted(peer)
        self.close_door()
        self.later(0.02, self.open_door)


class _FarewellServer(Server):
    """Sends a disconnect to who has ended its stream, too."""

    def finish(self, peer: Peer, how: SendEOF[Peer] | Close[Peer]) -> None:
        if isinstance(how, Close) and peer.memory.pop("joined", False):
            self.write(peer, b'{"disconnect":true}\n')
        super().finish(peer, how)

    def ended(self, peer: Peer) -> None:
        peer.memory["joined"] = peer.link.has_joined
        super().ended(peer)


# ---- company


class _CrowdedServer(Server):
    """Has two strangers who talk all the time, and a third who comes and goes."""

    def begin(self) -> None:
        talkers = [self._stranger(name) for name in ("Odile", "Ottokar \U0001f600")]
        self._chatter(talkers, 0)

    def _stranger(self, name: str) -> Peer:
        peer = Peer(self)
        self.act(self.room.connection_made(peer, 0.0))
        self._say(peer, {"username": name})
        return peer

    def _say(self, peer: Peer, frame: Members) -> None:
        self.act(self.room.receive_data(peer, _compact(frame), 0.0))

    def _chatter(self, talkers: list[Peer], number: int) -> None:
        one, other = talkers[number % 2], talkers[(number + 1) % 2]
        text = "User has connected" if number % 7 == 0 else f"stranger's secret {number}"
        self._say(one, {"message": text, "dm": other.username if number % 3 == 0 else None})
        if number % 10 == 0:
            visitor = self._stranger("Visitor")
            self._say(visitor, {"message": "just looking", "dm": None})
            self._say(visitor, {"disconnect": True})
        self.later(0.01, lambda: self._chatter(talkers, number + 1))


def _pinging(_: Peer, frame: Members) -> Iterator[Members]:
    """Ping who was granted ping, whenever it gets a pong or a private message."""
    yield frame
    if kind_of(frame) in ("pong", "private") and "ping" in _.link.granted:
        yield {"ping": f"are you there? {len(str(frame))}"}


def _talkative(peer: Peer, frame: Members) -> Iterator[Members]:
    """Greet everybody, and comment on everything with a notice."""
    yield frame
    kind, name = kind_of(frame), peer.username
    if kind == "roster" or (kind == "granted" and ROSTER not in frame.get("extensions", ())):
        yield message(f"Welcome, {name}. There are others here.", "", name)
    elif kind in ("joined", "left"):
        yield message("Somebody came or went.", "", name)


# ---- what is taken


class _DuplicateConnection(Connection):
    """Takes a member that is there twice for a rejection."""

    def _handle(self, item: Item) -> ServerEvent | None:
        twice = isinstance(item, dict) and item.pop(_TWICE, False)
        if twice and self.has_joined:
            return self.reject(RejectionCode.BAD_MESSAGE, "a member is there twice")
        return super()._handle(item)

    def _handle_first(self, item: Item) -> ServerEvent:
        if isinstance(item, dict) and item.pop(_TWICE, False):
            self.refuse(ErrorCode.NOT_A_JOIN)
            return Refusal(ErrorCode.NOT_A_JOIN, "a member is there twice")
        return super()._handle_first(item)


#: No member of JSON has this name: it is half of a pair.
_TWICE = "\ud800"


class _DuplicateDecoder(TextDecoder):
    """Marks an object with a member that is there twice."""

    joined_only = False

    def read(self, frame: bytes) -> dict[str, Any]:
        twice = False

        def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
            nonlocal twice
            found = dict(pairs)
            twice = twice or len(found) < len(pairs)
            return found

        value: dict[str, Any] = json.loads(frame.decode(), object_pairs_hook=members)
        if not twice:
            return self.strictly(frame)
        # Its other faults count as ever.
        self.strictly(json.dumps(value).encode())
        return {**value, _TWICE: True}


class _ReplacingDecoder(TextDecoder):
    """Puts U+FFFD for half of a surrogate pair."""

    joined_only = False

    def read(self, frame: bytes) -> dict[str, Any]:
        try:
            return self.strictly(frame)
        except UnicodeDecodeError:
            raise
        except ValueError:
            value = json.loads(frame.decode())
            clean = each_string(value, _replaced)
            if clean == value:
                raise
            return self.strictly(json.dumps(clean).encode())


def _replaced(text: str) -> str:
    return "".join(
        "\ufffd" if "\ud800" <= character <= "\udfff" else character for character in text
    )


class _LenientDecoder(TextDecoder):
    """Takes the last of two members, and a number beyond a double for none."""

    joined_only = False

    def read(self, frame: bytes) -> dict[str, Any]:
        try:
            return self.strictly(frame)
        except UnicodeDecodeError:
            raise
        except ValueError:
            value = json.loads(frame.decode(), parse_constant=_refuse, parse_float=_finite,
                               parse_int=_finite)  # fmt: skip
            return self.strictly(json.dumps(value).encode())


def _refuse(_: str) -> None:
    raise ValueError("it is no JSON")


def _finite(digits: str) -> float | int:
    number = float(digits)
    return number if abs(number) < 1e300 else 0


class _EarlyDecoder(TextDecoder):
    """Acts on octets that are not UTF-8 as soon as they have come."""

    def receive_data(self, data: bytes) -> list[Item]:
        found = super().receive_data(data)
        try:
            bytes(self._buffer).decode()
        except UnicodeDecodeError as error:
            if error.end < len(self._buffer) or "unexpected end" not in error.reason:
                self._failed = True
                found.append(ProtocolViolation(ViolationCode.NOT_UTF_8, "it is not UTF-8", 0))
        return found


def _ascii_names(_: Connection, item: Item) -> Item | Refusal:
    """Refuse usernames beyond ASCII by a policy."""
    name = item.get("username") if isinstance(item, dict) else None
    if isinstance(name, str) and not name.isascii() and unicodedata.is_normalized("NFC", name):
        return Refusal(ErrorCode.BAD_USERNAME, "names are in ASCII here")
    return item


@edit("said", "private", "joined", "left", "notice")
def _elsewhere(_: Peer, frame: Members) -> None:
    here = datetime.now(timezone(timedelta(hours=-3, minutes=-30)))
    frame["date"] = here.isoformat(sep=" ", timespec="seconds")


_LEAST = ServerLimits(
    max_clients=16,
    max_frame_octets=4096,
    max_depth=16,
    max_outbound_octets=65536,
    join_timeout=10.0,
    linger_timeout=1.0,
)

ODD: dict[str, Odd] = {
    odd.name: odd
    for odd in (
        Odd("lag", "Everything takes 200 ms.", Change(server=_LaggingServer), 32, 2.0),
        Odd("slow-connects", "A connection is taken each 20 ms.",
            Change(server=_SlowDoorServer), 4, 2.0),
        Odd("strangers", "Strangers talk all the time, come and go.",
            Change(server=_CrowdedServer), disruptive=True),
        Odd("octet-by-octet", "Octets are sent one at a time.", Change(server=_DribblingServer)),
        Odd("glued", "Frames are sent several at once.", Change(server=_GluingServer)),
        Odd("plain", "Nothing is odd.", Change(), disruptive=True),
        Odd("extra-members", "All frames have members of no meaning.", _written(_extra)),
        Odd("spaces", "There are spaces and tabs in all frames.", _written(_roomy)),
        Odd("crlf", "Frames end in CR and LF.", _written(lambda f: _compact(f) + b"\r\n")),
        Odd("blank-lines", "There are blank lines and spaces around all frames.",
            _written(lambda f: b"\n \t" + _compact(f) + b" \n\r\n\n")),
        Odd("resets", "Connections end with a reset.", Change(server=_ResettingServer)),
        Odd("member-order", "The members are in reverse order.", _written(_reversed)),
        Odd("all-escaped", "Each character is escaped.", _written(_escaped)),
        Odd("unescaped", "Nothing is escaped that need not be.", _written(_unescaped)),
        Odd("twenty-clients", "There is room for 20.",
            Change(limits=ServerLimits(max_clients=20)), disruptive=True),
        Odd("twenty-an-address", "No more than 20 connections may come from one address.",
            Change(limits=ServerLimits(max_clients_per_address=20)), disruptive=True),
        Odd("no-extensions", "No extension is granted.", Change(extensions=())),
        Odd("ping-only", "Only ping is granted, and the server pings.",
            Change(extensions=("ping",), sent=_pinging)),
        Odd("duplicates-rejected", "Two members of one name are a rejection.",
            Change(decoder=_DuplicateDecoder, connection=_DuplicateConnection)),
        Odd("replacing", "Half a surrogate pair becomes U+FFFD.",
            Change(decoder=_ReplacingDecoder)),
        Odd("lenient", "Of two members the last counts; a huge number is one of no meaning.",
            Change(decoder=_LenientDecoder)),
        Odd("early", "Octets that are not UTF-8 end the connection at once.",
            Change(decoder=_EarlyDecoder)),
        Odd("notices", "There are notices about everything.", Change(sent=_talkative)),
        Odd("farewell", "Who ends its stream gets a disconnect.", Change(server=_FarewellServer)),
        Odd("tls", "TLS is around it all.", Change(server=SecureServer), tls=True),
        Odd("least-limits", "All limits are as low as they may be.",
            Change(limits=_LEAST), disruptive=True),
        Odd("ascii-names", "Usernames are in ASCII by policy.", Change(first=_ascii_names)),
        Odd("elsewhere", "The date is that of another time zone.", Change(sent=_elsewhere)),
    )
}  # fmt: skip
