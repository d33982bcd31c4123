"""Every (role, state, input) is decided, and the connections do what the table says."""

from __future__ import annotations

import pytest

from chatroom_protocol import (
    TRANSITIONS,
    ClientConnection,
    ClientMessage,
    ClientState,
    Disconnect,
    ErrorCode,
    Input,
    Join,
    LocalProtocolError,
    Ping,
    Pong,
    Role,
    Roster,
    ServerConnection,
    ServerMessage,
    ServerState,
)
from chatroom_protocol.frames import ClientFrame
from chatroom_protocol.states import FROM_CLIENT, FROM_SERVER, transition
from tests.protocol.rooms import clock, line, message

ACCEPTED = line({"isConnected": True, "errorCode": -1, "extensions": ["ping", "roster"]})
BY_SERVER = {
    Input.JOIN_ACCEPTED: ACCEPTED,
    Input.JOIN_REFUSED: line({"isConnected": False, "errorCode": 1}),
    Input.SERVER_MESSAGE: line(message("b", "hi")),
    Input.SERVER_DISCONNECT: line({"disconnect": True}),
    Input.ROSTER: line({"roster": ["a"]}),
    Input.SERVER_PING: line({"ping": "1"}),
    Input.SERVER_PONG: line({"pong": "1"}),
    Input.UNKNOWN: line({"x": 1}),
    Input.VIOLATION: b"x",
}
BY_CLIENT = {
    Input.JOIN: line({"username": "a", "extensions": ["ping", "roster"]}),
    Input.CLIENT_MESSAGE: line({"message": "hi"}),
    Input.CLIENT_DISCONNECT: line({"disconnect": True}),
    Input.CLIENT_PING: line({"ping": "1"}),
    Input.CLIENT_PONG: line({"pong": "1"}),
    Input.REJECTED: line({"message": 5}),
    Input.UNKNOWN: line({"x": 1}),
    Input.VIOLATION: b"x",
}
CLIENT_SENDS: dict[Input, ClientFrame] = {
    Input.JOIN: Join("a"),
    Input.CLIENT_MESSAGE: ClientMessage("hi"),
    Input.CLIENT_DISCONNECT: Disconnect("a"),
    Input.CLIENT_PING: Ping("1"),
    Input.CLIENT_PONG: Pong("1"),
}
SERVER_SENDS: dict[Input, ServerMessage | Disconnect | Roster | Ping | Pong] = {
    Input.SERVER_MESSAGE: ServerMessage("hi", None, "b", 2, ""),
    Input.SERVER_DISCONNECT: Disconnect(),
    Input.ROSTER: Roster(("a",)),
    Input.SERVER_PING: Ping("1"),
    Input.SERVER_PONG: Pong("1"),
}


def client_in(state: ClientState) -> ClientConnection:
    client = ClientConnection(extensions=("ping", "roster"))
    if state is not ClientState.IDLE:
        client.join("a")
    if state in (ClientState.JOINED, ClientState.LEAVING, ClientState.CLOSED):
        client.receive_data(ACCEPTED)
    if state is ClientState.LEAVING:
        client.leave()
    if state is ClientState.CLOSED:
        client.receive_data(BY_SERVER[Input.SERVER_DISCONNECT])
    client.data_to_send()
    assert client.state is state
    return client


def server_in(state: ServerState) -> ServerConnection:
    server = ServerConnection(clock)
    if state is ServerState.CLOSED:
        server.receive_eof()
    elif state is not ServerState.WAITING:
        server.receive_data(BY_CLIENT[Input.JOIN])
    if state in (ServerState.JOINED, ServerState.CLOSING):
        server.accept(("ping", "roster"))
    if state is ServerState.CLOSING:
        server.receive_data(BY_CLIENT[Input.CLIENT_DISCONNECT])
    server.data_to_send()
    assert server.state is state
    return server


@pytest.mark.parametrize("state", ClientState, ids=lambda state: state.value)
@pytest.mark.parametrize("given", sorted(FROM_SERVER, key=str), ids=lambda given: given.value)
def test_what_a_client_receives_moves_it_as_the_table_says(
    state: ClientState, given: Input
) -> None:
    client = client_in(state)
    if given is Input.END_OF_STREAM:
        client.receive_eof()
    else:
        client.receive_data(BY_SERVER[given])
    assert client.state is TRANSITIONS[Role.CLIENT, state, given]
    assert client.close_expected == (client.state is ClientState.CLOSED)


