"""One connection, either end of it, without a socket: bytes in, events and bytes out.

Both classes have the same shape. ``receive_data`` and ``receive_eof`` take what the transport
read and return the events in it; the state has changed before they return. ``send`` and its
shorthands check a frame and queue it. ``data_to_send`` takes what is queued, to be written. When
``close_expected`` is true the transport should be closed once that is written.

What the peer does never raises. What the program does wrong raises
:class:`~chatroom_protocol.errors.LocalProtocolError`, and changes nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from datetime import datetime, timezone
from typing import Any

from attrs import frozen

from chatroom_protocol.errors import (
    ErrorCode,
    LocalProtocolError,
    ProtocolViolation,
    Refusal,
    Rejection,
    RejectionCode,
)
from chatroom_protocol.frames import (
    PING,
    ROSTER,
    ClientFrame,
    ClientMessage,
    Disconnect,
    Frame,
    Join,
    JoinResponse,
    Ping,
    Pong,
    Roster,
    ServerFrame,
    ServerMessage,
    parse_client_frame,
    parse_join,
    parse_server_frame,
    text_fault,
    token_fault,
    username_fault,
)
from chatroom_protocol.framing import Decoder, JSONObject, encode, quote
from chatroom_protocol.limits import MAX_SERVER_FRAME_OCTETS, ClientLimits, ServerLimits
from chatroom_protocol.states import (
    ClientState,
    Input,
    Role,
    ServerState,
    transition,
)

Clock = Callable[[], datetime]

# Looked up once for every frame.
_WAITING, _DECIDING = ServerState.WAITING, ServerState.DECIDING
_OVER = (ServerState.CLOSING, ServerState.CLOSED)


@frozen
class EndOfStream:
    """The peer sends no more; a frame it had begun is dropped."""


ClientEvent = ServerFrame | ProtocolViolation | EndOfStream
ServerEvent = ClientFrame | Refusal | Rejection | ProtocolViolation | EndOfStream
Event = ClientEvent | ServerEvent


def format_date(now: datetime) -> str:
    """Give ``date`` of a message: RFC 3339 with an offset, and a space for the ``T``.

    Raises :class:`LocalProtocolError` for a time without offset. Specification: [MSG].
    """
    text = now.isoformat(sep=" ")
    if text[-6] in "+-":  # RFC 3339 has offsets of whole minutes only, so they end like this
        return text
    if now.utcoffset() is None:
        msg = "the clock has to give a time with an offset from UTC"
        raise LocalProtocolError(msg)
    return now.astimezone(timezone.utc).isoformat(sep=" ")


def encode_server_frame(frame: ServerFrame) -> bytes:
    """Give the octets of a frame that may go to many clients.

    Raises :class:`LocalProtocolError` where it is larger than what every client accepts.
    Specification: [LIMIT], "server-frame".
    """
    return encode(frame.members(), MAX_SERVER_FRAME_OCTETS)


def encode_server_message(message: str, dm: str | None, sender: str, date: str) -> bytes:
    """Give a message frame as :func:`encode_server_frame` does, in a fifth of its time.

    Most of what a server sends is messages. Raises as that does.
    """
    frame = (
        f'{{"message":{quote(message)},"dm":{"null" if dm is None else quote(dm)},'
        f'"sender":{quote(sender)},"length":{len(message)},"date":{quote(date)}}}\n'
    )
    if len(frame) > MAX_SERVER_FRAME_OCTETS:
        return encode_server_frame(ServerMessage(message, dm, sender, len(message), date))
    return frame.encode("ascii")


def _sentence(detail: str) -> str:
    return f"{detail[:1].upper()}{detail[1:]}."


def _check(fault: str | None) -> None:
    if fault:
        raise LocalProtocolError(fault)


def _check_strings(value: Any) -> None:
    """Refuse what could not be read back: strings with half of a surrogate pair."""
    if isinstance(value, str):
        _check(text_fault(value))
    elif isinstance(value, list):
        for item in value:
            _check_strings(item)


def _check_frame(frame: Frame) -> None:
    for value in frame.members().values():
        _check_strings(value)
    if isinstance(frame, Join):
        _check(username_fault(frame.username))
    if isinstance(frame, Ping | Pong):
        _check(token_fault(frame.token))


class ClientConnection:
    """A client's end: joins, says and leaves; hears what the server sends.

    Args:
        limits: what is accepted and sent at most.
        extensions: names to ask for when joining, of :data:`~chatroom_protocol.frames.EXTENSIONS`
            or private ones that begin with ``x-``.

    Events are the frames received, :class:`ProtocolViolation` and :class:`EndOfStream`. Frames
    that a client ignores give no event. Specification: section "Life cycle", client.
    """

    def __init__(
        self, limits: ClientLimits | None = None, extensions: Collection[str] = ()
    ) -> None:
        self._limits = limits or ClientLimits()
        self._asked = tuple(extensions)
        self._decoder = Decoder(self._limits.max_frame_octets, self._limits.max_depth)
        self._out: list[bytes] = []
        self._roster: dict[str, None] | None = None
        self._ended = False
        self.state = ClientState.IDLE
        self.username: str | None = None
        self.granted: frozenset[str] = frozenset()

    @property
    def close_expected(self) -> bool:
        """Whether the transport should be closed once all is written."""
        return self.state is ClientState.CLOSED

    @property
    def roster(self) -> tuple[str, ...] | None:
        """Who is there, in the order they came; None where the server does not tell.

        Specification: [ROSTER].
        """
        return None if self._roster is None else tuple(self._roster)

    def join(self, username: str) -> None:
        """Ask for a name; next, write ``data_to_send()`` and wait for a :class:`JoinResponse`.

        Raises :class:`LocalProtocolError` for a name that no server grants. Specification:
        [JOIN], [NAME].
        """
        self.send(Join(username, self._asked))

    def say(self, text: str, dm: str | None = None) -> None:
        """Queue a message to everyone, or to the user named ``dm`` alone.

        Raises :class:`LocalProtocolError` before the join is granted, after leaving, and for a
        text too long to be sure that the server takes it. Specification: [MSG].
        """
        self.send(ClientMessage(text, dm or None, self.username or ""))

    def leave(self) -> None:
        """Queue a disconnect; next, read until ``close_expected``. Specification: [LEAVE]."""
        self.send(Disconnect(self.username))

    def ping(self, token: str) -> None:
        """Queue a ping, where it was granted. Specification: [PING]."""
        self.send(Ping(token))

    def send(self, frame: ClientFrame) -> None:
        """Check a frame and queue it.

        Raises :class:`LocalProtocolError` where the state, the frame or its size does not allow
        it; then nothing has changed.
        """
        following = transition(Role.CLIENT, self.state, _CLIENT_INPUTS[type(frame)])
        if isinstance(frame, Ping | Pong) and PING not in self.granted:
            msg = "the server did not grant the extension ping"
            raise LocalProtocolError(msg)
        _check_frame(frame)
        self._out.append(encode(frame.members(), self._limits.max_sent_octets))
        self.state = following
        if isinstance(frame, Join):
            self.username = frame.username

    def receive_data(self, data: bytes) -> list[ClientEvent]:
        """Take octets from the transport; return the events they complete, in order.

        Raises :class:`LocalProtocolError` only after :meth:`receive_eof`.
        """
        if self._ended:
            msg = "nothing can be received after the end of the stream"
            raise LocalProtocolError(msg)
        if self.state is ClientState.CLOSED:
            return []
        events: list[ClientEvent] = []
        for item in self._decoder.receive_data(data):
            event = self._handle(item)
            if event is not None:
                events.append(event)
            if self.close_expected:
                break
        return events

    def receive_eof(self) -> list[ClientEvent]:
        """Take the end of the stream; return :class:`EndOfStream`, once, unless it was over."""
        already = self._ended or self.state is ClientState.CLOSED
        self._ended = True
        if already:
            return []
        self._move(Input.END_OF_STREAM)
        return [EndOfStream()]

    def data_to_send(self) -> bytes:
        """Take the octets that are queued."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def _move(self, given: Input) -> None:
        self.state = transition(Role.CLIENT, self.state, given)

    def _handle(self, item: JSONObject | ProtocolViolation) -> ClientEvent | None:
        if isinstance(item, ProtocolViolation):
            if self.state is ClientState.JOINED:
                self.leave()
            self._move(Input.VIOLATION)
            return item
        frame = parse_server_frame(item)
        if isinstance(frame, JoinResponse):
            return self._handle_response(frame)
        if frame is None or isinstance(frame, Disconnect):
            self._move(Input.UNKNOWN if frame is None else Input.SERVER_DISCONNECT)
            return frame
        # Original servers let those who have not joined hear everyone; [CLIENT] says to ignore it.
        if self.state not in (ClientState.JOINED, ClientState.LEAVING):
            return None
        if isinstance(frame, ServerMessage):
            self._move(Input.SERVER_MESSAGE)
            self._follow(frame)
            return frame
        return self._handle_extension(frame)

    def _handle_response(self, frame: JoinResponse) -> ClientEvent | None:
        before = self.state
        self._move(Input.JOIN_ACCEPTED if frame.is_connected else Input.JOIN_REFUSED)
        if self.state is before:
            return None  # a second response, or one that grants what was not asked
        self.granted = frozenset(self._asked) & frozenset(frame.extensions)
        return frame

    def _handle_extension(self, frame: Roster | Ping | Pong) -> ClientEvent | None:
        if (ROSTER if isinstance(frame, Roster) else PING) not in self.granted:
            return None
        if isinstance(frame, Roster):
            self._roster = dict.fromkeys(frame.usernames)
        elif isinstance(frame, Ping):
            if self.state is ClientState.LEAVING:
                return None  # [CLIENT-3]: nothing follows a disconnect, so no pong either
            self.send(Pong(frame.token))
        return frame

    def _follow(self, frame: ServerMessage) -> None:
        if self._roster is not None and frame.announces_join:
            self._roster[frame.sender] = None
        elif self._roster is not None and frame.announces_leave:
            self._roster.pop(frame.sender, None)


