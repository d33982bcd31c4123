"""The whole server without a socket: who is in the room, and who is to be sent what.

A :class:`Room` is told what happened to connections, and answers with actions for the adapter
to carry out in their order. An adapter decides nothing: it moves octets, watches one deadline
and tells the room what it sees.

What each member is owed, and how this file keeps it:

- *one order for all*: an input is worked off completely before the next, and every receiver's
  octets are emitted in that order;
- *exactly once*: a message goes to the tuple of those who are joined at that moment;
- *exactly one leave*: :meth:`Room._leave` is the only place that takes a name away, and the name
  is free before anybody is told;
- *replies keep their order*: events are taken from a connection one at a time, and what it
  queued is emitted before anything else is.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Hashable
from enum import Enum
from math import inf
from typing import Generic, TypeVar

from attrs import define, frozen

from chatroom_protocol.connection import (
    Clock,
    EndOfStream,
    ServerConnection,
    ServerEvent,
    encode_server_frame,
    encode_server_message,
    format_date,
)
from chatroom_protocol.errors import (
    ErrorCode,
    LocalProtocolError,
    ProtocolViolation,
    Refusal,
    Rejection,
    RejectionCode,
    ViolationCode,
)
from chatroom_protocol.frames import (
    EXTENSIONS,
    JOIN_TEXT,
    LEAVE_TEXT,
    ROSTER,
    ClientMessage,
    Disconnect,
    Join,
    Roster,
)
from chatroom_protocol.limits import ServerLimits

K = TypeVar("K", bound=Hashable)

# For so many senders the room remembers who else is there: 40 kB each in a room of 5,000.
_MAX_SENDERS_KEPT = 64


class LeaveReason(Enum):
    """How somebody who had joined came to leave."""

    DISCONNECT = "disconnected"
    END_OF_STREAM = "closed the connection"
    CONNECTION_LOST = "connection lost"
    VIOLATION = "violated the protocol"
    OUTBOUND_FULL = "did not read"
    SILENCE = "was silent too long"


@frozen
class Send(Generic[K]):
    """Write ``data`` to each of ``connections``, behind what is already queued for it."""

    connections: tuple[K, ...]
    data: bytes


@frozen
class SendEOF(Generic[K]):
    """Write what is queued, then end the outgoing stream; go on reading."""

    connection: K


@frozen
class Close(Generic[K]):
    """Write what is queued, then close, then tell :meth:`Room.connection_lost`."""

    connection: K


@frozen
class Abort(Generic[K]):
    """Close at once, whatever is queued; the room has forgotten the connection."""

    connection: K


@frozen
class PauseReading(Generic[K]):
    """Read no more from the connection, until :class:`ResumeReading` or the end."""

    connection: K


@frozen
class ResumeReading(Generic[K]):
    """Read from the connection again."""

    connection: K


@frozen
class Joined(Generic[K]):
    """For the log: a user has joined."""

    connection: K
    username: str


@frozen
class Left(Generic[K]):
    """For the log: a user has left."""

    connection: K
    username: str
    reason: LeaveReason


@frozen
class Refused(Generic[K]):
    """For the log: a connection did not join; it has been answered."""

    connection: K
    code: ErrorCode
    detail: str


@frozen
class Violated(Generic[K]):
    """For the log: a user sent what is no frame; it has been told and is let go."""

    connection: K
    username: str
    code: ViolationCode
    detail: str


@frozen
class Rejected(Generic[K]):
    """For the log: a user's frame was not acted upon; the user has been told."""

    connection: K
    username: str
    code: RejectionCode
    detail: str


Action = (
    Send[K]
    | SendEOF[K]
    | Close[K]
    | Abort[K]
    | PauseReading[K]
    | ResumeReading[K]
    | Joined[K]
    | Left[K]
    | Refused[K]
    | Violated[K]
    | Rejected[K]
)


@define
class _Member:
    """A connection as the room knows it; ``joined`` is whether it holds its username."""

    connection: ServerConnection
    address: str | None
    tokens: float
    counted_at: float
    joined: bool = False
    paused: bool = False


