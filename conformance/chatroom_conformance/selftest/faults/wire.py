"""Faults in transport, framing and limits."""

from __future__ import annotations

import json
import re
import selectors
import socket
import struct
from collections.abc import Iterator

from chatroom_protocol.connection import encode_server_frame
from chatroom_protocol.errors import (
    ErrorCode,
    LocalProtocolError,
    ProtocolViolation,
    Refusal,
    RejectionCode,
    ViolationCode,
)
from chatroom_protocol.frames import ClientMessage, Join, ServerMessage
from chatroom_protocol.limits import ServerLimits
from chatroom_protocol.room import (
    Action,
    Close,
    LeaveReason,
    Send,
    SendEOF,
    Violated,
    _Member,
    _Outbox,
)
from chatroom_protocol.states import ServerState

from ..decoders import OctetDecoder
from ..fault import Fault
from ..host import (
    Change,
    ChangedDecoder,
    Connection,
    HostedRoom,
    Item,
    Members,
    Peer,
    Server,
    kind_of,
    message,
    octets,
)
from ..secure import TruncatingServer

_Out = _Outbox[Peer]
_WHITESPACE = b" \t\n\r"


# ---- what is sent


def _not_utf8(_: Peer, frame: Members) -> Iterator[Members | bytes]:
    """Announce leaves with an octet in them that is not UTF-8."""
    yield octets(frame)[:-2] + b',"x":"\xe9"}\n' if kind_of(frame) == "left" else frame


def _no_line_feed(_: Peer, frame: Members) -> Iterator[bytes]:
    """Put nothing between frames."""
    yield octets(frame)[:-1]


def _pretty(_: Peer, frame: Members) -> Iterator[bytes]:
    """Write a member a line."""
    yield octets(frame)[:-1].replace(b"{", b"{\n", 1) + b"\n"


def _ends_in_nul(_: Peer, frame: Members) -> Iterator[bytes]:
    """End each frame with a NUL, behind its line feed."""
    yield octets(frame) + b"\x00"


def _padded(_: Peer, frame: Members) -> Iterator[Members]:
    """Make notices larger than any frame may be."""
    yield {**frame, "x-padding": "x" * 33_000} if kind_of(frame) == "notice" else frame


# ---- how octets become frames


class _GluedDecoder(OctetDecoder):
    """Wants something between two frames."""

    def take(self, octets: bytes) -> list[Item]:
        glued = octets == b"{" and self.last == b"}" and not self.inside
        return self.violate() if glued else super().take(octets)


class _NoCarriageReturnDecoder(OctetDecoder):
    """Knows of spaces, tabs and line feeds between frames only."""

    looks_at = re.compile(b"\r")

    def take(self, octets: bytes) -> list[Item]:
        wrong = octets == b"\r" and not self.inside
        return self.violate() if wrong else super().take(octets)


class _LineDecoder(OctetDecoder):
    """Takes no line feed within a frame."""

    looks_at = re.compile(b"\n")

    def take(self, octets: bytes) -> list[Item]:
        wrong = octets == b"\n" and self.inside and not self.in_string
        return self.violate() if wrong else super().take(octets)


class _SegmentDecoder(ChangedDecoder):
    """Forgets the part of a frame of who has joined with which a read ended."""

    def receive_data(self, data: bytes) -> list[Item]:
        found = super().receive_data(data)
        if self.connection.has_joined:
            self._buffer.clear()
            self._begin_frame()
        return found


class _WholeJoinDecoder(ChangedDecoder):
    """Takes a join from one read only."""

    def receive_data(self, data: bytes) -> list[Item]:
        found = super().receive_data(data)
        if not found and not self.connection.has_joined:
            self._buffer.clear()
            self._begin_frame()
        return found


class _BareJoinDecoder(OctetDecoder):
    """Takes no whitespace before a join."""

    def take(self, octets: bytes) -> list[Item]:
        wrong = not self.last and octets[:1].isspace()
        return self.violate() if wrong else super().take(octets)


