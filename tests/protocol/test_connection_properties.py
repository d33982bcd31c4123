"""Whatever octets come, however cut: the same events, the same answers, no exception."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatroom_protocol import (
    ClientConnection,
    ClientState,
    Decoder,
    EndOfStream,
    Input,
    LocalProtocolError,
    Room,
    ServerConnection,
    ServerLimits,
    ServerMessage,
    ServerState,
)
from chatroom_protocol import strategies as chat
from chatroom_protocol.connection import encode_server_frame, encode_server_message
from chatroom_protocol.limits import MAX_SERVER_FRAME_OCTETS
from tests.protocol.rooms import DATE, World, clock
from tests.protocol.test_states import BY_CLIENT, client_in, server_in

FRAMES = (chat.client_frames() | chat.server_frames()).flatmap(
    lambda frame: chat.spellings(frame.members())
)
OCTETS = st.lists(FRAMES | chat.hostile_bytes(4), max_size=5).map(b"".join)
CLIENT_STATES = [state for state in ClientState if state is not ClientState.CLOSED]
SERVER_STATES = [ServerState.WAITING, ServerState.JOINED, ServerState.CLOSING]


def drain(connection: ClientConnection | ServerConnection, pieces: list[bytes]) -> list[Any]:
    """Give the events of pieces and the end of the stream; every join is granted."""
    events: list[Any] = []
    for piece in pieces:
        events += connection.receive_data(piece)
        if connection.state is ServerState.DECIDING:
            assert isinstance(connection, ServerConnection)
            connection.accept({"ping"}.intersection(events[-1].extensions))
            events += connection.receive_data(b"")
    return events + list(connection.receive_eof())


def check(
    one: ClientConnection | ServerConnection,
    two: ClientConnection | ServerConnection,
    octets: bytes,
    pieces: list[bytes],
) -> None:
    events = drain(one, [octets])
    assert events == drain(two, pieces)
    assert one.state is two.state
    assert one.close_expected
    assert sum(isinstance(event, EndOfStream) for event in events) <= 1
    answers = one.data_to_send()
    assert answers == two.data_to_send()
    assert all(isinstance(item, dict) for item in Decoder(32768, 16).receive_data(answers))


@pytest.mark.parametrize("state", CLIENT_STATES, ids=lambda state: state.value)
@given(OCTETS, st.data())
def test_a_client_takes_anything(state: ClientState, octets: bytes, data: st.DataObject) -> None:
    check(client_in(state), client_in(state), octets, data.draw(chat.cuts(octets)))


@pytest.mark.parametrize("state", SERVER_STATES, ids=lambda state: state.value)
@given(OCTETS, st.data())
def test_a_server_takes_anything(state: ServerState, octets: bytes, data: st.DataObject) -> None:
    check(server_in(state), server_in(state), octets, data.draw(chat.cuts(octets)))


@given(OCTETS, st.booleans(), st.data())
def test_a_room_sends_everyone_the_same_however_the_octets_are_cut(
    octets: bytes, joined: bool, data: st.DataObject
) -> None:
    def play(pieces: list[bytes]) -> tuple[Any, ...]:
        world = World(Room(clock, ServerLimits(max_frame_octets=300, max_depth=6)))
        for key in ("a", "b"):
            world.join(key)
        world.connect("c")
        if joined:
            world.data("c", BY_CLIENT[Input.JOIN])
        for piece in pieces:
            world.data("c", piece)
        world.eof("c")
        return ({key: peer.take() for key, peer in world.peers.items()}, world.log)

    assert play([octets]) == play(data.draw(chat.cuts(octets)))


# The length of the largest texts has five digits.
_AROUND = len(encode_server_frame(ServerMessage("", None, "", 10000, DATE))) - 1


def _octets(frame: ServerMessage) -> bytes | str:
    """Give the octets by the general way, or the sentence that says why there are none."""
    try:
        return encode_server_frame(frame)
    except LocalProtocolError as error:
        return str(error)


@given(st.text(), st.none() | st.text(), st.text(), st.text())
@example("x" * (MAX_SERVER_FRAME_OCTETS - _AROUND), None, "", DATE)
@example("x" * (MAX_SERVER_FRAME_OCTETS - _AROUND + 1), None, "", DATE)
@example("\xe9" * (MAX_SERVER_FRAME_OCTETS // 3), None, "", DATE)
@example("\ud800", "\udfff", "\ud800\udfff", DATE)
def test_a_message_has_one_form(text: str, dm: str | None, sender: str, date: str) -> None:
    expected = _octets(ServerMessage(text, dm, sender, len(text), date))
    if isinstance(expected, bytes):
        assert encode_server_message(text, dm, sender, date) == expected
    else:
        with pytest.raises(LocalProtocolError, match=re.escape(expected)):
            encode_server_message(text, dm, sender, date)
