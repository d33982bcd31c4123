"""A server in this process: one thread around one `Room`, with hooks to change one behaviour.

Without a change it conforms. A `Change` says what is different; whatever it leaves alone stays as
it is, so that a server made with it has that one fault (or that one oddity) and no other.
"""

from __future__ import annotations

import heapq
import itertools
import json
import selectors
import socket
import threading
import time
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime, timezone
from types import TracebackType
from typing import Any

from attrs import field, frozen

from chatroom_protocol.connection import ServerConnection, ServerEvent, format_date
from chatroom_protocol.errors import (
    LocalProtocolError,
    ProtocolViolation,
    Refusal,
    Rejection,
)
from chatroom_protocol.frames import EXTENSIONS, JOIN_TEXT, LEAVE_TEXT, ClientMessage, Join
from chatroom_protocol.framing import Decoder, encode
from chatroom_protocol.limits import MAX_SERVER_FRAME_OCTETS, ServerLimits
from chatroom_protocol.room import (
    Abort,
    Action,
    Close,
    PauseReading,
    ResumeReading,
    Room,
    Send,
    SendEOF,
)
from chatroom_protocol.states import Input, ServerState

Members = dict[str, Any]
Item = Members | ProtocolViolation

_RECEIVE_OCTETS = 65536
_JOIN_SECONDS = 5.0


class DiedError(Exception):
    """The fault is that the server dies."""


def clock() -> datetime:
    """The time of day, as `date` needs it."""
    return datetime.now(timezone.utc)


class Connection(ServerConnection):
    """A connection whose incoming frames can be changed before anything looks at them."""

    def __init__(self, change: Change, peer: Peer) -> None:
        super().__init__(clock, change.limits)
        self.change = change
        self.peer = peer
        limits = change.limits
        self._decoder = change.decoder(limits.max_frame_octets, limits.max_depth)
        if isinstance(self._decoder, ChangedDecoder):
            self._decoder.connection = self

    @property
    def has_joined(self) -> bool:
        """Whether the join was granted, and nothing ended it since."""
        return self.state is ServerState.JOINED

    def _handle(self, item: Item) -> ServerEvent | None:
        heard = self.change.heard
        if heard is None or not self.has_joined or not isinstance(item, dict):
            return super()._handle(item)
        changed = heard(self, item)
        if changed is None:
            return None
        if isinstance(changed, Rejection):
            self._move(Input.REJECTED)
            return self.reject(changed.code, changed.detail)
        if isinstance(changed, ClientMessage):
            self._move(Input.CLIENT_MESSAGE)
            return changed
        return super()._handle(changed)

    def _handle_first(self, item: Item) -> ServerEvent:
        first = self.change.first
        if first is None:
            return super()._handle_first(item)
        changed = first(self, item)
        if isinstance(changed, Refusal):
            self.refuse(changed.code)
            return changed
        if isinstance(changed, Join):
            self._move(Input.JOIN)
            self.username = changed.username
            return changed
        return super()._handle_first(changed)


class ChangedDecoder(Decoder):
    """A decoder that knows whose octets it reads."""

    connection: Connection


class HostedRoom(Room["Peer"]):
    """A room whose connections and decoders can be others than the package's."""

    def __init__(self, change: Change) -> None:
        super().__init__(clock, change.limits, change.extensions)
        self.change = change
        self.server: Server

    def connection_made(
        self, key: Peer, now: float, address: str | None = None
    ) -> list[Action[Peer]]:
        """Tell of a connection just accepted."""
        actions = super().connection_made(key, now, address)
        if key in self._members:
            connection = self.change.connection(self.change, key)
            key.link = connection
            if not self._members[key].connection.close_expected:  # as one too many
                self._members[key].connection = connection
        return actions

    def key_of(self, username: str) -> Peer | None:
        """The connection of a user who has joined."""
        return self._users.get(username)

    def joined(self) -> tuple[Peer, ...]:
        """The connections of all who have joined."""
        return tuple(self._users.values())

    def others(self, key: Peer) -> tuple[Peer, ...]:
        """All who have joined but this one."""
        return tuple(other for other in self.joined() if other is not key)


#: What becomes of a frame from a joined client: another frame, an event, or None if it is ignored.
Heard = Callable[[Connection, Members], Item | Rejection | ClientMessage | None]
#: What becomes of what an unjoined client sent first.
First = Callable[[Connection, Item], Item | Refusal | Join]
#: What is sent in place of one frame to one client, in order; octets are sent as they are.
Sent = Callable[["Peer", Members], Iterable[Members | bytes]]


class Peer:
    """One connection of the server; a virtual one has no socket and hears nothing."""

    def __init__(
        self, server: Server, sock: socket.socket | None = None, address: str | None = None
    ) -> None:
        self.server = server
        self.socket = sock
        self.address = address
        self.link: Connection
        self.out = bytearray()
        self.after: Send[Peer] | SendEOF[Peer] | Close[Peer] | None = None
        self.reading = True
        self.gone = False
        #: Whatever a fault wants to remember.
        self.memory: dict[str, Any] = {}

    @property
    def username(self) -> str:
        """The name it asked for; empty before that."""
        return self.link.username or ""


