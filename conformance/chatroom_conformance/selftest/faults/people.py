"""Faults in how people come and go: joins, refusals, leaves, violations, closing."""

# ruff: noqa: ARG002 - what is overridden has one shape
from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from chatroom_protocol.connection import ServerEvent
from chatroom_protocol.errors import ErrorCode, ProtocolViolation, Refusal
from chatroom_protocol.frames import (
    JOIN_TEXT,
    LEAVE_TEXT,
    ClientMessage,
    Join,
    username_fault,
)
from chatroom_protocol.limits import ServerLimits
from chatroom_protocol.room import (
    Action,
    Close,
    LeaveReason,
    Left,
    Send,
    SendEOF,
    _Member,
    _Outbox,
)
from chatroom_protocol.states import ServerState

from ..fault import Fault
from ..host import (
    Change,
    Connection,
    DiedError,
    First,
    HostedRoom,
    Item,
    Members,
    Peer,
    Sent,
    Server,
    clock,
    edit,
    kind_of,
    message,
    octets,
)

_Out = _Outbox[Peer]
#: Nothing is closed for its having been closed too slowly.
_LONG = ServerLimits(linger_timeout=1000.0)


def _without(*kinds: str) -> Sent:
    """Send no frames of these kinds."""

    def sent(_: Peer, frame: Members) -> Iterator[Members]:
        if kind_of(frame) not in kinds:
            yield frame

    return sent


def _twice(*kinds: str) -> Sent:
    """Send frames of these kinds twice."""

    def sent(_: Peer, frame: Members) -> Iterator[Members]:
        yield frame
        if kind_of(frame) in kinds:
            yield frame

    return sent


def _with(kind: str, **members: Any) -> Sent:
    """Send frames of this kind with other values of some members."""

    @edit(kind)
    def sent(_: Peer, frame: Members) -> None:
        frame.update(members)

    return sent


# ---- joins


class _DeciderRoom(HostedRoom):
    """Refuses joins where `refuse` says so, before anything else is looked at."""

    def refuse(self, join: Join) -> ErrorCode | None:
        """The code, or None."""
        raise NotImplementedError

    def _decide(self, key: Peer, member: _Member, join: Join, now: float, out: _Out) -> None:
        code = self.refuse(join)
        if code is None:
            super()._decide(key, member, join, now, out)
        else:
            self._refuse(key, code, "", now, out)


class _ClosedRoom(_DeciderRoom):
    def refuse(self, join: Join) -> ErrorCode | None:
        return ErrorCode.SERVER_FULL


class _FullFirstRoom(_DeciderRoom):
    def refuse(self, join: Join) -> ErrorCode | None:
        return ErrorCode.SERVER_FULL if len(self.usernames) >= 30 else None


class _DoorlessRoom(HostedRoom):
    """Lets a second user take a name; the first goes on without."""

    def takes_over(self, join: Join) -> bool:
        """Whether this one may do so."""
        return True

    def _decide(self, key: Peer, member: _Member, join: Join, now: float, out: _Out) -> None:
        first = self._users.pop(join.username, None) if self.takes_over(join) else None
        super()._decide(key, member, join, now, out)
        if first is not None:
            self._members[first].joined = False


def _on_refusal(code: int, instead: int) -> Sent:
    """Refuse with another code."""

    @edit("refused")
    def sent(_: Peer, frame: Members) -> None:
        if frame["errorCode"] == code:
            frame["errorCode"] = instead

    return sent


def _coded(code: ErrorCode, instead: ErrorCode, when: Callable[[Item], bool]) -> First:
    """Refuse by another code what would be refused by this one."""

    def first(_: Connection, item: Item) -> Item | Refusal:
        name = item.get("username") if isinstance(item, dict) else None
        bad = isinstance(name, str) and username_fault(name) is not None
        right = (
            ErrorCode.BAD_USERNAME if bad
            else ErrorCode.ACCEPTED if isinstance(name, str)
            else ErrorCode.NOT_A_JOIN
        )  # fmt: skip
        return Refusal(instead, "") if right is code and when(item) else item

    return first