class ServerConnection:
    """A server's end of one connection: what this client sends, and what it alone is answered.

    Args:
        clock: gives the time of day, with an offset from UTC, for ``date``.
        limits: what is accepted at most.

    Events are the frames received, :class:`Refusal` and :class:`Rejection` (already answered),
    :class:`ProtocolViolation` (already answered) and :class:`EndOfStream`. After a :class:`Join`
    the program owes :meth:`accept` or :meth:`refuse`; what the client sent behind its join waits
    until then, and comes out of the next :meth:`next_event`, or of ``receive_data(b"")``.

    A server of many clients keeps every reply in its order by taking events one at a time:
    ``feed`` and then ``next_event`` until it is None. ``receive_data`` is those two in one.
    Specification: section "Life cycle", server.
    """

    def __init__(self, clock: Clock, limits: ServerLimits | None = None) -> None:
        limits = limits or ServerLimits()
        self._clock = clock
        self._decoder = Decoder(limits.max_frame_octets, limits.max_depth)
        self._pending: deque[JSONObject | ProtocolViolation] = deque()
        self._out: list[bytes] = []
        self._ended = False
        self._asked: frozenset[str] = frozenset()
        self.state = ServerState.WAITING
        self.username: str | None = None
        self.granted: frozenset[str] = frozenset()

    @property
    def close_expected(self) -> bool:
        """Whether the transport should be closed once all is written."""
        return self.state in _OVER

    def receive_data(self, data: bytes) -> list[ServerEvent]:
        """Take octets from the transport; return the events they complete, in order.

        Raises :class:`LocalProtocolError` after :meth:`receive_eof`, and while a join waits for
        an answer.
        """
        self.feed(data)
        return self._drain()

    def receive_eof(self) -> list[ServerEvent]:
        """Take the end of the stream; return :class:`EndOfStream`, once.

        Raises :class:`LocalProtocolError` while a join waits for an answer.
        """
        self.feed_eof()
        return self._drain()

    def feed(self, data: bytes) -> None:
        """Take octets from the transport; next, call :meth:`next_event` until it is None.

        After the last words to the client they are thrown away. Raises as
        :meth:`receive_data`.
        """
        if self._ended:
            msg = "nothing can be received after the end of the stream"
            raise LocalProtocolError(msg)
        if data:
            self._require_decision()
        if self.state not in _OVER:
            self._pending.extend(self._decoder.receive_data(data))

    def feed_eof(self) -> None:
        """Take the end of the stream; next, call :meth:`next_event` until it is None."""
        self._require_decision()
        self._ended = True

    def next_event(self) -> ServerEvent | None:
        """Give the next event; None where there is none, or a join waits for an answer."""
        while self._pending and self.state is not _DECIDING:
            event = self._handle(self._pending.popleft())
            if event is not None:
                return event
        if self._ended and self.state not in (_DECIDING, ServerState.CLOSED):
            self._move(Input.END_OF_STREAM)
            return EndOfStream()
        return None

    def data_to_send(self) -> bytes:
        """Take the octets that are queued."""
        if not self._out:
            return b""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def accept(self, extensions: Collection[str] = ()) -> None:
        """Answer the join: it is granted, with those extensions. Specification: [JOIN].

        Next, take the events that waited behind the join. Raises :class:`LocalProtocolError`
        where no join waits, and for an extension that the join did not ask for.
        """
        if not self._asked.issuperset(extensions):
            msg = "only what the join asked for can be granted"
            raise LocalProtocolError(msg)
        self._send(
            Input.JOIN_ACCEPTED,
            JoinResponse(True, ErrorCode.ACCEPTED, tuple(sorted(extensions))),
        )
        self.granted = frozenset(extensions)

    def refuse(self, code: ErrorCode) -> None:
        """Answer that the connection does not join, and why; it closes. Specification: [ERR].

        Raises :class:`LocalProtocolError` for a connection that has joined, or is closing.
        """
        self._send(Input.JOIN_REFUSED, JoinResponse(False, code))
        self._pending.clear()

    def send(self, frame: ServerMessage | Roster | Disconnect | Ping | Pong) -> None:
        """Check a frame and queue it.

        Raises :class:`LocalProtocolError` where the state, the frame, its size, or an extension
        that was not granted does not allow it; then nothing has changed.
        """
        needed = _NEEDED.get(type(frame))
        if needed and needed not in self.granted:
            msg = f"the extension {needed} was not granted"
            raise LocalProtocolError(msg)
        _check_frame(frame)
        self._send(_SERVER_INPUTS[type(frame)], frame)

    def reject(self, code: RejectionCode, detail: str) -> Rejection:
        """Answer a frame that is not acted upon with a notice. Specification: [NOTICE]."""
        self.notify(_sentence(detail))
        return Rejection(code, detail)

    def notify(self, text: str) -> None:
        """Queue a notice: the server itself tells this user something. Specification: [NOTICE]."""
        date = format_date(self._clock())
        self.send(ServerMessage(text, self.username, "", len(text), date))

    def _drain(self) -> list[ServerEvent]:
        return list(iter(self.next_event, None))

    def _require_decision(self) -> None:
        if self.state is _DECIDING:
            msg = "the join has to be accepted or refused before more is received"
            raise LocalProtocolError(msg)

    def _move(self, given: Input) -> None:
        self.state = transition(Role.SERVER, self.state, given)

    def _send(self, given: Input, frame: ServerFrame) -> None:
        transition(Role.SERVER, self.state, given)
        data = encode_server_frame(frame)
        self._move(given)
        self._out.append(data)

    def _handle(self, item: JSONObject | ProtocolViolation) -> ServerEvent | None:
        if self.state is _WAITING:
            return self._handle_first(item)
        if isinstance(item, ProtocolViolation):
            self.notify(_sentence(f"the connection is closed for what you sent: {item.detail}"))
            return self._end(Input.VIOLATION, item)
        frame = parse_client_frame(item, self.granted)
        if isinstance(frame, Disconnect):
            return self._end(Input.CLIENT_DISCONNECT, frame)
        self._move(_CLIENT_INPUTS[type(frame)])
        if isinstance(frame, Rejection):
            return self.reject(frame.code, frame.detail)
        if isinstance(frame, Ping):
            self.send(Pong(frame.token))
        return frame

    def _handle_first(self, item: JSONObject | ProtocolViolation) -> ServerEvent:
        if isinstance(item, ProtocolViolation):
            refusal = Refusal(ErrorCode.NOT_A_JOIN, item.detail)
        else:
            first = parse_join(item)
            if isinstance(first, Join):
                self._move(Input.JOIN)
                self.username = first.username
                self._asked = frozenset(first.extensions)
                return first
            refusal = first
        self.refuse(refusal.code)
        return refusal

    def _end(
        self, given: Input, event: Disconnect | ProtocolViolation
    ) -> Disconnect | ProtocolViolation:
        """Say the last words, ``{"disconnect": true}``; what still comes is thrown away."""
        self._out.append(encode_server_frame(Disconnect()))
        self._move(given)
        self._pending.clear()
        return event


_CLIENT_INPUTS: dict[type[Any], Input] = {
    Join: Input.JOIN,
    ClientMessage: Input.CLIENT_MESSAGE,
    Disconnect: Input.CLIENT_DISCONNECT,
    Ping: Input.CLIENT_PING,
    Pong: Input.CLIENT_PONG,
    Rejection: Input.REJECTED,
    type(None): Input.UNKNOWN,
}
_SERVER_INPUTS: dict[type[Any], Input] = {
    ServerMessage: Input.SERVER_MESSAGE,
    Disconnect: Input.SERVER_DISCONNECT,
    Roster: Input.ROSTER,
    Ping: Input.SERVER_PING,
    Pong: Input.SERVER_PONG,
}
_NEEDED: dict[type[Any], str] = {Roster: ROSTER, Ping: PING, Pong: PING}
