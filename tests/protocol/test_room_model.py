"""The room against a model of a chat room that knows nothing of octets, buffers or actions."""

from __future__ import annotations

import json
from typing import Any

from attrs import define, field
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from chatroom_protocol import Disconnect, Join, Ping, Room, ServerLimits
from chatroom_protocol import strategies as chat
from tests.protocol.rooms import Peer, World, clock

CLIENTS = [f"connection {number}" for number in range(5)]
NAMES = ["alice", "bob", "carol"]
LIMITS = ServerLimits(
    max_clients=2,
    max_frame_octets=600,
    join_timeout=10,
    linger_timeout=2,
    max_silence=40,
    max_outbound_octets=1000,
)


@define
class User:
    """What the model knows of one connection."""

    heard: list[Any] = field(factory=list)
    username: str | None = None
    roster: bool = False
    ping: bool = False
    over: bool = False
    gone: bool = False
    join_by: float = 0
    # When, and the how-manieth to be heard of: who was heard of first is let go first.
    speak_by: tuple[float, int] = (0, 0)
    gone_by: float = 0


NOTICE = "a notice"


class Model:
    """A room as the specification tells it: whole frames in, a list of frames for each client."""

    def __init__(self) -> None:
        self.users: dict[str, User] = {}
        self.order: list[User] = []
        self.count = 0

    def connect(self, key: str, now: float) -> None:
        self.users[key] = User(join_by=now + 10)

    def heard_of(self, user: User, now: float) -> None:
        self.count += 1
        user.speak_by = (now + 40, self.count)

    def everyone(self, but: User, message: str, sender: str) -> None:
        for user in self.order:
            if user is not but:
                user.heard.append((sender, None, message))

    def frame(self, key: str, members: dict[str, Any] | None, now: float) -> None:
        """Process a frame; None is octets that are none."""
        user = self.users[key]
        if user.over:
            return
        if user.username is None:
            self.first(user, members, now)
        elif members is None:
            user.heard += [NOTICE, "disconnect"]
            self.leave(user, now)
        elif "disconnect" in members:
            if members["disconnect"] is True:
                user.heard.append("disconnect")
                self.leave(user, now)
            else:
                user.heard.append(NOTICE)
        elif "message" in members:
            self.message(user, members)
        elif user.ping and "ping" in members:
            good = isinstance(members["ping"], str) and len(members["ping"]) <= 64
            user.heard.append(("pong", members["ping"]) if good else NOTICE)

    def first(self, user: User, members: dict[str, Any] | None, now: float) -> None:
        name = (members or {}).get("username")
        code = -1
        if not isinstance(name, str):
            code = 4
        elif name == "" or name != name.strip():
            code = 3
        elif any(other.username == name for other in self.order):
            code = 1
        elif len(self.order) == 2:
            code = 2
        user.heard.append(("response", code))
        if code != -1:
            user.over, user.gone_by = True, now + 2
            return
        asked = (members or {}).get("extensions", [])
        user.username = name
        self.heard_of(user, now)
        user.roster, user.ping = "roster" in asked, "ping" in asked
        self.order.append(user)
        if user.roster:
            user.heard.append(("roster", [other.username for other in self.order]))
        self.everyone(user, "User has connected", str(name))

    def message(self, user: User, members: dict[str, Any]) -> None:
        text, dm = members["message"], members.get("dm")
        if not isinstance(text, str) or not isinstance(dm, str | None):
            user.heard.append(NOTICE)
        elif not dm:
            self.everyone(user, text, str(user.username))
        else:
            found = [other for other in self.order if other.username == dm]
            for other in found:
                other.heard.append((user.username, dm, text))
            if not found:
                user.heard.append(NOTICE)

    def leave(self, user: User, now: float) -> None:
        joined = user in self.order
        if not user.over:
            user.over, user.gone_by = True, now + 2
        if joined:
            self.order.remove(user)
            self.everyone(user, f"{user.username} is offline\n", str(user.username))

    def end(self, key: str, now: float) -> None:
        self.leave(self.users[key], now)

    def lost(self, key: str, now: float) -> None:
        self.leave(self.users[key], now)
        self.users[key].gone = True

    def time(self, now: float) -> None:
        for user in self.users.values():
            if not user.over and user.username is None and user.join_by <= now:
                user.heard.append(("response", 5))
                user.over, user.gone_by = True, now + 2
        for user in sorted(self.order, key=lambda user: user.speak_by):
            if user.speak_by[0] <= now:
                user.heard += [NOTICE, "disconnect"]
                self.leave(user, now)
        for user in self.users.values():
            if user.over and user.gone_by <= now:
                user.gone = True