def _has_name(item: Item) -> bool:
    return isinstance(item, dict) and "username" in item


def _is_frame_without_name(item: Item) -> bool:
    return isinstance(item, dict) and "username" not in item


def _is_violation(item: Item) -> bool:
    return isinstance(item, ProtocolViolation)


class _ImpatientConnection(Connection):
    """Drops what stands behind a join."""

    def _handle_first(self, item: Item) -> ServerEvent:
        self._pending.clear()
        return super()._handle_first(item)


@edit("granted")
def _no_code(_: Peer, frame: Members) -> None:
    del frame["errorCode"]


def _greeting_first(peer: Peer, frame: Members) -> Iterator[Members]:
    if kind_of(frame) == "granted":
        yield message("Welcome", "", peer.username)
    yield frame


class _TellingServer(Server):
    """Sends what is said to everyone to those too who have not joined."""

    def send(self, peer: Peer, data: bytes) -> None:
        super().send(peer, data)
        peer.memory["said"] = data

    def act(self, actions: Any) -> None:
        for action in actions:
            self.perform(action)
            if isinstance(action, Send) and kind_of(_first_frame(action.data)) == "said":
                for peer in self._peers:
                    if peer.link.state is ServerState.WAITING:
                        self.write(peer, action.data)


def _first_frame(data: bytes) -> Members:
    found: Members = json.loads(data.splitlines()[0])
    return found


def _two_responses(_: Peer, frame: Members) -> Iterator[Members]:
    """Repeat the response to who was granted no extension."""
    yield frame
    if kind_of(frame) == "granted" and "extensions" not in frame:
        yield frame


class _ListRoom(HostedRoom):
    """Sends what a user says to everyone to those on a list of its own."""

    def heard_by(self, key: Peer) -> tuple[Peer, ...]:
        """Those who are to hear the next thing that this user says."""
        raise NotImplementedError

    def _relay(self, key: Peer, member: _Member, event: ClientMessage, out: _Out) -> None:
        if event.dm is not None:
            super()._relay(key, member, event, out)
            return
        heard_by = self.heard_by(key)
        everyone = self._users
        self._users = {name: who for name, who in everyone.items() if who in heard_by or who is key}
        self._others.clear()
        super()._relay(key, member, event, out)
        self._users = everyone
        self._others.clear()


class _StaleRoom(_ListRoom):
    """Works out who hears a user's next message when it relays one."""

    def heard_by(self, key: Peer) -> tuple[Peer, ...]:
        before: tuple[Peer, ...] = key.memory.get("heard by", self.others(key))
        key.memory["heard by"] = self.others(key)
        return before


class _SettledRoom(_ListRoom):
    """Works out who hears a user at the first five messages, and where `again` says so."""

    def again(self, number: int) -> bool:
        """Whether to do so at a later message."""
        return False

    def heard_by(self, key: Peer) -> tuple[Peer, ...]:
        number = key.memory["said"] = key.memory.get("said", 0) + 1
        if number <= 5 or self.again(number):
            key.memory["heard by"] = self.others(key)
        found: tuple[Peer, ...] = key.memory["heard by"]
        return found


class _SeldomRoom(_SettledRoom):
    def again(self, number: int) -> bool:
        return number % 13 == 5


class _SelfAnnouncingRoom(HostedRoom):
    """Announces a join to the newcomer too."""

    def _admit(self, key: Peer, member: _Member, join: Join, out: _Out) -> None:
        super()._admit(key, member, join, out)
        out.send((key,), octets(message(JOIN_TEXT, join.username)))


class _OneClientServer(Server):
    """Listens to its first client only."""

    first: Peer | None = None

    def received(self, peer: Peer, data: bytes) -> None:
        self.first = self.first or peer
        if peer is self.first:
            super().received(peer, data)


# ---- refusals


class _SecondTryConnection(Connection):
    """Takes a join that stands right behind one that was refused."""

    def refuse(self, code: ErrorCode) -> None:
        behind = self._pending[0] if self._pending else None
        super().refuse(code)
        if isinstance(behind, dict) and isinstance(behind.get("username"), str):
            self.state = ServerState.WAITING
            self._pending.append(behind)