class _Deadlines(Generic[K]):
    """Deadlines that all lie equally far ahead when they are set, so the oldest is the next."""

    def __init__(self, delay: float | None) -> None:
        self._delay = delay
        self._when: OrderedDict[K, float] = OrderedDict()

    def set(self, key: K, now: float) -> None:
        if self._delay is not None:
            self._when[key] = now + self._delay
            self._when.move_to_end(key)

    def __contains__(self, key: K) -> bool:
        return key in self._when

    def drop(self, key: K) -> None:
        self._when.pop(key, None)

    def next(self) -> float:
        return next(iter(self._when.values())) if self._when else inf

    def take(self, now: float) -> list[K]:
        """Remove and return every key whose deadline has passed."""
        due = []
        while self._when and self.next() <= now:
            due.append(self._when.popitem(last=False)[0])
        return due


class _Outbox(Generic[K]):
    """The actions of one call; what goes to the same receivers in a row becomes one write.

    All that one call emits has one ``date``, that of the first frame that needs it.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._date = ""
        self._actions: list[Action[K]] = []
        self._to: tuple[K, ...] = ()
        self._data: list[bytes] = []

    @property
    def date(self) -> str:
        if not self._date:
            self._date = format_date(self._clock())
        return self._date

    def send(self, to: tuple[K, ...], data: bytes) -> None:
        if to and data:
            if to is not self._to and to != self._to:
                self._flush()
                self._to = to
            self._data.append(data)

    def add(self, action: Action[K]) -> None:
        self._flush()
        self._actions.append(action)

    def take(self) -> list[Action[K]]:
        self._flush()
        return self._actions

    def _flush(self) -> None:
        if self._data:
            self._actions.append(Send(self._to, b"".join(self._data)))
            self._data = []


class Room(Generic[K]):
    """A chat room: tell it what happened, carry out what it answers.

    Args:
        clock: gives the time of day, with an offset from UTC, for ``date``.
        limits: what one client may use.
        extensions: names that are granted to who asks for them.

    ``K`` is the caller's own handle of a connection, any hashable value. Every ``now`` is in
    seconds of one clock that never goes back. Each method returns the actions to carry out, in
    order; :class:`Joined`, :class:`Left`, :class:`Refused`, :class:`Violated` and
    :class:`Rejected` are for the log and need nothing done. A report about a connection that is
    gone is ignored, since a thread may be late with it. Nothing here may be called from two
    threads at once. Raises :class:`LocalProtocolError` for a connection made twice and for data
    behind its end of stream.

    Specification: [JOIN], [MSG], [DELIV], [LEAVE], [ROBUST], [LIMIT].
    """

    def __init__(
        self,
        clock: Clock,
        limits: ServerLimits | None = None,
        extensions: Collection[str] = EXTENSIONS,
    ) -> None:
        self._clock = clock
        self._limits = limits or ServerLimits()
        self._extensions = frozenset(extensions)
        self._members: dict[K, _Member] = {}
        self._users: dict[str, K] = {}
        self._others: dict[K, tuple[K, ...]] = {}
        self._addresses: dict[str, int] = {}
        self._shutting_down = False
        self._join_by: _Deadlines[K] = _Deadlines(self._limits.join_timeout)
        self._gone_by: _Deadlines[K] = _Deadlines(self._limits.linger_timeout)
        self._speak_by: _Deadlines[K] = _Deadlines(self._limits.max_silence)
        self._paused: dict[K, float] = {}

    @property
    def usernames(self) -> tuple[str, ...]:
        """Who has joined, in the order they did."""
        return tuple(self._users)

    @property
    def connection_count(self) -> int:
        """Connections known, those that have not joined or are closing included."""
        return len(self._members)

    @property
    def next_deadline(self) -> float | None:
        """When :meth:`deadline_passed` wants to be called; None is never."""
        when = min(self._join_by.next(), self._gone_by.next(), self._speak_by.next())
        if self._paused:
            when = min(when, *self._paused.values())
        return when if when < inf else None

    def connection_made(self, key: K, now: float, address: str | None = None) -> list[Action[K]]:
        """Tell of a connection just accepted.

        ``address`` is the peer's, as text without the port; None is not counted against the
        limit "clients-per-address".
        """
        if key in self._members:
            msg = f"connection {key!r} has been made already"
            raise LocalProtocolError(msg)
        if self._shutting_down:
            return [Abort(key)]
        connection = ServerConnection(self._clock, self._limits)
        self._members[key] = _Member(connection, address, self._limits.message_burst, now)
        self._join_by.set(key, now)
        out: _Outbox[K] = _Outbox(self._clock)
        if address is not None:
            self._addresses[address] = self._addresses.get(address, 0) + 1
        if self._is_crowded(address):
            detail = "too many connections from one address"
            self._refuse(key, ErrorCode.SERVER_FULL, detail, now, out)
        return out.take()

    def receive_data(self, key: K, data: bytes, now: float) -> list[Action[K]]:
        """Tell what was read from a connection."""
        member = self._members.get(key)
        if member is None:
            return []
        if member.joined and not member.paused:
            self._speak_by.set(key, now)
        member.connection.feed(data)
        return self._work_off(key, member, now)

    def receive_eof(self, key: K, now: float) -> list[Action[K]]:
        """Tell that the peer ended its stream; it may still be reading."""
        member = self._members.get(key)
        if member is None:
            return []
        member.connection.feed_eof()
        return self._work_off(key, member, now)

    def connection_lost(self, key: K, now: float) -> list[Action[K]]:  # noqa: ARG002 - one shape for all reports
        """Tell that a connection is closed: reset, failed, or as :class:`Close` asked."""
        out: _Outbox[K] = _Outbox(self._clock)
        if key in self._members:
            self._leave(key, LeaveReason.CONNECTION_LOST, out)
            self._forget(key)
        return out.take()

    def report_backlog(self, key: K, octets: int, now: float) -> list[Action[K]]:  # noqa: ARG002 - as above
        """Tell how many octets wait to be written to a connection, when a write fell short.

        Over the limit "outbound-queue" the connection is cut off, and that is a leave.
        """
        out: _Outbox[K] = _Outbox(self._clock)
        if key in self._members and octets > self._limits.max_outbound_octets:
            self._abort(key, LeaveReason.OUTBOUND_FULL, out)
        return out.take()

    def deadline_passed(self, now: float) -> list[Action[K]]:
        """Tell that :attr:`next_deadline` has come; harmless at any other time."""
        out: _Outbox[K] = _Outbox(self._clock)
        for key in self._join_by.take(now):
            detail = f"no join within {self._limits.join_timeout:g} seconds"
            self._refuse(key, ErrorCode.JOIN_TIMEOUT, detail, now, out)
        for key in self._speak_by.take(now):
            self._dismiss(key, now, out)
        for key in self._gone_by.take(now):
            self._forget(key)
            out.add(Abort(key))
        for key in [key for key, when in self._paused.items() if when <= now]:
            self._resume(key, out)
            self._speak_by.set(key, now)
        return out.take()

    def shut_down(self, now: float) -> list[Action[K]]:
        """Tell everyone that the server ends; no leave is announced, since everybody leaves.

        New connections are closed unanswered from here on. Specification: [LEAVE], shutdown.
        """
        self._shutting_down = True
        self._users.clear()
        self._others.clear()
        out: _Outbox[K] = _Outbox(self._clock)
        for key, member in list(self._members.items()):
            if member.joined:
                member.joined = False
                self._speak_by.drop(key)
                member.connection.send(Disconnect())
                self._flush(key, member, out)
                self._end(key, now, SendEOF(key), out)
            elif not member.connection.close_expected:
                self._forget(key)
                out.add(Abort(key))
        return out.take()

    def _is_crowded(self, address: str | None) -> bool:
        most = self._limits.max_clients_per_address
        return address is not None and most is not None and self._addresses[address] > most

    def _work_off(self, key: K, member: _Member, now: float) -> list[Action[K]]:
        """Handle every event that the connection has, each with its replies, in order."""
        out: _Outbox[K] = _Outbox(self._clock)
        while (event := member.connection.next_event()) is not None:
            self._flush(key, member, out)
            self._handle(key, member, event, now, out)
        return out.take()

    def _flush(self, key: K, member: _Member, out: _Outbox[K]) -> None:
        data = member.connection.data_to_send()
        if data:
            out.send((key,), data)

    def _handle(
        self, key: K, member: _Member, event: ServerEvent, now: float, out: _Outbox[K]
    ) -> None:
        if isinstance(event, ClientMessage):
            self._count(key, member, now, out)
            self._relay(key, member, event, out)
        elif isinstance(event, Join):
            self._decide(key, member, event, now, out)
        elif isinstance(event, Rejection):
            self._count(key, member, now, out)
            out.add(Rejected(key, self._name(member), event.code, event.detail))
        elif isinstance(event, Refusal):
            out.add(Refused(key, event.code, event.detail))
            self._end(key, now, SendEOF(key), out)
        elif isinstance(event, ProtocolViolation):
            out.add(Violated(key, self._name(member), event.code, event.detail))
            self._end(key, now, SendEOF(key), out)
            self._leave(key, LeaveReason.VIOLATION, out)
        elif isinstance(event, Disconnect):
            self._end(key, now, SendEOF(key), out)
            self._leave(key, LeaveReason.DISCONNECT, out)
        elif isinstance(event, EndOfStream):
            self._end(key, now, Close(key), out)
            self._leave(key, LeaveReason.END_OF_STREAM, out)
        else:
            self._count(key, member, now, out)

    def _decide(self, key: K, member: _Member, join: Join, now: float, out: _Outbox[K]) -> None:
        """Answer a join whose name is acceptable; a name taken goes before a full server."""
        limit = self._limits.max_clients
        if join.username in self._users:
            self._refuse(key, ErrorCode.USERNAME_TAKEN, "the username is taken", now, out)
        elif limit is not None and len(self._users) >= limit:
            self._refuse(key, ErrorCode.SERVER_FULL, f"{limit} users are here", now, out)
        else:
            self._admit(key, member, join, out)
            self._speak_by.set(key, now)

    def _admit(self, key: K, member: _Member, join: Join, out: _Outbox[K]) -> None:
        others = tuple(self._users.values())
        self._join_by.drop(key)
        self._users[join.username] = key
        self._others.clear()
        member.joined = True
        granted = self._extensions.intersection(join.extensions)
        roster = self._roster() if ROSTER in granted else b""
        if not roster:
            granted -= {ROSTER}
        member.connection.accept(granted)
        self._flush(key, member, out)
        out.send((key,), roster)
        out.add(Joined(key, join.username))
        out.send(others, self._announcement(join.username, JOIN_TEXT, out))

    def _roster(self) -> bytes:
        """Give the roster frame; nothing where it would be larger than a client has to accept."""
        try:
            return encode_server_frame(Roster(self.usernames))
        except LocalProtocolError:
            return b""

    def _relay(self, key: K, member: _Member, event: ClientMessage, out: _Outbox[K]) -> None:
        """Give a message to everyone else, or to its addressee alone; tell its sender if not."""
        if event.dm is None:
            receivers = self._everyone_but(key)
        elif event.dm in self._users:
            receivers = (self._users[event.dm],)
        else:
            detail = f"the message was not delivered, because no '{event.dm[:64]}' is here"
            self._reject(key, member, RejectionCode.UNKNOWN_ADDRESSEE, detail, out)
            return
        try:
            data = encode_server_message(event.message, event.dm, self._name(member), out.date)
        except LocalProtocolError as error:
            detail = f"the message was not delivered, because it is too long: {error}"
            self._reject(key, member, RejectionCode.MESSAGE_TOO_LONG, detail, out)
            return
        out.send(receivers, data)

    def _everyone_but(self, key: K) -> tuple[K, ...]:
        """Give all others; kept for some senders, as long as nobody comes or goes."""
        others = self._others.get(key)
        if others is None:
            if len(self._others) >= _MAX_SENDERS_KEPT:
                self._others.clear()
            others = tuple(other for other in self._users.values() if other != key)
            self._others[key] = others
        return others

    def _reject(
        self, key: K, member: _Member, code: RejectionCode, detail: str, out: _Outbox[K]
    ) -> None:
        rejection = member.connection.reject(code, detail)
        self._flush(key, member, out)
        out.add(Rejected(key, self._name(member), rejection.code, rejection.detail))

    def _refuse(self, key: K, code: ErrorCode, detail: str, now: float, out: _Outbox[K]) -> None:
        member = self._members[key]
        member.connection.refuse(code)
        self._flush(key, member, out)
        out.add(Refused(key, code, detail))
        self._end(key, now, SendEOF(key), out)

    def _end(self, key: K, now: float, how: SendEOF[K] | Close[K], out: _Outbox[K]) -> None:
        """Let the last words go out, and the stream end; both have one bounded time."""
        self._join_by.drop(key)
        self._resume(key, out)
        if key not in self._gone_by:
            self._gone_by.set(key, now)
        out.add(how)

    def _dismiss(self, key: K, now: float, out: _Outbox[K]) -> None:
        """End the connection of a user who was silent too long. Specification: [CLOSE-7]."""
        member = self._members[key]
        seconds = self._limits.max_silence
        member.connection.notify(
            f"The connection is closed, because you sent nothing for {seconds:g} seconds."
        )
        member.connection.send(Disconnect())
        self._flush(key, member, out)
        self._end(key, now, SendEOF(key), out)
        self._leave(key, LeaveReason.SILENCE, out)

    def _abort(self, key: K, reason: LeaveReason, out: _Outbox[K]) -> None:
        out.add(Abort(key))
        self._leave(key, reason, out)
        self._forget(key)

    def _leave(self, key: K, reason: LeaveReason, out: _Outbox[K]) -> None:
        """Free the name, then tell everybody else, if the connection had joined."""
        member = self._members[key]
        if not member.joined:
            return
        member.joined = False
        username = self._name(member)
        del self._users[username]
        self._others.clear()
        self._speak_by.drop(key)
        out.add(Left(key, username, reason))
        out.send(
            tuple(self._users.values()),
            self._announcement(username, LEAVE_TEXT.format(username), out),
        )

    def _forget(self, key: K) -> None:
        member = self._members.pop(key)
        for queue in (self._join_by, self._gone_by, self._speak_by):
            queue.drop(key)
        self._paused.pop(key, None)
        if member.address is not None:
            self._addresses[member.address] -= 1
            if not self._addresses[member.address]:
                del self._addresses[member.address]

    @staticmethod
    def _announcement(username: str, text: str, out: _Outbox[K]) -> bytes:
        return encode_server_message(text, None, username, out.date)

    def _count(self, key: K, member: _Member, now: float, out: _Outbox[K]) -> None:
        """Take a token for a frame; who owes one is not read until it has grown again.

        What was read already is still handled, so nothing is lost: the debt is at most what one
        read brings. Specification: limit "messages-per-second".
        """
        rate = self._limits.max_messages_per_second
        if rate is None:
            return
        grown = member.tokens + (now - member.counted_at) * rate
        member.tokens = min(grown, self._limits.message_burst) - 1
        member.counted_at = now
        if member.tokens < 0:
            self._paused[key] = now - member.tokens / rate
            self._speak_by.drop(key)  # who is not read is not silent
            if not member.paused:
                member.paused = True
                out.add(PauseReading(key))

    def _resume(self, key: K, out: _Outbox[K]) -> None:
        if self._paused.pop(key, None) is not None:
            self._members[key].paused = False
            out.add(ResumeReading(key))

    @staticmethod
    def _name(member: _Member) -> str:
        username = member.connection.username
        assert username is not None, "only who has joined gets this far"
        return username
