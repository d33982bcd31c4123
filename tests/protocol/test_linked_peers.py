"""A client and a server, linked: whatever they send and however it is cut, neither violates."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chatroom_protocol import (
    ClientConnection,
    ClientMessage,
    ClientState,
    Disconnect,
    EndOfStream,
    ErrorCode,
    Join,
    JoinResponse,
    LocalProtocolError,
    Ping,
    Pong,
    ProtocolViolation,
    Refusal,
    Rejection,
    RejectionCode,
    ServerConnection,
    ServerMessage,
    ServerState,
)
from chatroom_protocol import strategies as chat
from tests.protocol.rooms import clock

ANY_TEXT = chat.texts() | st.text(st.characters(exclude_categories=[]), max_size=70)
LONG_TEXT = st.integers(0, 5000).map(lambda size: "\u00e9" * size)
NAMES = chat.usernames() | chat.bad_usernames()
FRAMES = chat.server_frames()
OPEN = (ServerState.WAITING, ServerState.DECIDING, ServerState.JOINED)


class Linked(RuleBasedStateMachine):
    """Programs call what they like; the octets travel in pieces of any size."""

    def __init__(self) -> None:
        super().__init__()
        self.client = ClientConnection(extensions=("ping", "roster"))
        self.server = ServerConnection(clock)
        self.up = self.down = b""
        self.up_ended = self.down_ended = False
        self.said: list[ClientMessage] = []
        self.heard: list[ClientMessage] = []
        self.told: list[str] = []
        self.seen: list[str] = []

    def attempt(self, end: ClientConnection | ServerConnection, frame: Any) -> bool:
        """Send what may not be allowed; a refusal to send changes nothing."""
        before = (end.state, end.username, end.granted)
        try:
            end.send(frame)
        except LocalProtocolError as error:
            assert str(error)
            assert (end.state, end.username, end.granted) == before
            assert not end._out
            return False
        self.collect()
        return True

    def collect(self) -> None:
        self.up += self.client.data_to_send()
        self.down += self.server.data_to_send()

    @rule(name=NAMES | ANY_TEXT)
    def join(self, name: str) -> None:
        self.attempt(self.client, Join(name, ("ping", "roster")))

    @rule(text=ANY_TEXT | LONG_TEXT, dm=st.none() | NAMES)
    def say(self, text: str, dm: str | None) -> None:
        frame = ClientMessage(text, dm or None, self.client.username or "")
        if self.attempt(self.client, frame):
            self.said.append(frame)

    @rule(token=ANY_TEXT, kind=st.sampled_from((Ping, Pong)))
    def ping(self, token: str, kind: type[Ping] | type[Pong]) -> None:
        self.attempt(self.client, kind(token))

    @rule()
    def leave(self) -> None:
        self.attempt(self.client, Disconnect(self.client.username))

    @precondition(lambda self: self.server.state is ServerState.DECIDING)
    @rule(granted=st.sampled_from(((), ("ping",), ("ping", "roster"))), yes=st.booleans())
    def decide(self, granted: tuple[str, ...], yes: bool) -> None:
        if yes:
            self.server.accept(granted)
        else:
            self.server.refuse(ErrorCode.USERNAME_TAKEN)
        self.take_from_server(self.server.receive_data(b""))

    @rule(frame=FRAMES.filter(lambda frame: not isinstance(frame, JoinResponse)))
    def tell(self, frame: Any) -> None:
        if self.attempt(self.server, frame) and isinstance(frame, ServerMessage):
            self.told.append(frame.message)

    @precondition(lambda self: self.server.state is ServerState.JOINED)
    @rule(text=chat.texts())
    def reject(self, text: str) -> None:
        rejection = self.server.reject(RejectionCode.UNKNOWN_ADDRESSEE, text)
        assert rejection.detail == text
        self.told.append(f"{text[:1].upper()}{text[1:]}.")
        self.collect()

    @precondition(lambda self: self.up and self.server.state is not ServerState.DECIDING)
    @rule(size=st.integers(1, 40) | st.just(10**6))
    def travel_up(self, size: int) -> None:
        piece, self.up = self.up[:size], self.up[size:]
        if not self.up_ended:
            self.take_from_server(self.server.receive_data(piece))

    @precondition(lambda self: self.down)
    @rule(size=st.integers(1, 40) | st.just(10**6))
    def travel_down(self, size: int) -> None:
        piece, self.down = self.down[:size], self.down[size:]
        if self.down_ended:
            return
        for event in self.client.receive_data(piece):
            assert not isinstance(event, ProtocolViolation | EndOfStream), event
            if isinstance(event, ServerMessage):
                self.seen.append(event.message)
        self.collect()

    @precondition(lambda self: self.server.state is not ServerState.DECIDING)
    @rule(often=st.integers(0, 9))
    def end_up(self, often: int) -> None:
        if not often and not self.up_ended:
            self.up_ended = True
            self.take_from_server(self.server.receive_eof())

    @rule(often=st.integers(0, 9))
    def end_down(self, often: int) -> None:
        if not often and not self.down_ended:
            self.down_ended = True
            self.client.receive_eof()
            assert self.client.close_expected

    def take_from_server(self, events: list[Any]) -> None:
        for event in events:
            assert not isinstance(event, ProtocolViolation | Refusal | Rejection), event
            if isinstance(event, ClientMessage):
                self.heard.append(event)
        self.collect()

    @invariant()
    def nothing_is_invented_or_reordered(self) -> None:
        assert self.heard == self.said[: len(self.heard)]
        assert self.seen == self.told[: len(self.seen)]

    @invariant()
    def buffers_are_bounded(self) -> None:
        assert len(self.client._decoder._buffer) <= 1048576
        assert len(self.server._decoder._buffer) <= 65536
        assert len(self.server._pending) <= self.up.count(b"}") + len(self.said) + 50

    @invariant()
    def both_ends_agree_once_all_has_arrived(self) -> None:
        if self.up or self.down or self.up_ended or self.down_ended:
            return
        if self.client.state is ClientState.JOINED:
            assert self.server.state is ServerState.JOINED
            assert self.client.username == self.server.username
            assert self.client.granted == self.server.granted
            assert self.heard == self.said
            assert self.seen == self.told
        if self.client.close_expected:
            assert self.server.state not in OPEN


TestLinked = Linked.TestCase