class _SecondTryRoom(HostedRoom):
    """Closes no connection that is to try again."""

    def _end(self, key: Peer, now: float, how: SendEOF[Peer] | Close[Peer], out: _Out) -> None:
        if not key.link._pending:
            super()._end(key, now, how, out)


class _GossipRoom(HostedRoom):
    """Announces a join, and then finds that the name is taken."""

    def _decide(self, key: Peer, member: _Member, join: Join, now: float, out: _Out) -> None:
        if join.username in self._users:
            holder = self._users[join.username]
            others = tuple(who for who in self.joined() if who is not holder)
            out.send(others, octets(message(JOIN_TEXT, join.username)))
        super()._decide(key, member, join, now, out)


class _OpenDoorServer(Server):
    """Closes a connection that it refused 50 ms later, and lets it hear what is said meanwhile."""

    def finish(self, peer: Peer, how: SendEOF[Peer] | Close[Peer]) -> None:
        if isinstance(how, SendEOF) and peer.memory.pop("refused", False):
            peer.memory["hears"] = True
            self.later(0.05, lambda: self._close(peer, how))
        else:
            super().finish(peer, how)

    def _close(self, peer: Peer, how: SendEOF[Peer] | Close[Peer]) -> None:
        peer.memory["hears"] = False
        super().finish(peer, how)

    def act(self, actions: Any) -> None:
        for action in actions:
            kind = kind_of(_first_frame(action.data)) if isinstance(action, Send) else ""
            if kind == "refused":
                action.connections[0].memory["refused"] = True
            self.perform(action)
            if kind == "said":
                for peer in self._peers:
                    if peer.memory.get("hears"):
                        self.write(peer, action.data)


def _two_words(_: Peer, frame: Members) -> Iterator[Members]:
    """Say goodbye to who was refused."""
    yield frame
    if kind_of(frame) == "refused":
        yield {"disconnect": True}


class _UnclosedServer(Server):
    """Leaves connections open, of the kind that `is_left_open` says."""

    def is_left_open(self, peer: Peer) -> bool:
        """Whether this one is."""
        raise NotImplementedError

    def finish(self, peer: Peer, how: SendEOF[Peer] | Close[Peer]) -> None:
        if not self.is_left_open(peer):
            super().finish(peer, how)


class _RefusedOpenServer(_UnclosedServer):
    def is_left_open(self, peer: Peer) -> bool:
        return peer.link.state is ServerState.CLOSING and "joined" not in peer.memory

    def send(self, peer: Peer, data: bytes) -> None:
        if peer.link.has_joined:
            peer.memory["joined"] = True
        super().send(peer, data)


class _LeaverOpenServer(_RefusedOpenServer):
    def is_left_open(self, peer: Peer) -> bool:
        left = peer.link.state is ServerState.CLOSING and "joined" in peer.memory
        return left and not peer.link._decoder._failed


class _ViolatorOpenServer(_RefusedOpenServer):
    def is_left_open(self, peer: Peer) -> bool:
        left = peer.link.state is ServerState.CLOSING and "joined" in peer.memory
        return left and peer.link._decoder._failed


class _HalfOpenServer(_UnclosedServer):
    def is_left_open(self, peer: Peer) -> bool:
        return peer.link.state is ServerState.CLOSED and not peer.reading


# ---- leaves


def _if_sender_is_right(connection: Connection, frame: Members) -> Members | None:
    """Ignore a disconnect of who gives another name than its own."""
    wrong = "disconnect" in frame and frame.get("sender", connection.username)
    return None if wrong and wrong != connection.username else frame


def _if_sender_is_there(_: Connection, frame: Members) -> Members | None:
    """Ignore a disconnect that has no sender."""
    return None if frame.get("disconnect") is True and "sender" not in frame else frame


def _both_leave(connection: Connection, frame: Members) -> Members:
    """Let go of who sends a disconnect, and of whom it names."""
    server = connection.peer.server
    named = server.room.key_of(str(frame.get("sender")))
    if frame.get("disconnect") is True and named is not None and named is not connection.peer:
        server.later(0, partial(server.received, named, b'{"disconnect": true}'))
    return frame


