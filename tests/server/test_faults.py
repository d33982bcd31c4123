"""What a client can do to the server, and that nobody else pays for it."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from chatroom_reference.server.peer import Peer, Peers
from chatroom_reference.server.tls import TlsPeers
from tests.server.harness import PATIENCE, Client, Process, Running, eventually

Start = Callable[..., Running]
Spawn = Callable[..., Process]
# Of include/uapi/linux/tcp.h: a socket in repair mode is closed without a word to its peer.
TCP_REPAIR = 19


def _threads() -> int:
    return len(os.listdir("/proc/self/task"))  # noqa: PTH208 - as below


def _files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - the descriptor of the listing counts


def _vanish(client: Client) -> None:
    """Close the connection so that its peer is not told, like a machine that lost power."""
    try:
        client.sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    except PermissionError:
        if "CI" in os.environ:
            raise
        pytest.skip("only root may leave a connection half-open")
    client.close()


def test_who_never_reads_is_cut_off_and_delays_nobody(start: Start) -> None:
    server = start(max_outbound_octets=100_000)
    talker, deaf, listener = server.join("talker", "deaf", "listener")
    deaf.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sent, heard, told = 0, 0, False
    # Not to fill what the kernel holds would take more than the bound by a few hundred kilobytes.
    while not told:
        assert sent < 3000, "the deaf client is never cut off"
        talker.say(f"{sent} " + "x" * 1000)
        sent += 1
        frame = listener.frame()
        while frame["message"] == "deaf is offline\n":
            told = True
            frame = listener.frame()
        assert frame["message"].startswith(f"{heard} ")
        heard += 1
    talker.hears_leave_of("deaf")
    talker.say("fence")
    listener.hears("talker", "fence")
    left = server.records.wait_for("left")
    assert (left["username"], left["reason"]) == ("deaf", "did not read")
    eventually(lambda: "writer" not in [t.name for t in threading.enumerate()], "no writer left")


def test_who_reads_slowly_gets_everything_in_order(start: Start) -> None:
    slow, talker = start(max_outbound_octets=4_000_000).join("slow", "talker")
    for number in range(1500):
        talker.say(f"{number} " + "x" * 1000)
    talker.send({"disconnect": True})
    assert talker.frame() == {"disconnect": True}
    for number in range(1500):
        assert slow.frame()["message"].startswith(f"{number} ")
    slow.hears_leave_of("talker")
    slow.say("fence", dm="slow")
    slow.hears("slow", "fence")


@pytest.mark.parametrize(
    "octets",
    [b"", b'{"user', b'{"username":"x"}', b'{"username":"x"}{"mess', b"\xff"],
    ids=["at once", "in the join", "after the join", "in a message", "after garbage"],
)
def test_reset_at_every_stage(start: Start, octets: bytes) -> None:
    server = start()
    (a,) = server.join("a")
    for _ in range(20):
        client = server.connect()
        client.send_bytes(octets)
        if octets.startswith(b'{"username":"x"}'):
            assert client.frame()["isConnected"]
            a.hears_of("x")
        client.reset()
        if octets.startswith(b'{"username":"x"}'):
            a.hears_leave_of("x")
    a.say("fence", dm="a")
    a.hears("a", "fence")
    server.wait_for_connections(1)


def test_a_peer_that_vanished_is_noticed_in_silence(start: Start) -> None:
    server = start(keep_alive=1)
    a, ghost = server.join("a", "ghost")
    _vanish(ghost)
    a.hears_leave_of("ghost")


def test_a_peer_that_vanished_is_noticed_when_written_to(start: Start) -> None:
    server = start()
    a, ghost, b = server.join("a", "ghost", "b")
    _vanish(ghost)
    a.say("anybody?")
    b.hears("a", "anybody?")
    for other in (a, b):
        other.hears_leave_of("ghost")
    a.say("fence")
    b.hears("a", "fence")


def test_a_thousand_that_never_join(start: Start) -> None:
    server = start(join_timeout=0.5)
    (a,) = server.join("a")
    before = _threads()
    idle = [server.connect() for _ in range(1000)]
    a.say("undisturbed", dm="a")
    a.hears("a", "undisturbed")
    for client in idle:
        assert client.refusal() == 5
        client.close()
    eventually(lambda: _threads() == before, "their threads have ended")
    server.wait_for_connections(1)
    eventually(lambda: len(server.records.named("refused")) == 1000, "each refusal is logged")


def test_an_octet_now_and_then_is_no_join_and_disturbs_nobody(start: Start) -> None:
    server = start(join_timeout=0.3)
    a, b = server.join("a", "b")
    dribbler = server.connect()
    begun = time.monotonic()
    with contextlib.suppress(OSError):
        for octet in b'{"username":"' + b"x" * 10_000:
            dribbler.send_bytes(bytes([octet]))
            a.say("between")
            b.hears("a", "between")
            if time.monotonic() - begun > 0.6:
                break
    assert dribbler.frame()["errorCode"] == 5


def test_joins_and_leaves_leave_nothing_behind(start: Start) -> None:
    server = start()
    (a,) = server.join("a")
    threads, files = _threads(), _files()
    for number in range(200):
        client = server.connect().join(f"user{number}")
        a.hears_of(f"user{number}")
        if number % 2:
            client.reset()
        else:
            client.send({"disconnect": True})
            assert client.frame() == {"disconnect": True}
            client.close()
        a.hears_leave_of(f"user{number}")
    eventually(lambda: (_threads(), _files()) == (threads, files), "threads and files as before")


def test_out_of_file_descriptors(spawn: Spawn) -> None:
    server = spawn("--max-open-files", "40", "--linger-timeout", "1")
    first = server.connect().join("first")
    members: list[Client] = []
    waiting: list[Client] = []
    for number in range(45):
        client = server.connect()
        client.send({"username": f"user{number}"})
        (waiting if waiting or not _answered(client) else members).append(client)
        if client in members:
            first.hears_of(f"user{number}")
    assert len(members) > 20
    assert waiting
    members[0].say("still here", dm="first")
    first.hears("user0", "still here")
    for client in members:
        client.close()
    left = 0
    while left < len(members):
        left += first.frame()["message"].endswith("is offline\n")
    for client in waiting:
        assert client.frame()["isConnected"] is True
    server.child.terminate()
    for client in (first, *waiting):
        client.close()
    status, log = server.finish()
    assert status == 0
    assert any("accept-failed" in line for line in log)


def _answered(client: Client) -> bool:
    """Whether the join is answered soon; a server without descriptors never answers it."""
    client.sock.settimeout(0.5)
    try:
        return client.sock.recv(1000).startswith(b'{"isConnected":true')
    except TimeoutError:
        return False
    finally:
        client.sock.settimeout(PATIENCE)


def test_a_bug_in_the_room_costs_one_connection(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start()
    a, b, c = server.join("a", "b", "c")
    room = server.server.room
    receive_data = room.receive_data

    def faulty(key: object, data: bytes, now: float) -> object:
        if b"bug" in data:
            raise ZeroDivisionError
        return receive_data(key, data, now)  # type: ignore[arg-type]

    monkeypatch.setattr(room, "receive_data", faulty)
    b.say("bug")
    for other in (a, c):
        other.hears_leave_of("b")
    a.say("unharmed")
    c.hears("a", "unharmed")
    failure = server.records.wait_for("failed")
    assert "ZeroDivisionError" in failure["traceback"]


def test_a_bug_in_sending_costs_one_connection(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start()
    a, b, c = server.join("a", "b", "c")
    real = Peer.send
    faulty = [b.sock.getsockname()[1]]

    def send(peer: Peer, data: bytes) -> int:
        if peer.address.endswith(f":{faulty[0]}"):
            raise ZeroDivisionError
        return real(peer, data)

    monkeypatch.setattr(Peers, "write", TlsPeers.write)  # each by itself
    monkeypatch.setattr(Peer, "send", send)
    a.say("unharmed")
    c.hears("a", "unharmed")
    for other in (a, c):
        other.hears_leave_of("b")
    assert "ZeroDivisionError" in server.records.wait_for("failed")["traceback"]


def test_a_failure_in_writing_to_many_costs_those_it_was_meant_for(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start()
    a, b, c = server.join("a", "b", "c")
    real = Peers.write

    def write(peers: Peers, receivers: tuple[int, ...], data: bytes) -> list[tuple[int, bytes]]:
        if b"fatal" in data:
            raise MemoryError
        return real(peers, receivers, data)

    monkeypatch.setattr(Peers, "write", write)
    a.say("fatal")
    for lost in (b, c):
        lost.expect_end()
    for name in ("b", "c"):
        a.hears_leave_of(name)
    server.join("d")[0].say("the room goes on")
    a.hears_of("d")
    a.hears("d", "the room goes on")
    assert "MemoryError" in server.records.wait_for("failed")["traceback"]


def test_idle_connections_cost_no_time(spawn: Spawn) -> None:
    server = spawn()
    for name in ("a", "b", "c"):
        server.connect().join(name)

    def switches() -> int:
        total = 0
        for status in Path(f"/proc/{server.child.pid}/task").glob("*/status"):
            for line in status.read_text().splitlines():
                if "_ctxt_switches" in line:
                    total += int(line.split()[1])
        return total

    eventually(lambda: _same_for(switches, 0.3), "no thread of an idle server ever runs")


def _same_for(value: Callable[[], int], seconds: float) -> bool:
    before = value()
    time.sleep(seconds)  # the absence of anything in a time is what is measured
    return value() == before


def test_sigterm_under_load(spawn: Spawn) -> None:
    server = spawn("--linger-timeout", "2")
    listeners = [server.connect().join(f"listener{number}") for number in range(5)]
    senders = [server.connect().join(f"sender{number}") for number in range(4)]
    heard: list[list[tuple[str, str]]] = [[] for _ in listeners]
    last_words: list[dict[str, object]] = []

    def listen(number: int) -> None:
        while "message" in (frame := listeners[number].frame()):
            if frame["message"].isdigit():
                heard[number].append((frame["sender"], frame["message"]))
        last_words.append(frame)
        listeners[number].expect_end()
        listeners[number].close()

    threads = [threading.Thread(target=listen, args=(n,)) for n in range(len(listeners))]
    threads += [threading.Thread(target=_talk, args=(client,)) for client in senders]
    threads += [threading.Thread(target=_discard, args=(client,)) for client in senders]
    for thread in threads:
        thread.start()
    eventually(lambda: min(map(len, heard)) > 200, "the load flows")
    server.child.terminate()
    status, _ = server.finish()
    for thread in threads:
        thread.join(PATIENCE)
    assert status == 0
    assert last_words == [{"disconnect": True}] * len(listeners)
    assert all(one == heard[0] for one in heard)
    for number in range(len(senders)):
        texts = [text for sender, text in heard[0] if sender == f"sender{number}"]
        assert texts == [str(n) for n in range(len(texts))]


def _talk(client: Client) -> None:
    with contextlib.suppress(OSError):
        for number in range(1_000_000):
            client.say(str(number))
    client.close()


def _discard(client: Client) -> None:
    with contextlib.suppress(OSError, ValueError):
        while client.sock.recv(65536):
            pass


def test_a_connection_that_is_gone_before_it_is_accepted(start: Start) -> None:
    server = start()
    for _ in range(50):
        sock = socket.create_connection(server.address)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
    a, b = server.join("a", "b")
    a.say("still here")
    b.hears("a", "still here")
    assert not server.records.named("accept-failed")


def test_without_threads_a_connection_is_closed_and_others_go_on(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatroom_reference.server.server._RETRY_SECONDS", 0.05)
    server = start()
    a, b = server.join("a", "b")

    def fail(*_: object) -> int:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr("chatroom_reference.server.server._thread.start_new_thread", fail)
        server.connect().expect_end()
    a.say("still here")
    b.hears("a", "still here")
    server.connect().join("c")
    a.hears_of("c")


def test_errors_of_accept_end_nothing(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatroom_reference.server.server._RETRY_SECONDS", 0.05)
    server = start()
    real = socket.socket.accept
    errors = [errno.ECONNABORTED, errno.EMFILE, errno.ENOBUFS]

    def accept(sock: socket.socket) -> object:
        if errors:
            raise OSError(errors.pop(), "no")
        return real(sock)

    (a,) = server.join("a")
    with monkeypatch.context() as patch:
        patch.setattr(socket.socket, "accept", accept)
        server.connect().join("b")  # accepted by the call that began before
        a.hears_of("b")
        server.connect().join("c")
        a.hears_of("c")
    assert not errors
    assert len(server.records.named("accept-failed")) == 1