class _FourDecoder(ChangedDecoder):
    """Takes four frames of one read of little; the rest is lost."""

    def receive_data(self, data: bytes) -> list[Item]:
        found = super().receive_data(data)
        return found[:4] if len(data) < 700 else found


class _WaitingDecoder(OctetDecoder):
    """Hands out a frame of who has joined when something follows it."""

    looks_at = re.compile(b"}")

    def __init__(self, max_frame_octets: int, max_depth: int) -> None:
        super().__init__(max_frame_octets, max_depth)
        self.held: list[Item] = []

    @property
    def waits(self) -> bool:
        """Whether it does so now."""
        return self.connection.has_joined

    def take(self, octets: bytes) -> list[Item]:
        before, found = self.held, super().take(octets)
        self.held = []
        if found and isinstance(found[-1], dict) and self.waits:
            self.held = [found.pop()]
        return before + found


class _WaitingJoinDecoder(_WaitingDecoder):
    """Hands out a join when something follows it."""

    @property
    def waits(self) -> bool:
        return not self.connection.has_joined


class _FlushingServer(Server):
    """At end of stream, takes what the decoder still holds."""

    def ended(self, peer: Peer) -> None:
        self.act(self.room.receive_data(peer, b" ", 0.0))
        super().ended(peer)


class _PatientDecoder(_WaitingDecoder):
    """Hands out a frame when something follows it, or when it is asked with nothing."""

    def receive_data(self, data: bytes) -> list[Item]:
        if data:
            return super().receive_data(data)
        found, self.held = self.held, []
        return found


class _PatientServer(Server):
    """Gives the end of a frame some time to come; at end of stream there is none."""

    def received(self, peer: Peer, data: bytes) -> None:
        super().received(peer, data)
        decoder = peer.link._decoder
        if isinstance(decoder, _PatientDecoder) and decoder.held:
            self.later(0.02, lambda: self._give_up(peer))

    def _give_up(self, peer: Peer) -> None:
        if peer.reading and not peer.gone:
            super().received(peer, b"")


class _ForgettingServer(Server):
    """Looks at one line of a read, at the rest 100 ms later, and not at all behind the end."""

    def received(self, peer: Peer, data: bytes) -> None:
        if "rest" in peer.memory:
            peer.memory["rest"] += data
            return
        at = data.find(b"\n") + 1 if peer.link.has_joined else 0
        super().received(peer, data[:at] or data)
        if 0 < at < len(data):
            peer.memory["rest"] = data[at:]
            self.later(0.1, lambda: self._look_at_rest(peer))

    def _look_at_rest(self, peer: Peer) -> None:
        rest = peer.memory.pop("rest", b"")
        if rest and not peer.gone:
            super().received(peer, rest)

    def ended(self, peer: Peer) -> None:
        peer.memory.pop("rest", None)
        super().ended(peer)


class _MendingServer(Server):
    """Adds the bracket that a frame at end of stream lacks."""

    def ended(self, peer: Peer) -> None:
        rest = bytes(peer.link._decoder._buffer)
        if rest and peer.link.has_joined:
            try:
                json.loads(rest + b"}")
            except ValueError:
                pass
            else:
                self.received(peer, b"}")
        super().ended(peer)


class _ReadingServer(Server):
    """Relays what end of stream has cut off as a text."""

    def ended(self, peer: Peer) -> None:
        rest = bytes(peer.link._decoder._buffer)
        if rest and peer.link.has_joined:
            for other in self.room.others(peer):
                self.send(other, octets(message(rest.decode("latin-1"), peer.username)))
        super().ended(peer)


class _LetterSkippingDecoder(OctetDecoder):
    """Skips letters between the frames of who has joined."""

    def take(self, octets: bytes) -> list[Item]:
        if not self.inside and self.connection.has_joined:
            octets = re.sub(rb"[A-Za-z]", b"", octets)
        return super().take(octets)


