"""A server on a free port of 127.0.0.1, in this process or in its own, and clients for it.

Every wait in here ends: what does not come in time fails the test.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import ssl
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import trustme

from chatroom_reference.server.log import EventLog
from chatroom_reference.server.server import Server, Settings

PATIENCE = 10.0
Frame = dict[str, Any]


class Client:
    """Sends and receives frames as lines; every wait ends after PATIENCE."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.settimeout(PATIENCE)
        self._lines = sock.makefile("rb")

    def send(self, *frames: Frame) -> None:
        self.send_bytes(b"".join(json.dumps(frame).encode() + b"\n" for frame in frames))

    def send_bytes(self, data: bytes) -> None:
        self.sock.sendall(data)

    def frame(self) -> Frame:
        line = self._lines.readline()
        assert line.endswith(b"\n"), f"the stream ended with {line!r}"
        frame: Frame = json.loads(line)
        return frame

    def join(self, username: str, **members: Any) -> Client:
        self.send({"username": username, **members})
        response = self.frame()
        assert response["isConnected"] is True, response
        return self

    def refusal(self) -> int:
        """Return the code of a refusal; the stream has to end behind it."""
        response = self.frame()
        assert response["isConnected"] is False, response
        self.expect_end()
        code: int = response["errorCode"]
        return code

    def say(self, text: str, dm: str | None = None) -> None:
        self.send({"message": text, "dm": dm, "sender": ""})

    def hears(self, sender: str, text: str) -> Frame:
        frame = self.frame()
        assert (frame.get("sender"), frame.get("message")) == (sender, text), frame
        return frame

    def hears_of(self, *usernames: str) -> None:
        """Expect the joins of these, in any order."""
        heard = [self.frame() for _ in usernames]
        assert {frame["message"] for frame in heard} <= {"User has connected"}, heard
        assert sorted(frame["sender"] for frame in heard) == sorted(usernames)

    def hears_leave_of(self, username: str) -> None:
        self.hears(username, f"{username} is offline\n")

    def expect_end(self) -> None:
        rest = self._lines.read()
        assert rest == b"", rest

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        self._lines.close()
        self.sock.close()


class Records(logging.Handler):
    """Keeps what was logged: the event and its fields."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[tuple[str, Frame]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.events.append((record.getMessage(), getattr(record, "fields", {})))

    def named(self, name: str) -> list[Frame]:
        return [fields for event, fields in self.events if event == name]

    def wait_for(self, name: str) -> Frame:
        """Return the one such event; it is logged after people were told."""
        eventually(lambda: bool(self.named(name)), f"logged {name}")
        (fields,) = self.named(name)
        return fields


class Running:
    """A server in this process."""

    def __init__(self, settings: Settings) -> None:
        self.records = Records()
        logger = logging.Logger("server under test", logging.DEBUG)
        logger.addHandler(self.records)
        self.server = Server(settings, EventLog(logger))
        self.address = self.server.start()
        self._clients = ExitStack()

    def connect(self, tls: ssl.SSLContext | None = None) -> Client:
        sock = socket.create_connection(self.address, PATIENCE)
        if tls:
            sock = tls.wrap_socket(sock, server_hostname="localhost")
        return self.adopt(Client(sock))

    def adopt(self, client: Client) -> Client:
        self._clients.callback(client.close)
        return client

    def join(self, *usernames: str) -> list[Client]:
        """Let users join one after another, each told of all that follow."""
        clients: list[Client] = []
        for username in usernames:
            newcomer = self.connect().join(username)
            for client in clients:
                client.hears_of(username)
            clients.append(newcomer)
        return clients

    def connections(self) -> int:
        return self.server.connection_count

    def wait_for_connections(self, count: int) -> None:
        eventually(lambda: self.connections() == count, f"{count} connections")

    def stop(self) -> None:
        self._clients.close()
        self.server.stop()


def eventually(holds: Callable[[], bool], what: str) -> None:
    """Wait until ``holds``; for what no event tells, such as threads that have ended."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"still not: {what}"
        time.sleep(0.005)


class Process:
    """A server in a process of its own, started by its command."""

    def __init__(self, *options: str) -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-m", "chatroom_reference.server", "--port", "0", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": ""},
        )
        assert self.child.stdout is not None
        self.listening = self.child.stdout.readline().strip()
        where = self.listening.removeprefix("listening on ")
        host, _, port = where.rpartition(":")
        self.address = (host.strip("[]"), int(port))
        self._clients = ExitStack()

    def connect(self) -> Client:
        client = Client(socket.create_connection(self.address, PATIENCE))
        self._clients.callback(client.close)
        return client

    def finish(self) -> tuple[int, list[str]]:
        """Wait for the end; return the exit status and the lines of stderr."""
        _, log = self.child.communicate(timeout=PATIENCE)
        return self.child.returncode, log.splitlines()

    def end(self) -> None:
        self._clients.close()
        if self.child.poll() is None:
            self.child.kill()
        if self.child.stderr is not None and not self.child.stderr.closed:
            self.child.communicate(timeout=PATIENCE)


class Certificates:
    """A certificate authority of the tests' own, and a certificate for localhost."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self.file = str(folder / "server.pem")
        certificate = self._authority.issue_cert("localhost", "127.0.0.1")
        certificate.private_key_and_cert_chain_pem.write_to_path(self.file)

    def client_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self._authority.configure_trust(context)
        return context
