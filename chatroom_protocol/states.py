"""The state machines of both roles.

Two rules keep this file honest. *Everything* that changes a state is a row of
:data:`TRANSITIONS`: no other module assigns one. And this file knows nothing of bytes, names or
rooms: what it is told is which input came, in which role.

Theory of operation. An input is a frame, sent or received, or one of the few things that happen
to a stream: a violation by the peer, the end of its stream. A frame is named after who sends it,
so an input needs no direction of its own: a client receives what a server sends.
``(role, state, input)`` gives the next state:

- an input that the *peer* causes has a row in every state, because a peer can do anything at any
  time; where it changes nothing it is ignored;
- an input that the *program* causes has a row only where it is allowed; elsewhere
  :func:`transition` raises :class:`LocalProtocolError`.

A server waits for a join, decides about it (the one state in which the program owes an answer),
has the client in the room, and then closes: it has said its last words and throws away what still
comes. ``CLOSED`` is the end for both roles. ``spec/states.json`` and the tables and diagrams of the
specification are held against this table by tests.
"""

from __future__ import annotations

from enum import Enum
from types import MappingProxyType
from typing import TypeVar

from chatroom_protocol.errors import LocalProtocolError


class _Enum(Enum):
    """Members are singletons, so identity is their hash; Enum's own is Python code, and slow."""

    __hash__ = object.__hash__


class Role(_Enum):
    """Which end of the connection. Specification: section "Roles"."""

    CLIENT = "client"
    SERVER = "server"


class ClientState(_Enum):
    """A client's states. Specification: section "Life cycle"."""

    IDLE = "idle"
    JOINING = "joining"
    JOINED = "joined"
    LEAVING = "leaving"
    CLOSED = "closed"


class ServerState(_Enum):
    """A server's states for one connection. Specification: section "Life cycle"."""

    WAITING = "waiting"
    DECIDING = "deciding"
    JOINED = "joined"
    CLOSING = "closing"
    CLOSED = "closed"


State = ClientState | ServerState
_S = TypeVar("_S", ClientState, ServerState)


class Input(_Enum):
    """What can change a state."""

    JOIN = "join"
    JOIN_ACCEPTED = "join-accepted"
    JOIN_REFUSED = "join-refused"
    CLIENT_MESSAGE = "client-message"
    SERVER_MESSAGE = "server-message"
    CLIENT_DISCONNECT = "client-disconnect"
    SERVER_DISCONNECT = "server-disconnect"
    ROSTER = "roster"
    CLIENT_PING = "client-ping"
    SERVER_PING = "server-ping"
    CLIENT_PONG = "client-pong"
    SERVER_PONG = "server-pong"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    VIOLATION = "violation"
    END_OF_STREAM = "end-of-stream"


FROM_SERVER = frozenset(
    {
        Input.JOIN_ACCEPTED,
        Input.JOIN_REFUSED,
        Input.SERVER_MESSAGE,
        Input.SERVER_DISCONNECT,
        Input.ROSTER,
        Input.SERVER_PING,
        Input.SERVER_PONG,
        Input.UNKNOWN,
        Input.VIOLATION,
        Input.END_OF_STREAM,
    }
)
FROM_CLIENT = frozenset(
    {
        Input.JOIN,
        Input.CLIENT_MESSAGE,
        Input.CLIENT_DISCONNECT,
        Input.CLIENT_PING,
        Input.CLIENT_PONG,
        Input.REJECTED,
        Input.UNKNOWN,
        Input.VIOLATION,
        Input.END_OF_STREAM,
    }
)
"""What a peer in each role can cause; every state of the other role has a row for each."""

_Row = dict[Input, State]


def _row(received: frozenset[Input], otherwise: State, changes: _Row) -> _Row:
    """A state's row: what the peer can cause leads to ``otherwise`` unless ``changes`` has it."""
    return {**dict.fromkeys(received, otherwise), **changes}


def _client_rows() -> dict[State, _Row]:
    idle, joining, joined, leaving, closed = ClientState
    over: _Row = {
        Input.SERVER_DISCONNECT: closed,
        Input.VIOLATION: closed,
        Input.END_OF_STREAM: closed,
    }
    answered: _Row = {Input.JOIN_ACCEPTED: joined, Input.JOIN_REFUSED: closed}
    say: _Row = {
        Input.CLIENT_MESSAGE: joined,
        Input.CLIENT_PING: joined,
        Input.CLIENT_PONG: joined,
        Input.CLIENT_DISCONNECT: leaving,
    }
    return {
        # A server may refuse before it has read anything: too slow, too many from one address.
        idle: _row(FROM_SERVER, idle, {**over, Input.JOIN: joining, Input.JOIN_REFUSED: closed}),
        joining: _row(FROM_SERVER, joining, {**over, **answered}),
        joined: _row(FROM_SERVER, joined, {**over, **say}),
        leaving: _row(FROM_SERVER, leaving, over),
        closed: _row(FROM_SERVER, closed, {}),
    }


def _server_rows() -> dict[State, _Row]:
    waiting, deciding, joined, closing, closed = ServerState
    answer: _Row = {Input.JOIN_ACCEPTED: joined, Input.JOIN_REFUSED: closing}
    refuse: _Row = {Input.JOIN_REFUSED: closing}
    say: _Row = {
        Input.SERVER_MESSAGE: joined,
        Input.ROSTER: joined,
        Input.SERVER_PING: joined,
        Input.SERVER_PONG: joined,
        Input.SERVER_DISCONNECT: closing,
    }
    over: _Row = {
        Input.CLIENT_DISCONNECT: closing,
        Input.VIOLATION: closing,
        Input.END_OF_STREAM: closed,
    }
    end: _Row = {Input.END_OF_STREAM: closed}
    return {
        waiting: _row(FROM_CLIENT, closing, {**end, Input.JOIN: deciding, **refuse}),
        # The bytes behind a join wait until the program has decided.
        deciding: _row(FROM_CLIENT, deciding, answer),
        joined: _row(FROM_CLIENT, joined, {**over, **say}),
        closing: _row(FROM_CLIENT, closing, end),
        closed: _row(FROM_CLIENT, closed, {}),
    }


TRANSITIONS = MappingProxyType(
    {
        (role, state, given): following
        for role, rows in ((Role.CLIENT, _client_rows()), (Role.SERVER, _server_rows()))
        for state, row in rows.items()
        for given, following in row.items()
    }
)
"""Every transition there is: ``(role, state, input) -> state``."""


def transition(role: Role, state: _S, given: Input) -> _S:
    """Give the state that follows.

    Raises:
        LocalProtocolError: the program may not cause ``given`` in this state.
    """
    try:
        return TRANSITIONS[role, state, given]  # type: ignore[return-value] # rows stay in a role
    except KeyError:
        msg = f"{_SENTENCES.get(given, given.value)} is not possible while {state.value}"
        raise LocalProtocolError(msg) from None


_SENTENCES = {
    Input.JOIN: "joining",
    Input.CLIENT_MESSAGE: "sending a message",
    Input.CLIENT_PING: "sending a ping",
    Input.SERVER_PING: "sending a ping",
    Input.CLIENT_PONG: "sending a pong",
    Input.SERVER_PONG: "sending a pong",
    Input.CLIENT_DISCONNECT: "leaving",
    Input.JOIN_ACCEPTED: "accepting a join",
    Input.JOIN_REFUSED: "refusing a join",
    Input.SERVER_MESSAGE: "sending a message",
    Input.SERVER_DISCONNECT: "disconnecting",
    Input.ROSTER: "sending the roster",
}