@frozen(kw_only=True)
class Change:
    """What a server does differently; without arguments, nothing."""

    server: type[Server] | None = None
    room: type[HostedRoom] = HostedRoom
    connection: type[Connection] = Connection
    decoder: type[Decoder] = Decoder
    limits: ServerLimits = field(factory=ServerLimits)
    extensions: Collection[str] = EXTENSIONS
    heard: Heard | None = None
    first: First | None = None
    sent: Sent | None = None

    def serve(self) -> Server:
        """A server with this change, not started yet."""
        return (self.server or Server)(self)


class Server:
    """Listens on a free port of 127.0.0.1 while it is entered.

    Everything but `__enter__` and `__exit__` runs in its own thread.
    """

    def __init__(self, change: Change) -> None:
        self.change = change
        self.room = change.room(change)
        self.room.server = self
        #: The traceback of an exception that is no part of a fault.
        self.crash = ""
        self._selector = selectors.DefaultSelector()
        self._peers: set[Peer] = set()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Server:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._bell, self._ear = socket.socketpair()
        self._selector.register(self._ear, selectors.EVENT_READ)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._bell.send(b"!")
        self._thread.join(_JOIN_SECONDS)
        for sock in (self._bell, self._ear):
            sock.close()
        if self._thread.is_alive():
            raise RuntimeError("the self-test's server doesn't stop")

    @property
    def stopping(self) -> bool:
        """Whether the thread has to end."""
        return self._stopping.is_set()

    # ---- the thread

    def _serve(self) -> None:
        try:
            self.begin()
            while not self.stopping:
                self._turn()
        except DiedError:
            pass
        except Exception:
            self.crash = traceback.format_exc()
        finally:
            for peer in list(self._peers):
                self.drop(peer)
            self._listener.close()
            self._selector.close()

    def begin(self) -> None:
        """Do what comes before everything else."""

    def _turn(self) -> None:
        for key, mask in self._selector.select(self._patience()):
            if isinstance(key.data, Peer):
                self._ready(key.data, mask)
            elif key.fileobj is self._listener:
                self._accept()
        self._tick()

    def _patience(self) -> float | None:
        times = [when for when in (self.room.next_deadline,) if when is not None]
        times += [self._timers[0][0]] if self._timers else []
        return max(0.0, min(times) - time.monotonic()) if times else None

    def _tick(self) -> None:
        while self._timers and self._timers[0][0] <= time.monotonic():
            heapq.heappop(self._timers)[2]()
        deadline = self.room.next_deadline
        if deadline is not None and deadline <= time.monotonic():
            self.act(self.room.deadline_passed(time.monotonic()))

    def later(self, seconds: float, what: Callable[[], None]) -> None:
        """Do something in that time; what is due at one time is done in the order of the calls."""
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._numbers), what))

    def _accept(self) -> None:
        try:
            sock, address = self._listener.accept()
        except BlockingIOError:
            return
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        self.accepted(Peer(self, sock, address[0]))

    def accepted(self, peer: Peer) -> None:
        """A connection was made."""
        self._peers.add(peer)
        self.act(self.room.connection_made(peer, time.monotonic(), peer.address))
        self.watch(peer)

    def close_door(self) -> None:
        """Accept no connections for now."""
        self._selector.unregister(self._listener)

    def open_door(self) -> None:
        """Accept connections again."""
        self._selector.register(self._listener, selectors.EVENT_READ)

    def _ready(self, peer: Peer, mask: int) -> None:
        if mask & selectors.EVENT_WRITE:
            self.flush(peer)
        if mask & selectors.EVENT_READ and not peer.gone:
            self._read(peer)

    def _read(self, peer: Peer) -> None:
        assert peer.socket is not None
        try:
            data = peer.socket.recv(_RECEIVE_OCTETS)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.lost(peer, reset=True)
            return
        if data:
            self.received(peer, data)
        else:
            peer.reading = False
            self.watch(peer)
            self.ended(peer)

    # ---- what a change may override

    def received(self, peer: Peer, data: bytes) -> None:
        """Octets came."""
        self.act(self.room.receive_data(peer, data, time.monotonic()))

    def ended(self, peer: Peer) -> None:
        """The stream of a client ended."""
        self.act(self.room.receive_eof(peer, time.monotonic()))

    def lost(self, peer: Peer, *, reset: bool) -> None:  # noqa: ARG002 - for those that override it
        """A connection is gone."""
        self.drop(peer)
        self.act(self.room.connection_lost(peer, time.monotonic()))

    def act(self, actions: Iterable[Action[Peer]]) -> None:
        """Carry out what the room wants, in order."""
        for action in actions:
            self.perform(action)

    def perform(self, action: Action[Peer]) -> None:
        """Carry out one action."""
        if isinstance(action, Send):
            for peer in action.connections:
                self.send(peer, action.data)
        elif isinstance(action, SendEOF | Close):
            self.finish(action.connection, action)
        elif isinstance(action, Abort):
            self.drop(action.connection)
        elif isinstance(action, PauseReading | ResumeReading):
            action.connection.reading = isinstance(action, ResumeReading)
            self.watch(action.connection)

    def send(self, peer: Peer, data: bytes) -> None:
        """Send whole frames to a client, changed or not."""
        self.write(peer, b"".join(self._changed(peer, data)) if self.change.sent else data)

    def _changed(self, peer: Peer, data: bytes) -> Iterator[bytes]:
        assert self.change.sent is not None
        for line in data.splitlines():
            for frame in self.change.sent(peer, json.loads(line)):
                yield frame if isinstance(frame, bytes) else octets(frame)

    def write(self, peer: Peer, data: bytes) -> None:
        """Queue octets for a client, and write what can be written."""
        if peer.gone or peer.socket is None:
            return
        peer.out += data
        self.flush(peer)

    def finish(self, peer: Peer, how: SendEOF[Peer] | Close[Peer]) -> None:
        """End the stream, or the connection, once all is written."""
        peer.after = how
        self.flush(peer)

    def flush(self, peer: Peer) -> None:
        """Write what is queued, as far as it goes, and end the stream if that was all."""
        if peer.gone or peer.socket is None:
            return
        try:
            while peer.out:
                del peer.out[: self.put(peer.socket, peer.out)]
        except (BlockingIOError, InterruptedError):
            self.stalled(peer)
            return
        except OSError:
            peer.out.clear()
            # Not here: everybody may be gone, and the leave of each is written to all others.
            self.later(0, lambda: self.lost(peer, reset=True))
            return
        self.watch(peer)
        after, peer.after = peer.after, None
        if isinstance(after, SendEOF):
            self.end_stream(peer)
        elif isinstance(after, Close):
            self.lost(peer, reset=False)

    def put(self, sock: socket.socket, data: bytearray) -> int:
        """Hand octets to the transport; how many it took."""
        return sock.send(data)

    def stalled(self, peer: Peer) -> None:
        """A client doesn't read."""
        self.watch(peer)
        self.act(self.room.report_backlog(peer, len(peer.out), time.monotonic()))

    def end_stream(self, peer: Peer) -> None:
        """Send FIN and go on reading."""
        assert peer.socket is not None
        try:
            peer.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.lost(peer, reset=True)

    def watch(self, peer: Peer) -> None:
        """Wait for what is of interest: input, and room for output while there is any."""
        if peer.gone or peer.socket is None:
            return
        mask = (selectors.EVENT_READ if peer.reading else 0) | (
            selectors.EVENT_WRITE if peer.out else 0
        )
        known = peer.socket in self._selector.get_map()
        if mask and known:
            self._selector.modify(peer.socket, mask, peer)
        elif mask:
            self._selector.register(peer.socket, mask, peer)
        elif known:
            self._selector.unregister(peer.socket)

    def drop(self, peer: Peer) -> None:
        """Close the socket; the room isn't told."""
        if peer.gone or peer.socket is None:
            return
        peer.gone = True
        self._peers.discard(peer)
        if peer.socket in self._selector.get_map():
            self._selector.unregister(peer.socket)
        peer.socket.close()