def seen(frame: dict[str, Any]) -> Any:
    """Give what the model says of a frame that the room sent."""
    if "isConnected" in frame:
        assert frame["isConnected"] is (frame["errorCode"] == -1)
        return "response", frame["errorCode"]
    if "roster" in frame:
        return "roster", frame["roster"]
    if "pong" in frame:
        return "pong", frame["pong"]
    if "disconnect" in frame:
        assert frame == {"disconnect": True}
        return "disconnect"
    assert frame.keys() == {"message", "dm", "sender", "length", "date"}
    assert frame["length"] == len(frame["message"])
    if not frame["sender"]:
        return NOTICE
    return frame["sender"], frame["dm"], frame["message"]


@define
class Sender:
    """What one client has written and the room has not read: octets, and the frames in them."""

    octets: bytes = b""
    read: int = 0
    frames: list[tuple[int, dict[str, Any] | None]] = field(factory=list)
    written: int = 0
    ended: bool = False
    closed: bool = False


NAME = st.sampled_from(NAMES)
ASKED = st.sampled_from([(), ("roster",), ("ping",)])
ODD: list[dict[str, Any]] = [
    {"disconnect": True},
    {"disconnect": 1},
    {"message": 5},
    {"message": "x", "dm": 5},
    {"ping": 5},
    {"ping": "x" * 65},
    {"username": " "},
    {"username": None},
    {},
]
MEMBERS: st.SearchStrategy[dict[str, Any]] = (
    st.builds(
        lambda name, asked: Join(name, tuple(asked)).members(),
        NAME,
        st.lists(st.sampled_from(["roster", "ping"]), unique=True),
    )
    | st.builds(
        lambda text, dm: {"message": text, "dm": dm},
        chat.texts(12) | st.sampled_from(["User has connected", "x" * 300]),
        st.none() | NAME | st.just(""),
    )
    | st.sampled_from(ODD)
    | st.builds(lambda token: Ping(token).members(), chat.tokens())
    | st.just(Disconnect("me").members())
)
FAULTS = chat.faults(liberties=True, max_frame_octets=600, max_depth=32)