def _noting_sender(connection: Connection, frame: Members) -> Members:
    """Note under which name somebody leaves."""
    sender = frame.get("sender")
    if "disconnect" in frame and isinstance(sender, str) and sender:
        connection.peer.memory["leaves as"] = sender
    return frame


class _CredulousRoom(HostedRoom):
    """Announces a leave under the name that the disconnect has."""

    def _leave(self, key: Peer, reason: LeaveReason, out: _Out) -> None:
        name = key.memory.get("leaves as", key.username)
        if name == key.username or not self._members[key].joined:
            super()._leave(key, reason, out)
            return
        super()._leave(key, reason, _Outbox(clock))
        out.send(self.joined(), octets(message(LEAVE_TEXT.format(name), name)))


def _one_more_word(connection: Connection, frame: Members) -> Members:
    """Let go of who sent a disconnect of any value behind the next frame."""
    peer = connection.peer
    if peer.memory.pop("leaves", False):
        peer.server.later(0, partial(peer.server.received, peer, b'{"disconnect": true}'))
    peer.memory["leaves"] = "message" not in frame and "disconnect" in frame
    return frame


def _loosely_true(_: Connection, frame: Members) -> Members:
    """Take 1 for true."""
    return {**frame, "disconnect": True} if frame.get("disconnect") == 1 else frame


def _truth(_: Connection, frame: Members) -> Members:
    """Take any value of a disconnect for true."""
    return (
        {**frame, "disconnect": True} if "message" not in frame and "disconnect" in frame else frame
    )


class _QuietRoom(HostedRoom):
    """Announces no leave of one sort."""

    quiet: frozenset[LeaveReason] = frozenset()

    def _leave(self, key: Peer, reason: LeaveReason, out: _Out) -> None:
        if reason in self.quiet:
            silent: _Out = _Outbox(clock)
            super()._leave(key, reason, silent)
        else:
            super()._leave(key, reason, out)


def _quiet(reason: LeaveReason) -> Change:
    return Change(room=type("_Quiet", (_QuietRoom,), {"quiet": frozenset({reason})}))


class _FewHearRoom(HostedRoom):
    """Announces a leave to all but who joined last."""

    def _leave(self, key: Peer, reason: LeaveReason, out: _Out) -> None:
        if not self._members[key].joined:
            return
        last = next((name for name in reversed(self._users) if self._users[name] is not key), "")
        skipped = self._users.pop(last, None)
        super()._leave(key, reason, out)
        if skipped is not None:
            self._users[last] = skipped


class _HauntedRoom(HostedRoom):
    """Announces the leave of who had not joined."""

    def connection_lost(self, key: Peer, now: float) -> list[Action[Peer]]:
        known = key in self._members and key.link.state in (
            ServerState.WAITING, ServerState.CLOSED
        ) and key.link.username is None  # fmt: skip
        actions = super().connection_lost(key, now)
        if known:
            actions.append(Send(self.joined(), octets(message("None is offline\n", "None"))))
        return actions


class _SlowRegisterRoom(_DeciderRoom):
    """Frees a name 30 ms after its user has left."""

    def __init__(self, change: Change) -> None:
        super().__init__(change)
        self._kept: set[str] = set()

    def refuse(self, join: Join) -> ErrorCode | None:
        return ErrorCode.USERNAME_TAKEN if join.username in self._kept else None

    def _leave(self, key: Peer, reason: LeaveReason, out: _Out) -> None:
        if key.username in self._users:
            self._kept.add(key.username)
            self.server.later(0.03, lambda: self._kept.discard(key.username))
        super()._leave(key, reason, out)


class _AbsentMindedRoom(HostedRoom):
    """Answers a disconnect, and sees to all else 100 ms later."""

    def _leave(self, key: Peer, reason: LeaveReason, out: _Out) -> None:
        if reason is LeaveReason.DISCONNECT:
            self.server.later(0.1, lambda: self._leave_at_last(key))
        else:
            super()._leave(key, reason, out)

    def _leave_at_last(self, key: Peer) -> None:
        if key in self._members:
            out = _Out(clock)
            super()._leave(key, LeaveReason.DISCONNECT, out)
            self.server.act(out.take())