def octets(frame: Members) -> bytes:
    """A frame as it is sent: as the package writes it, or in ASCII when it is too large."""
    try:
        return encode(frame, MAX_SERVER_FRAME_OCTETS)
    except LocalProtocolError:
        return json.dumps(frame).encode() + b"\n"


def message(text: str, sender: str, dm: str | None = None) -> Members:
    """A message frame of the server's."""
    date = format_date(clock())
    return {"message": text, "dm": dm, "sender": sender, "length": len(text), "date": date}


def kind_of(frame: Members) -> str:
    """Which of a server's own frames it is."""
    if "isConnected" in frame:
        return "granted" if frame["isConnected"] else "refused"
    if "message" not in frame:
        return next(iter(frame))
    sender, text = frame["sender"], frame["message"]
    if sender == "":
        return "notice"
    if frame["dm"] is not None:
        return "private"
    if text == JOIN_TEXT:
        return "joined"
    return "left" if text == LEAVE_TEXT.format(sender) else "said"


def edit(*kinds: str) -> Callable[[Callable[[Peer, Members], None]], Sent]:
    """Make a `Sent` of a function that changes frames of these kinds in place."""

    def make(function: Callable[[Peer, Members], None]) -> Sent:
        def sent(peer: Peer, frame: Members) -> Iterator[Members]:
            if kind_of(frame) in kinds:
                function(peer, frame)
            yield frame

        return sent

    return make