class _NulSkippingDecoder(OctetDecoder):
    """Skips NULs between the frames of who has joined."""

    looks_at = re.compile(b"\0")

    def take(self, octets: bytes) -> list[Item]:
        skip = octets == b"\x00" and not self.inside and self.connection.has_joined
        return [] if skip else super().take(octets)


class _SignSkippingDecoder(OctetDecoder):
    """Skips what is no letter between the frames of who has joined."""

    def take(self, octets: bytes) -> list[Item]:
        if not self.inside and self.connection.has_joined:
            octets = re.sub(rb"[^A-Za-z{ \t\n\r]", b"", octets)
        return super().take(octets)


class _LateFaultDecoder(OctetDecoder):
    """Reports the fault of an object when its line has ended."""

    looks_at = re.compile(b"\n")

    def __init__(self, max_frame_octets: int, max_depth: int) -> None:
        super().__init__(max_frame_octets, max_depth)
        self.fault: list[Item] = []

    def take(self, octets: bytes) -> list[Item]:
        if self.fault:
            return self.fault if octets == b"\n" else []
        found = super().take(octets)
        last = found[-1] if found else None
        if isinstance(last, ProtocolViolation) and "a frame begins" not in last.detail:
            self.fault = [found.pop()]
        return found


# ---- limits


def _small_joins(_: Connection, item: Item) -> Item | Refusal | Join:
    """Refuse a join of 4,000 octets or more."""
    if isinstance(item, dict) and len(json.dumps(item)) >= 4000:
        return Refusal(ErrorCode.NOT_A_JOIN, "the join is too large")
    return item


class _SpaceCountingDecoder(ChangedDecoder):
    """Counts the whitespace between frames as a part of the next one."""

    blanks = 0

    def receive_data(self, data: bytes) -> list[Item]:
        if data.strip(_WHITESPACE):
            self.blanks = len(data) - len(data.lstrip(_WHITESPACE))
        else:
            self.blanks += len(data)
        if self.blanks > self._max_frame_octets and not self._buffer:
            self._failed = True
            return [ProtocolViolation(ViolationCode.TOO_LARGE, "the frame is too large", 0)]
        return super().receive_data(data)


class _LateSizeDecoder(ChangedDecoder):
    """Finds out that a frame is too large when it is complete."""

    LIMIT = 65536

    def receive_data(self, data: bytes) -> list[Item]:
        before = len(self._buffer)
        found = super().receive_data(data)
        if found and before > self.LIMIT:
            self._failed = True
            return [ProtocolViolation(ViolationCode.TOO_LARGE, "the frame is too large", 0)]
        return found


class _ShortRelayRoom(HostedRoom):
    """Relays nothing that takes more than 8,192 octets."""

    def _relay(self, key: Peer, member: _Member, event: ClientMessage, out: _Out) -> None:
        text = event.message
        frame = ServerMessage(text, event.dm, key.username, len(text), "")
        try:
            small = len(encode_server_frame(frame)) <= 8192
        except LocalProtocolError:
            small = True  # the room rejects it by itself
        if small:
            super()._relay(key, member, event, out)
        else:
            detail = "the message is too long"
            self._reject(key, member, RejectionCode.MESSAGE_TOO_LONG, detail, out)


class _CuttingRoom(HostedRoom):
    """Cuts a text that is too long for a frame."""

    def _relay(self, key: Peer, member: _Member, event: ClientMessage, out: _Out) -> None:
        text = event.message
        if len(text) > 32_000:
            event = ClientMessage(text[:5000], event.dm, event.sender)
        super()._relay(key, member, event, out)


class _DeepIgnoringDecoder(ChangedDecoder):
    """Drops a frame that is too deep, and goes on."""

    def receive_data(self, data: bytes) -> list[Item]:
        found = super().receive_data(data)
        last = found[-1] if found else None
        deep = isinstance(last, ProtocolViolation) and last.code is ViolationCode.TOO_DEEP
        if not deep or not self.connection.has_joined:
            return found
        self._failed = False
        self._begin_frame()
        return found[:-1]


