"""Coverage-guided fuzzing of the protocol package with atheris (``pip install atheris``).

Three targets: the decoder (against the oracle of the tests, whole and in pieces), the connections
of both roles, and the room. The corpus begins with the test vectors:

    python fuzz/fuzz.py decoder -max_total_time=600
    python fuzz/fuzz.py connections -jobs=2
    python fuzz/fuzz.py room build/fuzz/room/crash-...

What follows the target goes to libFuzzer; the corpus is kept in ``build/fuzz/TARGET``. A find is
an exception, and the octets that lead to it are left in a file ``crash-...``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import atheris  # noqa: E402 - what is instrumented has to be imported under its eyes

with atheris.instrument_imports(include=["chatroom_protocol"]):
    from chatroom_protocol import (
        ClientConnection,
        ClientState,
        Decoder,
        ProtocolViolation,
        Room,
        ServerConnection,
        ServerLimits,
        ServerState,
    )

from tests.protocol import oracle  # noqa: E402
from tests.protocol.rooms import World, clock, line  # noqa: E402
from tests.protocol.vectors import vectors  # noqa: E402

OCTETS, DEPTH = 200, 6
ACCEPTED = line({"isConnected": True, "errorCode": -1, "extensions": ["ping", "roster"]})
JOIN = line({"username": "me", "extensions": ["ping", "roster"]})


def cut(octets: bytes) -> tuple[int, bytes, list[bytes]]:
    """Split an input: a number that chooses, the octets, and their pieces."""
    choice, octets = (octets[0], octets[1:]) if octets else (0, octets)
    size = choice // 8 + 1
    return choice, octets, [octets[i : i + size] for i in range(0, len(octets), size)]


def fuzz_decoder(data: bytes) -> None:
    """Pieces change nothing, and the oracle agrees."""
    _, octets, pieces = cut(data)
    whole = Decoder(OCTETS, DEPTH).receive_data(octets)
    decoder = Decoder(OCTETS, DEPTH)
    found: list[Any] = []
    for piece in pieces:
        found += decoder.receive_data(piece)
        assert len(decoder._buffer) < OCTETS
    assert found == whole
    objects, fault = oracle.decode(octets, OCTETS, DEPTH)
    assert [item for item in whole if isinstance(item, dict)] == objects
    violations = [item for item in whole if isinstance(item, ProtocolViolation)]
    assert [item.code for item in violations] == ([fault.code] if fault else [])
    if fault and fault.offset is not None:
        assert violations[0].offset == fault.offset


def peer(choice: int) -> ClientConnection | ServerConnection:
    """Make a connection in a role and a state."""
    if choice & 1:
        client = ClientConnection(extensions=("ping", "roster"))
        if choice & 2:
            client.join("me")
        if choice & 2 and choice & 4:
            client.receive_data(ACCEPTED)
        return client
    server = ServerConnection(clock)
    if choice & 2:
        server.receive_data(JOIN)
        server.accept(("ping", "roster"))
    return server


def drain(connection: ClientConnection | ServerConnection, pieces: list[bytes]) -> list[Any]:
    """Let a connection receive; grant every join."""
    events: list[Any] = []
    for piece in pieces:
        events += connection.receive_data(piece)
        if connection.state is ServerState.DECIDING:
            assert isinstance(connection, ServerConnection)
            connection.accept({"ping"}.intersection(events[-1].extensions))
            events += connection.receive_data(b"")
    return events + list(connection.receive_eof())


def fuzz_connections(data: bytes) -> None:
    """Nothing is raised, pieces change nothing, and every answer is one the peer can read."""
    choice, octets, pieces = cut(data)
    one, two = peer(choice), peer(choice)
    assert drain(one, [octets]) == drain(two, pieces)
    assert one.state is two.state
    assert one.state in (ClientState.CLOSED, ServerState.CLOSED)
    answers = one.data_to_send()
    assert answers == two.data_to_send()
    assert all(isinstance(item, dict) for item in Decoder(32768, 16).receive_data(answers))


def fuzz_room(data: bytes) -> None:
    """The actions of a room are such as an adapter can carry out; ``World`` looks at each."""
    limits = ServerLimits(max_clients=3, max_messages_per_second=5, message_burst=3, max_silence=60)
    world = World(Room(clock, limits))
    ended: set[str] = set()
    place = 0
    while place + 2 <= len(data):
        client, what, size = f"c{data[place] & 3}", data[place] >> 2, data[place + 1]
        octets = data[place + 2 : place + 2 + size]
        place += 2 + (size if what < 48 else 0)
        if client not in world.peers:
            world.connect(client, client if what & 1 else None)
        if what < 48:
            if client not in ended:
                world.do(world.room.receive_data(client, octets, world.now))
        elif what < 52:
            ended.add(client)
            world.do(world.room.receive_eof(client, world.now))
        elif what < 56:
            ended.add(client)
            world.do(world.room.connection_lost(client, world.now))
        elif what < 62:
            world.wait(size)
        else:
            world.do(world.room.report_backlog(client, size << 14, world.now))
    for each in world.peers.values():
        each.take()
    world.do(world.room.shut_down(world.now))
    world.wait(1000)
    assert world.room.connection_count == 0
    assert world.room.next_deadline is None


TARGETS: dict[str, Callable[[bytes], None]] = {
    "decoder": fuzz_decoder,
    "connections": fuzz_connections,
    "room": fuzz_room,
}


def seed(target: str, folder: Path) -> None:
    """Write the vectors into the corpus, in the form that the target reads."""
    folder.mkdir(parents=True, exist_ok=True)
    for vector in vectors():
        octets = vector.octets[:2000]
        if target == "room":
            chunks = [octets[i : i + 255] for i in range(0, len(octets), 255)]
            octets = b"".join(bytes((1, len(chunk))) + chunk for chunk in chunks)
            octets = bytes((0, len(JOIN))) + JOIN + octets
        elif target == "connections":
            client, joined = vector.receiver == "client", vector.state in ("joined", "leaving")
            octets = bytes((client + 2 * (client or joined) + 4 * joined,)) + octets
        else:
            octets = b"\x08" + octets
        (folder / vector.name).write_bytes(octets)


def main() -> None:
    """Fuzz the target named by the first argument."""
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"usage: python fuzz/fuzz.py {{{','.join(TARGETS)}}} [libFuzzer options]")
    target = sys.argv.pop(1)
    folder = ROOT / "build" / "fuzz" / target
    seed(target, folder)
    if not any(not argument.startswith("-") for argument in sys.argv[1:]):
        sys.argv.append(str(folder))
    sys.argv.append(f"-artifact_prefix={folder}-")
    atheris.Setup(sys.argv, TARGETS[target])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