def _last_not_least(_: Peer, frame: Members) -> Iterator[Members]:
    """Say goodbye behind the disconnect."""
    yield frame
    if kind_of(frame) == "disconnect":
        yield message("Goodbye", "", _.username)


class _DeafEarServer(Server):
    """Relays what is said behind a disconnect."""

    def received(self, peer: Peer, data: bytes) -> None:
        joined = peer.link.has_joined
        super().received(peer, data)
        if not joined and not peer.memory.get("left"):
            return
        if peer.link.has_joined or peer.gone:
            return
        peer.memory["left"] = not peer.link._decoder._failed
        if not peer.memory["left"]:
            return
        _, disconnect, behind = data.rpartition(b'"disconnect"') if joined else (b"", b"-", data)
        for text in re.findall(rb'"message": "([ !#-\[\]-~]*)"', behind if disconnect else b""):
            for other in self.room.joined():
                self.send(other, octets(message(text.decode("ascii"), peer.username)))


class _ListeningServer(Server):
    """Relays what comes in reads of their own behind the end, of the sort that `hears` says."""

    def hears(self, peer: Peer) -> bool:
        """Whether this one is still listened to."""
        raise NotImplementedError

    def received(self, peer: Peer, data: bytes) -> None:
        hears = peer.link.state is ServerState.CLOSING and self.hears(peer)
        super().received(peer, data)
        for line in data.splitlines() if hears else ():
            text = _message_in(line)
            for other in self.room.joined() if text is not None else ():
                self.send(other, octets(message(str(text), peer.username)))


def _message_in(line: bytes) -> str | None:
    """The text of a message, if that is what the line is."""
    try:
        frame = json.loads(line)
    except ValueError:
        return None
    text = frame.get("message") if isinstance(frame, dict) else None
    return text if isinstance(text, str) else None


class _RefusedHeardServer(_ListeningServer):
    def hears(self, peer: Peer) -> bool:
        return not peer.link._decoder._failed and "left" not in peer.memory

    def act(self, actions: Any) -> None:
        actions = list(actions)
        for action in actions:
            if isinstance(action, Left):
                action.connection.memory["left"] = True
        super().act(actions)


class _ViolatorHeardServer(_ListeningServer):
    def hears(self, peer: Peer) -> bool:
        return peer.link._decoder._failed and bool(peer.username)


# ---- violations


def _no_last_words(peer: Peer, frame: Members) -> Iterator[Members]:
    """Say nothing of a violation but what was wrong."""
    violation = kind_of(frame) == "disconnect" and peer.link._decoder._failed
    if not violation:
        yield frame


def _no_reason(peer: Peer, frame: Members) -> Iterator[Members]:
    """Say nothing of what was wrong."""
    violation = kind_of(frame) == "notice" and peer.link._decoder._failed
    if not violation:
        yield frame


def _reason_last(peer: Peer, frame: Members) -> Iterator[Members]:
    """Say what was wrong behind the disconnect."""
    if kind_of(frame) == "notice" and peer.link._decoder._failed:
        peer.memory["reason"] = frame
        return
    yield frame
    if kind_of(frame) == "disconnect" and "reason" in peer.memory:
        yield peer.memory.pop("reason")


class _SalvagingServer(Server):
    """Relays the text of a frame in which a violation lies."""

    def received(self, peer: Peer, data: bytes) -> None:
        joined, name = peer.link.has_joined, peer.username
        super().received(peer, data)
        if joined and not peer.gone and peer.link._decoder._failed:
            found = re.match(rb'\{"message": "([\x20\x23-\x5b\x5d-\x7e]+)', data)
            for other in self.room.joined() if found else ():
                assert found is not None
                self.send(other, octets(message(found[1].decode("ascii"), name)))


# ---- robustness


def _dies_of_rosters(_: Connection, frame: Members) -> Members:
    if frame.get("roster") == 5:
        raise DiedError
    return frame