class _DeepPanicServer(Server):
    """Closes all connections on a frame that is too deep."""

    def perform(self, action: Action[Peer]) -> None:
        super().perform(action)
        if isinstance(action, Violated) and action.code is ViolationCode.TOO_DEEP:
            for peer in list(self._peers):
                self.lost(peer, reset=False)


# ---- connections


class _ImpatientRoom(HostedRoom):
    """Closes a connection when the fifth of the others has left in good order."""

    def _leave(self, key: Peer, reason: LeaveReason, out: _Out) -> None:
        super()._leave(key, reason, out)
        if reason is not LeaveReason.DISCONNECT:
            return
        for other in self.joined():
            other.memory["left"] = other.memory.get("left", 0) + 1
            if other.memory["left"] == 5:
                self._end(other, 0.0, Close(other), out)
                self._leave(other, LeaveReason.CONNECTION_LOST, out)


class _DroppingServer(Server):
    """Drops what is queued when a connection is to be closed."""

    def finish(self, peer: Peer, how: SendEOF[Peer] | Close[Peer]) -> None:
        peer.out.clear()
        super().finish(peer, how)


class _AbruptServer(Server):
    """Closes a connection where it has to end its stream and read on."""

    def end_stream(self, peer: Peer) -> None:
        self.lost(peer, reset=False)


class _ResettingServer(Server):
    """Resets a connection where it has to end its stream and read on."""

    def end_stream(self, peer: Peer) -> None:
        assert peer.socket is not None
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.lost(peer, reset=False)


class _RingServer(Server):
    """Keeps the last 20,000 octets of what is queued for a client."""

    SIZE = 20_000

    def stalled(self, peer: Peer) -> None:
        # The first frame may be written in part.
        first = peer.out.find(b"\n") + 1
        kept = peer.out.find(b"\n", max(first, len(peer.out) - self.SIZE)) + 1
        if len(peer.out) > self.SIZE:
            del peer.out[first:kept]
        super().stalled(peer)


class _BlockingServer(Server):
    """Writes to one client until all is written, whoever waits."""

    def stalled(self, peer: Peer) -> None:
        assert peer.socket is not None
        with selectors.DefaultSelector() as selector:
            selector.register(peer.socket, selectors.EVENT_WRITE)
            while not self.stopping and not selector.select(0.05):
                pass
        if not self.stopping:
            self.flush(peer)


class _BlockingCrierServer(_BlockingServer):
    """Does so only for what is sent to several."""

    crying = False

    def perform(self, action: Action[Peer]) -> None:
        self.crying = isinstance(action, Send) and len(action.connections) > 1
        super().perform(action)

    def stalled(self, peer: Peer) -> None:
        if self.crying:
            super().stalled(peer)
        else:
            Server.stalled(self, peer)


class _SerialServer(Server):
    """Reads a join to its end before it does anything else."""

    def received(self, peer: Peer, data: bytes) -> None:
        super().received(peer, data)
        if peer.gone or peer.link.has_joined or b'"username"' not in peer.link._decoder._buffer:
            return
        assert peer.socket is not None
        with selectors.DefaultSelector() as selector:
            selector.register(peer.socket, selectors.EVENT_READ)
            while not self.stopping and not selector.select(0.05):
                pass


class _DoorkeeperServer(Server):
    """Accepts a connection when the one before has said its name, or is gone."""

    at_door: Peer | None = None

    def accepted(self, peer: Peer) -> None:
        super().accepted(peer)
        self.at_door = peer
        self.close_door()

    def _tick(self) -> None:
        super()._tick()
        peer = self.at_door
        if peer and (peer.gone or peer.link.state is not ServerState.WAITING):
            self.at_door = None
            self.open_door()


