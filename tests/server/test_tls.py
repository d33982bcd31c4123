"""The same room over TLS."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable

import pytest

from chatroom_reference.server.tls import server_context
from tests.server.harness import Certificates, Client, Running, eventually

Start = Callable[..., Running]


@pytest.fixture
def secure(start: Start, certificates: Certificates) -> Running:
    return start(tls=server_context(certificates.file, None))


def _join(server: Running, certificates: Certificates, *names: str) -> list[Client]:
    clients: list[Client] = []
    for name in names:
        newcomer = server.connect(certificates.client_context()).join(name)
        for client in clients:
            client.hears_of(name)
        clients.append(newcomer)
    return clients


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_conversation(
    secure: Running, certificates: Certificates, version: ssl.TLSVersion
) -> None:
    context = certificates.client_context()
    context.minimum_version = context.maximum_version = version
    a = secure.connect(context).join("a")
    b = secure.connect(context).join("b")
    assert isinstance(a.sock, ssl.SSLSocket)
    assert a.sock.version() == version.name.replace("_", ".")
    a.hears_of("b")
    b.say("x" * 4000)
    a.hears("b", "x" * 4000)
    b.send({"disconnect": True})
    assert b.frame() == {"disconnect": True}
    b.expect_end()  # which raises unless close_notify came before the end
    a.hears_leave_of("b")


def test_older_versions_are_not_spoken(certificates: Certificates) -> None:
    assert server_context(certificates.file, None).minimum_version >= ssl.TLSVersion.TLSv1_2


def test_what_waits_is_encrypted_in_order(secure: Running, certificates: Certificates) -> None:
    slow, talker = _join(secure, certificates, "slow", "talker")
    for number in range(800):
        talker.say(f"{number} " + "x" * 1000)
    talker.send({"disconnect": True})
    assert talker.frame() == {"disconnect": True}
    for number in range(800):
        assert slow.frame()["message"].startswith(f"{number} ")
    slow.hears_leave_of("talker")


@pytest.mark.parametrize("octets", [b'{"username":"plain"}\n', b"GET / HTTP/1.1\r\n\r\n", b"\x16"])
def test_a_plain_client_on_a_tls_port(
    secure: Running, certificates: Certificates, octets: bytes
) -> None:
    (a,) = _join(secure, certificates, "a")
    plain = secure.connect()
    plain.send_bytes(octets)
    plain.sock.shutdown(socket.SHUT_WR)
    while rest := plain.sock.recv(4096):
        assert b"isConnected" not in rest
    if len(octets) > 1:
        assert secure.records.wait_for("tls-failed")["reason"]
    a.say("unharmed", dm="a")
    a.hears("a", "unharmed")
    secure.wait_for_connections(1)


def test_a_tls_client_on_a_plain_port(start: Start, certificates: Certificates) -> None:
    server = start()
    (a,) = server.join("a")
    with pytest.raises(ssl.SSLError):
        server.connect(certificates.client_context())
    a.say("unharmed", dm="a")
    a.hears("a", "unharmed")
    assert server.records.wait_for("refused")["code"] == 4


def test_every_end_is_a_leave(secure: Running, certificates: Certificates) -> None:
    (a,) = _join(secure, certificates, "a")
    ends: list[tuple[str, Callable[[Client], None]]] = [
        ("notified", lambda client: client.sock.unwrap()),  # type: ignore[attr-defined]
        ("half-closed", lambda client: client.sock.shutdown(socket.SHUT_WR)),
        ("reset", lambda client: client.reset()),
    ]
    for name, end in ends:
        client = secure.connect(certificates.client_context()).join(name)
        a.hears_of(name)
        end(client)
        a.hears_leave_of(name)


def test_a_handshake_that_is_never_made_ends_in_time(
    start: Start, certificates: Certificates
) -> None:
    server = start(tls=server_context(certificates.file, None), join_timeout=0.2)
    silent = server.connect()
    silent.expect_end()
    silent.close()
    eventually(lambda: server.connections() == 0, "the connection is closed")


def test_garbage_within_tls_is_refused(secure: Running, certificates: Certificates) -> None:
    client = secure.connect(certificates.client_context())
    client.send_bytes(b"garbage")
    assert client.refusal() == 4


def test_garbage_between_records_is_a_leave(secure: Running, certificates: Certificates) -> None:
    a, b, c = _join(secure, certificates, "a", "b", "c")
    # Past the TLS of this end: a record of application data that no key has made.
    raw = socket.socket(fileno=b.sock.detach())
    raw.sendall(b"\x17\x03\x03\x00\x20" + b"x" * 32)
    a.hears_leave_of("b")
    raw.close()
    c.hears_leave_of("b")
    a.say("unharmed")
    c.hears("a", "unharmed")
    assert secure.records.wait_for("tls-failed")["reason"]