class _PanickingServer(Server):
    """Closes all connections on a frame that it does not expect."""

    def received(self, peer: Peer, data: bytes) -> None:
        if b'"roster": 5' in data:
            for other in list(self._peers):
                self.lost(other, reset=False)
        else:
            super().received(peer, data)


class _TwiceClosingServer(Server):
    """Closes a connection twice that ended in a violation: the second time all others go."""

    def ended(self, peer: Peer) -> None:
        super().ended(peer)
        self._close_again(peer)

    def lost(self, peer: Peer, *, reset: bool) -> None:
        super().lost(peer, reset=reset)
        self._close_again(peer)

    def _close_again(self, peer: Peer) -> None:
        if peer.link._decoder._failed and peer.username and not peer.memory.get("again"):
            peer.memory["again"] = True
            for other in list(self._peers):
                super().lost(other, reset=False)


class _BrittleServer(Server):
    """Closes all connections when one is reset within a frame, of the sort that `joined` says."""

    joined = True

    def breaks(self, peer: Peer) -> bool:
        """Whether the end of this one does it."""
        return peer.link.has_joined is self.joined and bool(peer.link._decoder._buffer)

    def lost(self, peer: Peer, *, reset: bool) -> None:
        breaks = reset and self.breaks(peer)
        super().lost(peer, reset=reset)
        if breaks:
            self.break_down()

    def break_down(self) -> None:
        """Do the harm."""
        for other in list(self._peers):
            super().lost(other, reset=False)


class _BrittleDoorServer(_BrittleServer):
    joined = False


class _LockedServer(_BrittleServer):
    """Lets nobody join any more then."""

    locked = False

    def break_down(self) -> None:
        self.locked = True

    def received(self, peer: Peer, data: bytes) -> None:
        if peer.link.has_joined or not self.locked:
            super().received(peer, data)


class _FragileServer(Server):
    """Dies when a connection is reset within a frame."""

    def lost(self, peer: Peer, *, reset: bool) -> None:
        if reset and peer.link._decoder._buffer:
            raise DiedError
        super().lost(peer, reset=reset)