class RoomMachine(RuleBasedStateMachine):
    """Clients come, write, are read in pieces, and go; the model says what each has heard."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(Room(clock, LIMITS))
        self.model = Model()
        self.senders: dict[str, Sender] = {}

    def open(self) -> list[str]:
        return [key for key, sender in self.senders.items() if not sender.closed]

    @initialize(asked=ASKED)
    def two_are_there(self, asked: tuple[str, ...]) -> None:
        for name in NAMES[:2]:
            self.connect(True, name, asked)

    @precondition(lambda self: len(self.senders) < len(CLIENTS))
    @rule(join=st.sampled_from((True, True, False)), name=NAME, asked=ASKED)
    def connect(self, join: bool, name: str, asked: tuple[str, ...]) -> None:
        key = CLIENTS[len(self.senders)]
        self.senders[key] = Sender()
        self.world.connect(key)
        self.model.connect(key, self.world.now)
        if join:
            members = Join(name, asked).members()
            self.put(key, json.dumps(members).encode(), members)
            self.read_some(key, 10**6)

    def put(self, key: str, octets: bytes, members: dict[str, Any] | None) -> None:
        sender = self.senders[key]
        sender.octets += octets
        sender.written += len(octets)
        sender.frames.append((sender.written, members))

    @precondition(lambda self: self.open())
    @rule(data=st.data(), members=MEMBERS)
    def write(self, data: st.DataObject, members: dict[str, Any]) -> None:
        key = data.draw(st.sampled_from(self.open()))
        octets = data.draw(chat.spellings(members))
        if len(octets) <= 600 and not self.senders[key].ended:
            self.put(key, octets, members)

    @precondition(lambda self: self.open())
    @rule(data=st.data(), fault=FAULTS, often=st.integers(0, 3))
    def write_nonsense(self, data: st.DataObject, fault: chat.Fault, often: int) -> None:
        key = data.draw(st.sampled_from(self.open()))
        if not often and not self.senders[key].ended:
            self.put(key, fault.data, None)
            self.read_some(key, 10**6)  # it may be noticed before its last octet

    @precondition(lambda self: self.open())
    @rule(data=st.data(), size=st.integers(1, 40) | st.just(10**6))
    def read(self, data: st.DataObject, size: int) -> None:
        self.read_some(data.draw(st.sampled_from(self.open())), size)

    def read_some(self, key: str, size: int) -> None:
        sender = self.senders[key]
        if sender.ended or not sender.octets:
            return
        piece, sender.octets = sender.octets[:size], sender.octets[size:]
        sender.read += len(piece)
        self.model.heard_of(self.model.users[key], self.world.now)
        self.world.data(key, piece)
        while sender.frames and sender.frames[0][0] <= sender.read:
            self.model.frame(key, sender.frames.pop(0)[1], self.world.now)

    @precondition(lambda self: self.open())
    @rule(data=st.data(), how=st.sampled_from(["eof", "lost", "backlog"]), often=st.integers(0, 2))
    def end(self, data: st.DataObject, how: str, often: int) -> None:
        key = data.draw(st.sampled_from(self.open()))
        if often:
            return
        if how == "eof":
            if not self.senders[key].ended:
                self.senders[key].ended = True
                self.model.end(key, self.world.now)
                self.world.eof(key)
            return
        self.senders[key].closed = True
        self.model.lost(key, self.world.now)
        if how == "lost":
            self.world.lose(key)
        else:
            self.world.do(self.world.room.report_backlog(key, 1000, self.world.now))
            assert not self.world.peers[key].aborted
            self.world.do(self.world.room.report_backlog(key, 1001, self.world.now))
            assert self.world.peers[key].aborted

    @rule(seconds=st.sampled_from([0.5, 1, 2, 5, 11, 41]))
    def wait(self, seconds: float) -> None:
        self.world.wait(seconds)
        self.model.time(self.world.now)

    @rule(often=st.integers(0, 30))
    def shut_down(self, often: int) -> None:
        if often:
            return
        self.world.do(self.world.room.shut_down(self.world.now))
        for user in self.model.users.values():
            if user in self.model.order:
                user.heard.append("disconnect")
                user.over, user.gone_by = True, self.world.now + 2
            elif not user.over:
                user.over = user.gone = True
        self.model.order.clear()
        self.senders.update({key: Sender(closed=True) for key in CLIENTS})
        for key in CLIENTS:
            self.world.peers.setdefault(key, Peer())
            self.model.users.setdefault(key, User(over=True, gone=True))

    @invariant()
    def everyone_has_heard_what_the_model_says(self) -> None:
        for key, peer in self.world.peers.items():
            frames = [seen(json.loads(octets)) for octets in peer.received.splitlines()]
            assert frames == self.model.users[key].heard

    @invariant()
    def the_same_people_are_there(self) -> None:
        names = tuple(str(user.username) for user in self.model.order)
        assert self.world.room.usernames == names

    @invariant()
    def who_is_gone_is_closed_and_who_is_over_hears_no_more(self) -> None:
        for key, peer in self.world.peers.items():
            user = self.model.users[key]
            if user.gone and not self.senders[key].closed:
                self.senders[key].closed = True
                assert peer.aborted
            if user.over and not user.gone:
                assert peer.ended or peer.closed

    @invariant()
    def what_is_kept_is_bounded(self) -> None:
        room = self.world.room
        assert room.connection_count == sum(not user.gone for user in self.model.users.values())
        for member in room._members.values():
            assert len(member.connection._decoder._buffer) < 600
        for queue in (room._join_by, room._gone_by, room._speak_by):
            assert set(queue._when) <= set(room._members)
        assert (room.next_deadline is None) == (not room._members)


TestRoomMachine = RoomMachine.TestCase
