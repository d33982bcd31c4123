"""What the package makes of one frame, once it is joined and every extension is granted."""

from __future__ import annotations

from datetime import datetime, timezone

from chatroom_protocol.connection import ClientConnection, ServerConnection
from chatroom_protocol.frames import (
    EXTENSIONS,
    ClientMessage,
    Disconnect,
    Join,
    JoinResponse,
    Ping,
    Pong,
    Roster,
    ServerMessage,
)
from chatroom_protocol.limits import ClientLimits, ServerLimits

KINDS = {
    "client-join": Join,
    "client-message": ClientMessage,
    "client-disconnect": Disconnect,
    "client-ping": Ping,
    "client-pong": Pong,
    "server-join-response": JoinResponse,
    "server-message": ServerMessage,
    "server-disconnect": Disconnect,
    "server-roster": Roster,
    "server-ping": Ping,
    "server-pong": Pong,
}
GRANT = b'{"isConnected": true, "errorCode": -1, "extensions": ["ping", "roster"]}\n'


def clock() -> datetime:
    return datetime(2026, 3, 14, 15, 9, 26, tzinfo=timezone.utc)


def taken_by_server(octets: bytes, *, joined: bool) -> list[object]:
    """The events of a server that gets `octets`: as the first, or behind a granted join."""
    server = ServerConnection(clock, ServerLimits(max_depth=256))
    if joined:
        server.receive_data(b'{"username": "alice", "extensions": ["ping", "roster"]}')
        server.accept(EXTENSIONS)
    return list(server.receive_data(octets))


def taken_by_client(octets: bytes, *, joined: bool) -> list[object]:
    """The events of a client that gets `octets`: as the first, or behind a response that grants."""
    client = ClientConnection(ClientLimits(max_depth=256), EXTENSIONS)
    client.join("alice")
    if joined:
        client.receive_data(GRANT)
    return list(client.receive_data(octets))


def taken(schema: str, octets: bytes) -> list[object]:
    """The events of the peer that a frame of this schema is for."""
    if schema.startswith("client-"):
        return taken_by_server(octets, joined=schema != "client-join")
    return taken_by_client(octets, joined=schema != "server-join-response")


def takes(schema: str, octets: bytes) -> bool:
    """Whether the peer acts on `octets` as one good frame of this schema."""
    events = taken(schema, octets)
    return len(events) == 1 and type(events[0]) is KINDS[schema]