FAULTS = (
    Fault("nobody-joins", "JOIN-3", "Every join is refused.", Change(room=_ClosedRoom)),
    Fault("one-client-ever", "JOIN-3", "Behind the first client no join is answered.",
          Change(server=_OneClientServer), dies=True),
    Fault("names-taken-over", "JOIN-4", "A name that is taken is granted again.",
          Change(room=_DoorlessRoom)),
    Fault("taken-is-code-3", "JOIN-4", "A name that is taken is refused with code 3.",
          Change(sent=_on_refusal(1, 3))),
    Fault("full-is-code-1", "JOIN-5", "A full room refuses with code 1.",
          Change(sent=_on_refusal(2, 1), limits=ServerLimits(max_clients=30)), disruptive=True),
    Fault("bad-name-is-code-4", "JOIN-6", "An unacceptable username is refused with code 4.",
          Change(first=_coded(ErrorCode.BAD_USERNAME, ErrorCode.NOT_A_JOIN, _has_name))),
    Fault("no-string-is-code-3", "JOIN-7", "A username that is no string is refused with code 3.",
          Change(first=_coded(ErrorCode.NOT_A_JOIN, ErrorCode.BAD_USERNAME, _has_name))),
    Fault("full-first", "JOIN-8", "That the room is full is seen before that a name is taken.",
          Change(room=_FullFirstRoom), disruptive=True),
    Fault("join-and-forget", "JOIN-9", "What stands behind a join is dropped.",
          Change(connection=_ImpatientConnection)),
    Fault("no-code", "JOIN-10", "A join is granted without a code.", Change(sent=_no_code)),
    Fault("greeting-first", "JOIN-11", "A greeting comes before the join response.",
          Change(sent=_greeting_first)),
    Fault("tells-the-unjoined", "JOIN-12", "Who has not joined hears what is said.",
          Change(server=_TellingServer)),
    Fault("two-responses", "JOIN-13", "The join response is sent twice.",
          Change(sent=_two_responses)),
    Fault("stale-list", "JOIN-14", "A newcomer misses the next message of who had talked before.",
          Change(room=_StaleRoom)),
    Fault("list-settled", "JOIN-14", "Newcomers don't hear who has said five things.",
          Change(room=_SettledRoom)),
    Fault("list-seldom-made", "JOIN-14", "Who has said five things is heard by newcomers later.",
          Change(room=_SeldomRoom)),
    Fault("join-unheard", "JOIN-15", "No join is announced.", Change(sent=_without("joined"))),
    Fault("join-in-other-words", "JOIN-15", "The words of an announcement are others.",
          Change(sent=_with("joined", message="user connected", length=14))),
    Fault("join-told-to-newcomer", "JOIN-16", "A join is announced to the newcomer too.",
          Change(room=_SelfAnnouncingRoom)),
    Fault("join-told-twice", "JOIN-17", "A join is announced twice.",
          Change(sent=_twice("joined"))),
    Fault("no-join-is-code-3", "REFUSE-1", "A first frame that is no join has code 3.",
          Change(first=_coded(ErrorCode.NOT_A_JOIN, ErrorCode.BAD_USERNAME,
                              _is_frame_without_name))),
    Fault("junk-is-code-3", "REFUSE-2", "A violation before the join has code 3.",
          Change(first=_coded(ErrorCode.NOT_A_JOIN, ErrorCode.BAD_USERNAME, _is_violation)),
          {"JOIN-7": "a username of 1e999 is a violation, and no string either"}),
    Fault("refused-without-a-word", "REFUSE-3", "A refused connection is closed unanswered.",
          Change(sent=_without("refused"))),
    Fault("refused-by-null", "REFUSE-3", "A refusal has null as isConnected.",
          Change(sent=_with("refused", isConnected=None))),
    Fault("refused-stays", "REFUSE-4", "A connection that was refused is not closed.",
          Change(server=_RefusedOpenServer, limits=_LONG)),
    Fault("refused-is-news", "REFUSE-5", "A join that is refused is announced.",
          Change(room=_GossipRoom)),
    Fault("second-try", "REFUSE-6", "A join behind a refused one is granted.",
          Change(connection=_SecondTryConnection, room=_SecondTryRoom)),
    Fault("refused-listens", "REFUSE-7", "Who was refused hears what is said.",
          Change(server=_OpenDoorServer)),
    Fault("code-42", "ERR-1", "An unacceptable username is refused with code 42.",
          Change(sent=_on_refusal(3, 42)),
          {"JOIN-6": "a code that isn't defined isn't 3"}),
    Fault("leaves-unanswered", "LEAVE-1", "A disconnect is not answered.",
          Change(sent=_without("disconnect")),
          {"VIOLATION-1": "the same frame is missing after a violation"}),
    Fault("answered-by-one", "LEAVE-1", "The answer to a disconnect has 1 for true.",
          Change(sent=_with("disconnect", disconnect=1))),
    Fault("leaver-stays", "LEAVE-2", "Who sent a disconnect is not closed.",
          Change(server=_LeaverOpenServer, limits=_LONG)),
    Fault("half-open", "LEAVE-2", "Who ended its stream is not closed.",
          Change(server=_HalfOpenServer, limits=_LONG)),
    Fault("one-is-true", "LEAVE-3", "A disconnect of 1 counts as true.",
          Change(heard=_loosely_true)),
    Fault("one-more-word", "LEAVE-3", "A disconnect of any value is true behind the next frame.",
          Change(heard=_one_more_word)),
    Fault("anything-is-true", "LEAVE-3", "A disconnect of any value counts as true.",
          Change(heard=_truth)),
    Fault("only-the-right-name", "LEAVE-4", "A disconnect under another name is ignored.",
          Change(heard=_if_sender_is_right)),
    Fault("no-name-no-leave", "LEAVE-4", "A disconnect without sender is ignored.",
          Change(heard=_if_sender_is_there)),
    Fault("both-leave", "LEAVE-4", "A disconnect disconnects whom it names as well.",
          Change(heard=_both_leave)),
    Fault("leaves-as-another", "LEAVE-4", "A leave is announced under the name in the disconnect.",
          Change(heard=_noting_sender, room=_CredulousRoom)),
    Fault("leave-unheard", "LEAVE-5", "The leave of who disconnects is not announced.",
          _quiet(LeaveReason.DISCONNECT)),
    Fault("end-unheard", "LEAVE-6", "The leave of who ends its stream is not announced.",
          _quiet(LeaveReason.END_OF_STREAM)),
    Fault("reset-unheard", "LEAVE-7", "The leave of who resets is not announced.",
          _quiet(LeaveReason.CONNECTION_LOST)),
    Fault("violation-unheard", "LEAVE-8", "The leave of a violator is not announced.",
          _quiet(LeaveReason.VIOLATION)),
    Fault("leave-told-twice", "LEAVE-10", "A leave is announced twice.",
          Change(sent=_twice("left"))),
    Fault("leave-without-line-feed", "LEAVE-11", "The text of a leave has no LF.",
          Change(sent=edit("left")(lambda _, frame: frame.update(
              message=frame["message"][:-1], length=frame["length"] - 1)))),
    Fault("last-unheard-of", "LEAVE-11", "Who joined last is told of no leave.",
          Change(room=_FewHearRoom)),
    Fault("ghosts-leave", "LEAVE-12", "The leave of who had not joined is announced.",
          Change(room=_HauntedRoom)),
    Fault("names-freed-late", "LEAVE-13", "A name is freed 30 ms after the leave.",
          Change(room=_SlowRegisterRoom)),
    Fault("answered-first", "LEAVE-13", "A name is freed 100 ms after the answer to a disconnect.",
          Change(room=_AbsentMindedRoom),
          also={"ROSTER-2": "meanwhile who has left is still listed"}),
    Fault("last-but-one", "CLOSE-1", "A frame follows the disconnect.",
          Change(sent=_last_not_least)),
    Fault("goodbye-to-refused", "CLOSE-1", "A frame follows a refusal.", Change(sent=_two_words)),
    Fault("hears-the-leaver", "CLOSE-3", "What is said behind a disconnect is relayed.",
          Change(server=_DeafEarServer)),
    Fault("hears-the-refused", "CLOSE-3", "What is said behind a refused join is relayed.",
          Change(server=_RefusedHeardServer)),
    Fault("hears-the-violator", "CLOSE-3", "What is said behind a violation is relayed.",
          Change(server=_ViolatorHeardServer)),
    Fault("violation-unanswered", "VIOLATION-1", "No disconnect follows a violation.",
          Change(sent=_no_last_words)),
    Fault("violator-stays", "VIOLATION-2", "Who committed a violation is not closed.",
          Change(server=_ViolatorOpenServer, limits=_LONG)),
    Fault("violation-salvaged", "VIOLATION-3", "The text of a faulty frame is relayed.",
          Change(server=_SalvagingServer)),
    Fault("violation-unexplained", "VIOLATION-4", "No notice tells of a violation.",
          Change(sent=_no_reason)),
    Fault("violation-explained-late", "VIOLATION-4", "What was wrong is said after the disconnect.",
          Change(sent=_reason_last)),
    Fault("dies-of-a-frame", "ROBUST-1", "The server dies of a frame with `roster` 5.",
          Change(heard=_dies_of_rosters), dies=True),
    Fault("panics", "ROBUST-1", "A frame with `roster` 5 ends all connections.",
          Change(server=_PanickingServer)),
    Fault("closed-twice", "ROBUST-1", "The end of who violated the protocol ends all connections.",
          Change(server=_TwiceClosingServer)),
    Fault("reset-panics", "ROBUST-2", "A reset within a frame ends all connections.",
          Change(server=_BrittleServer)),
    Fault("reset-join-panics", "ROBUST-2", "A reset within a join ends all connections.",
          Change(server=_BrittleDoorServer)),
    Fault("lock-kept", "ROBUST-2", "Behind a reset within a frame no join is answered.",
          Change(server=_LockedServer), dies=True),
    Fault("dies-of-a-reset", "ROBUST-2", "The server dies of a reset within a frame.",
          Change(server=_FragileServer), dies=True),
)  # fmt: skip
