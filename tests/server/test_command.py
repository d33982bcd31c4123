"""``chatroom-ref-server`` as its operator meets it."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version

import pytest

from tests.server.harness import PATIENCE, Certificates, Process

Spawn = Callable[..., Process]


def _run(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "chatroom_reference.server", *options],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_tells_everyone_and_ends(spawn: Spawn, number: signal.Signals) -> None:
    server = spawn()
    assert re.fullmatch(r"listening on 127\.0\.0\.1:[1-9]\d*", server.listening)
    waiting = server.connect()
    a = server.connect().join("a")  # so the one before is accepted, too
    server.child.send_signal(number)
    assert a.frame() == {"disconnect": True}
    a.expect_end()
    a.close()
    waiting.expect_end()
    waiting.close()
    status, log = server.finish()
    assert status == 0
    assert len(log) == 1
    assert " info joined address=" in log[0]


def test_a_second_signal_ends_at_once(spawn: Spawn) -> None:
    server = spawn("--linger-timeout", "60")
    a = server.connect().join("a")
    server.child.terminate()
    assert a.frame() == {"disconnect": True}
    a.expect_end()
    # The server waits for this end to be closed, which would take a minute.
    assert server.child.poll() is None
    server.child.terminate()
    status, _ = server.finish()
    assert status == -signal.SIGTERM


def test_ipv6(spawn: Spawn) -> None:
    server = spawn("--host", "::1")
    assert re.fullmatch(r"listening on \[::1\]:[1-9]\d*", server.listening)
    server.connect().join("a")


def test_a_busy_port_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = _run("--port", port)
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr == (
        f"chatroom-ref-server: cannot listen on 127.0.0.1:{port}: Address already in use\n"
    )


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--port", "70000"], "--port: 70000 won't do: it has to be a whole number, 0 to 65535"),
        (["--port", "x"], "--port: 'x' won't do: it has to be a whole number"),
        (["--max-frame-bytes", "3"], "--max-frame-bytes is 3, but it has to be at least 64"),
        (["--max-depth", "0"], "--max-depth is 0, but it has to be"),
        (["--join-timeout", "nan"], "--join-timeout: nan won't do"),
        (["--keep-alive", "0"], "--keep-alive: 0 won't do"),
        (["--max-clients", "-1"], "--max-clients: -1 won't do"),
        (["--max-open-files", "99999999"], "open files are wanted, but the system allows only"),
        (["--log-level", "loud"], "--log-level: invalid choice: 'loud'"),
        (["--tls-key", "x"], "--tls-key needs --tls-cert"),
        (["--tls-cert", "/nowhere"], "--tls-cert: no usable certificate and key in '/nowhere'"),
        (["--tls-cert", __file__], "--tls-cert: no usable certificate and key in"),
        (["--maximum", "3"], "unrecognized arguments: --maximum"),
    ],
)
def test_a_bad_option_is_one_sentence(options: list[str], part: str) -> None:
    result = _run(*options)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert part in result.stderr


def test_an_unknown_host_is_one_line() -> None:
    result = _run("--host", "nowhere.invalid", "--port", "0")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.count("\n") == 1


def test_version() -> None:
    assert _run("--version").stdout == f"chatroom-ref-server {version('chatroom')}\n"


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_log_quotes_peers_and_never_what_they_say(spawn: Spawn, form: str) -> None:
    server = spawn("--log-format", form, "--log-level", "debug", "--linger-timeout", "1")
    name = 'a" level=x é\u2066'.rstrip("\u2066") + "\U0001f600"
    a = server.connect().join(name)
    a.say("secret one", dm="secret two")
    a.send({"message": 5, "dm": "secret three"})
    for _ in range(2):
        assert a.frame()["sender"] == ""
    a.send_bytes(b'{"message":"secret four"')
    a.send_bytes(b"\x1b[31m\n secret five}}")
    while "message" in a.frame():
        pass
    refused = server.connect()
    refused.send({"username": "\x1b[31m\nsecret six\x7f"})
    assert refused.refusal() == 3
    a.close()
    refused.close()
    server.child.terminate()
    status, log = server.finish()
    assert status == 0
    assert not [line for line in log if "secret" in line or not line.isascii() or "\x1b" in line]
    events = [_event(line, form) for line in log]
    assert events[:3] == ["joined", "rejected", "rejected"]
    assert {"violated", "left", "refused"} <= set(events)
    (joined,) = [line for line in log if "joined" in line]
    if form == "json":
        assert json.loads(joined)["username"] == name
    else:
        assert joined.endswith(f"username={json.dumps(name)}")


def _event(line: str, form: str) -> str:
    if form == "json":
        fields = json.loads(line)
        assert {"time", "level", "event", "address"} <= set(fields)
        return str(fields["event"])
    at, level, event, address = line.split(" ")[:4]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", at)
    assert level in ("debug", "info", "warning", "error")
    assert address.startswith('address="127.0.0.1:')
    return event


def test_tls(spawn: Spawn, certificates: Certificates) -> None:
    server = spawn("--tls-cert", certificates.file)
    with (
        socket.create_connection(server.address, PATIENCE) as plain,
        certificates.client_context().wrap_socket(plain, server_hostname="localhost") as sock,
    ):
        sock.sendall(b'{"username":"a"}')
        assert sock.recv(1000).startswith(b'{"isConnected":true')


def test_ends_in_time_with_clients_that_never_read(spawn: Spawn) -> None:
    server = spawn("--linger-timeout", "1")
    deaf, talker = server.connect().join("deaf"), server.connect().join("talker")
    for _ in range(700):
        talker.say("x" * 1000)
    talker.say("fence", dm="talker")
    while talker.frame()["message"] != "fence":
        pass
    begun = time.monotonic()
    server.child.terminate()
    status, _ = server.finish()
    assert status == 0
    assert time.monotonic() - begun < 3
    deaf.close()