@pytest.mark.parametrize("state", ClientState, ids=lambda state: state.value)
@pytest.mark.parametrize("given", CLIENT_SENDS, ids=lambda given: given.value)
def test_what_a_client_sends_moves_it_as_the_table_says(state: ClientState, given: Input) -> None:
    client = client_in(state)
    following = TRANSITIONS.get((Role.CLIENT, state, given))
    if following is None:
        with pytest.raises(LocalProtocolError, match=f"is not possible while {state.value}$"):
            client.send(CLIENT_SENDS[given])
    else:
        client.send(CLIENT_SENDS[given])
    assert client.state is (following or state)
    assert bool(client.data_to_send()) == (following is not None)


@pytest.mark.parametrize("state", ServerState, ids=lambda state: state.value)
@pytest.mark.parametrize("given", sorted(FROM_CLIENT, key=str), ids=lambda given: given.value)
def test_what_a_server_receives_moves_it_as_the_table_says(
    state: ServerState, given: Input
) -> None:
    following = TRANSITIONS[Role.SERVER, state, given]
    server = server_in(state)
    if state is ServerState.DECIDING:
        # More can only have come together with the join; what comes later has to wait.
        with pytest.raises(LocalProtocolError, match="accepted or refused before more"):
            server.receive_eof() if given is Input.END_OF_STREAM else server.feed(BY_CLIENT[given])
        server = ServerConnection(clock)
        server.receive_data(BY_CLIENT[Input.JOIN] + BY_CLIENT.get(given, b""))
    elif given is Input.END_OF_STREAM:
        server.receive_eof()
    elif state is ServerState.CLOSED:
        with pytest.raises(LocalProtocolError, match="nothing can be received after the end"):
            server.receive_data(BY_CLIENT[given])
    else:
        server.receive_data(BY_CLIENT[given])
    assert server.state is following
    assert server.close_expected == (following in (ServerState.CLOSING, ServerState.CLOSED))


@pytest.mark.parametrize("state", ServerState, ids=lambda state: state.value)
@pytest.mark.parametrize(
    "given",
    [*SERVER_SENDS, Input.JOIN_ACCEPTED, Input.JOIN_REFUSED],
    ids=lambda given: given.value,
)
def test_what_a_server_sends_moves_it_as_the_table_says(state: ServerState, given: Input) -> None:
    server = server_in(state)
    server.granted = frozenset(("ping", "roster"))

    def send() -> None:
        if given is Input.JOIN_ACCEPTED:
            server.accept()
        elif given is Input.JOIN_REFUSED:
            server.refuse(ErrorCode.SERVER_FULL)
        else:
            server.send(SERVER_SENDS[given])

    following = TRANSITIONS.get((Role.SERVER, state, given))
    if following is None:
        with pytest.raises(LocalProtocolError, match=f"is not possible while {state.value}$"):
            send()
    else:
        send()
    assert server.state is (following or state)
    assert bool(server.data_to_send()) == (following is not None)


def test_every_input_of_a_peer_has_a_row_in_every_state() -> None:
    for role, states, received in (
        (Role.CLIENT, ClientState, FROM_SERVER),
        (Role.SERVER, ServerState, FROM_CLIENT),
    ):
        for state in states:
            assert received <= {row[2] for row in TRANSITIONS if row[:2] == (role, state)}


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        TRANSITIONS[Role.CLIENT, ClientState.CLOSED, Input.JOIN] = ClientState.IDLE  # type: ignore[index]


def test_no_state_follows_the_end() -> None:
    for (_, state, _), following in TRANSITIONS.items():
        if state.value == "closed":
            assert following is state


def test_an_input_without_words_of_its_own_is_named() -> None:
    with pytest.raises(LocalProtocolError, match=r"^rejected is not possible while idle$"):
        transition(Role.CLIENT, ClientState.IDLE, Input.REJECTED)