class _PoliteServer(Server):
    """Announces no join while anybody else is within a frame."""

    def perform(self, action: Action[Peer]) -> None:
        frame = json.loads(action.data.split(b"\n")[0]) if isinstance(action, Send) else {}
        busy = {peer.username for peer in self._peers if peer.link._decoder._buffer}
        if not frame or kind_of(frame) != "joined" or not busy - {frame["sender"]}:
            super().perform(action)


FAULTS = (
    Fault("end-drops-rest", "DELIV-6", "End of stream drops what wasn't looked at yet.",
          Change(server=_ForgettingServer)),
    Fault("drops-who-stays", "CONN-2", "A client is closed when five others have left.",
          Change(room=_ImpatientRoom)),
    Fault("not-utf-8", "FRAME-1", "An octet in leave announcements is not UTF-8.",
          Change(sent=_not_utf8)),
    Fault("no-line-feed", "FRAME-2", "Nothing is sent between frames.", Change(sent=_no_line_feed)),
    Fault("pretty-printed", "FRAME-3", "Frames are written a member a line.",
          Change(sent=_pretty)),
    Fault("nul-behind-frames", "FRAME-4", "A NUL follows every frame.", Change(sent=_ends_in_nul)),
    Fault("clear-beginning", "TLS-1", "A connection begins without TLS.", Change(),
          tls=True, unreachable=True),
    Fault("end-unnoticed", "TLS-3", "The end without close_notify is not noticed.",
          Change(server=TruncatingServer),
          {"LEAVE-6": "who closes without it has ended its stream as well"}, tls=True),
    Fault("glued-frames-refused", "FRAME-5", "Two frames with nothing between are a violation.",
          Change(decoder=_GluedDecoder)),
    Fault("carriage-return-refused", "FRAME-6", "A CR between frames is a violation.",
          Change(decoder=_NoCarriageReturnDecoder)),
    Fault("bare-join", "FRAME-6", "Whitespace before a join is a violation.",
          Change(decoder=_BareJoinDecoder)),
    Fault("lines-only", "FRAME-7", "An LF within a frame is a violation.",
          Change(decoder=_LineDecoder)),
    Fault("a-read-is-a-frame", "FRAME-8", "The part of a frame that ends a read is dropped.",
          Change(decoder=_SegmentDecoder)),
    Fault("a-read-is-a-join", "FRAME-8", "The part of a join that ends a read is dropped.",
          Change(decoder=_WholeJoinDecoder)),
    Fault("four-frames-a-read", "FRAME-9", "Of frames that arrive together four are processed.",
          Change(decoder=_FourDecoder)),
    Fault("waits-for-more", "FRAME-10", "A frame is processed when an octet follows it.",
          Change(decoder=_WaitingDecoder, server=_FlushingServer)),
    Fault("join-waits-for-more", "FRAME-10", "A join is processed when an octet follows it.",
          Change(decoder=_WaitingJoinDecoder, server=_FlushingServer)),
    Fault("end-swallows-frame", "FRAME-11", "End of stream in place of LF drops the frame.",
          Change(decoder=_PatientDecoder, server=_PatientServer)),
    Fault("mends-cut-frame", "FRAME-12", "The bracket that a last frame lacks is added.",
          Change(server=_MendingServer)),
    Fault("cut-frame-relayed", "FRAME-12", "What end of stream has cut off is relayed as a text.",
          Change(server=_ReadingServer)),
    Fault("letters-skipped", "FRAME-13", "Letters between frames are skipped.",
          Change(decoder=_LetterSkippingDecoder)),
    Fault("signs-skipped", "FRAME-13", "What is no letter is skipped between frames.",
          Change(decoder=_SignSkippingDecoder)),
    Fault("nul-skipped", "FRAME-13", "A NUL between frames is skipped.",
          Change(decoder=_NulSkippingDecoder)),
    Fault("fault-at-line-end", "FRAME-14", "A fault in an object is acted upon at the next LF.",
          Change(decoder=_LateFaultDecoder)),
    Fault("frame-limit-small", "LIMIT-1", "The limit on a frame is 4,095 octets.",
          Change(limits=ServerLimits(max_frame_octets=4095)),
          {"LIMIT-6": "a message in a frame that isn't accepted isn't relayed",
           "LIMIT-2": "the vector with whitespace around has a frame of 4,096 octets"}),
    Fault("join-limit-small", "LIMIT-1", "A join of 4,000 octets is refused.",
          Change(first=_small_joins)),
    Fault("whitespace-counted", "LIMIT-2", "Whitespace before a frame counts for its limit.",
          Change(decoder=_SpaceCountingDecoder)),
    Fault("size-seen-late", "LIMIT-3", "A frame too large is noticed when it is complete.",
          Change(decoder=_LateSizeDecoder, limits=ServerLimits(max_frame_octets=1 << 30)),
          disruptive=True),
    Fault("no-frame-limit", "LIMIT-4", "A frame may be of any size.",
          Change(limits=ServerLimits(max_frame_octets=1 << 30)), disruptive=True),
    Fault("large-notices", "LIMIT-5", "Notices have 33,000 octets.", Change(sent=_padded)),
    Fault("short-texts-only", "LIMIT-6", "What takes more than 8,192 octets is rejected.",
          Change(room=_ShortRelayRoom)),
    Fault("long-texts-cut", "LIMIT-7", "A text too long to be relayed is cut.",
          Change(room=_CuttingRoom)),
    Fault("depth-15", "LIMIT-8", "The limit on nesting is 15.",
          Change(limits=ServerLimits(max_depth=15))),
    Fault("deep-frames-dropped", "LIMIT-9", "A frame too deep is dropped, and no violation.",
          Change(decoder=_DeepIgnoringDecoder)),
    Fault("deep-frame-panics", "LIMIT-9", "A frame too deep ends all connections.",
          Change(server=_DeepPanicServer),
          {"ROBUST-1": "who sends such a frame harms all others"}),
    Fault("small-queue", "LIMIT-10", "Who has 20,000 octets queued is cut off.",
          Change(limits=ServerLimits(max_outbound_octets=20_000))),
    Fault("ring-queue", "LIMIT-10", "Of more than 20,000 octets queued the oldest are dropped.",
          Change(server=_RingServer)),
    Fault("hasty", "LIMIT-11", "A join has to come within 5 seconds.",
          Change(limits=ServerLimits(join_timeout=5.0)), timed=True),
    Fault("fifteen-clients", "LIMIT-12", "At most 15 clients can join.",
          Change(limits=ServerLimits(max_clients=15)), disruptive=True),
    Fault("queue-dropped", "CLOSE-2", "What is queued is dropped at the end.",
          Change(server=_DroppingServer)),
    Fault("abrupt-close", "CLOSE-4", "The connection is closed right behind the last frame.",
          Change(server=_AbruptServer)),
    Fault("reset-at-the-end", "CLOSE-4", "The connection is reset right behind the last frame.",
          Change(server=_ResettingServer)),
    Fault("short-linger", "CLOSE-4", "What comes behind the last frame is read for 0.3 seconds.",
          Change(limits=ServerLimits(linger_timeout=0.3)), timed=True),
    Fault("blocking-writes", "ROBUST-3", "A write to who doesn't read holds up everybody.",
          Change(server=_BlockingServer)),
    Fault("blocking-cries", "ROBUST-3", "What is said to all waits for who doesn't read.",
          Change(server=_BlockingCrierServer)),
    Fault("endless-queue", "ROBUST-4", "The queue for a client has no limit.",
          Change(limits=ServerLimits(max_outbound_octets=1 << 40)), disruptive=True),
    Fault("serial-joins", "ROBUST-5", "A join is read to its end before anything else.",
          Change(server=_SerialServer)),
    Fault("one-at-the-door", "ROBUST-5", "Nobody is let in before who came first has joined.",
          Change(server=_DoorkeeperServer)),
    Fault("news-wait", "ROBUST-5", "No join is announced while a frame is incomplete.",
          Change(server=_PoliteServer)),
)  # fmt: skip
