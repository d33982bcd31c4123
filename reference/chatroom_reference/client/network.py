"""A connection's bytes, moved by a thread of their own.

The thread knows the socket and nothing of the protocol. It shares two queues with the main
thread, commands one way and reports the other, and nothing else.
"""

from __future__ import annotations

import contextlib
import queue
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable
from enum import Enum

from attrs import frozen

from chatroom_reference.client.address import Address
from chatroom_reference.client.tls import Layer, Plain, Tls

CONNECT_TIMEOUT = 10.0
_CHUNK = 65536
# While the main thread has so much to do, nothing more is read: TCP then slows the server down.
_MOST_REPORTS = 32
_LOOK_AGAIN = 0.02
# How long a link that was let go of may still write what it was given.
_LINGER = 0.25
# What a server may leave unread of a person's typing before it counts as dead.
_MUCH_UNSENT, _MANY_COMMANDS = 65536, 64
_MOST_UNSENT = 4 * 1024 * 1024


@frozen
class Connected:
    """The connection is there; with TLS, the server's certificate is trusted."""


@frozen
class Received:
    """Octets of the protocol, in the order they came."""

    data: bytes


@frozen
class Ended:
    """The last report. ``why`` is one sentence, or None at an orderly end of stream."""

    why: str | None


Report = Connected | Received | Ended


class _Command(Enum):
    FINISH = "finish"
    CLOSE = "close"


class Link:
    """One attempt at one connection, from connecting to its end."""

    def __init__(
        self,
        address: Address,
        tls: ssl.SSLContext | None = None,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        """Connect, in the background.

        Args:
            address: where to.
            tls: how, if not in the clear.
            wake: called in the link's thread after each report.
        """
        self._address = address
        self._layer: Layer = Plain() if tls is None else Tls(tls, address.host)
        self._wake = wake
        self._reports: queue.SimpleQueue[Report] = queue.SimpleQueue()
        self._commands: queue.SimpleQueue[bytes | _Command] = queue.SimpleQueue()
        self._bell_in, self._bell_out = socket.socketpair()
        self._bell_in.setblocking(False)
        self._bell_out.setblocking(False)
        self._unsent = bytearray()
        self._finishing = False
        self._closed_at: float | None = None
        self._thread = threading.Thread(target=self._run, name="chatroom-link", daemon=True)
        self._thread.start()

    def send(self, data: bytes) -> None:
        """Send ``data``, after all that was given before."""
        self._tell(data)

    def finish(self) -> None:
        """End the stream after what was given; what comes from the server is still reported."""
        self._tell(_Command.FINISH)

    def close(self) -> None:
        """Write what was given, for a moment at most, and be done; what comes is thrown away."""
        self._tell(_Command.CLOSE)

    def join(self, seconds: float) -> None:
        """Wait for the thread to be done, ``seconds`` at most."""
        self._thread.join(seconds)

    @property
    def congested(self) -> bool:
        """Whether the server is behind with reading; only a hint, as it is another thread's."""
        return self._commands.qsize() > _MANY_COMMANDS or len(self._unsent) > _MUCH_UNSENT

    @property
    def has_reports(self) -> bool:
        """Whether there is something to take."""
        return not self._reports.empty()

    def reports(self, most: int) -> list[Report]:
        """Take at most so many of the reports there are; never waits."""
        taken: list[Report] = []
        with contextlib.suppress(queue.Empty):
            while len(taken) < most:
                taken.append(self._reports.get_nowait())
        return taken

    def _tell(self, command: bytes | _Command) -> None:
        self._commands.put(command)
        # A full pipe has woken the thread already; a closed one belongs to a thread that is done.
        with contextlib.suppress(OSError):
            self._bell_in.send(b"!")

    # From here on: the link's own thread.

    def _run(self) -> None:
        try:
            why = self._connect_and_move()
        finally:
            self._bell_in.close()
            self._bell_out.close()
        self._report(Ended(why))

    def _connect_and_move(self) -> str | None:
        try:
            connection = socket.create_connection(
                (self._address.host, self._address.port), CONNECT_TIMEOUT
            )
        except (OSError, UnicodeError) as error:
            return _why_not_connected(self._address, error)
        with connection:
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            try:
                self._move(connection)
            except _Over as over:
                return over.why
            except ssl.SSLError as error:
                return _why_no_tls(self._address, error)
            except OSError as error:
                return f"The connection to {self._address} broke: {error.strerror}."
            return None

    def _move(self, connection: socket.socket) -> None:
        deadline = time.monotonic() + CONNECT_TIMEOUT
        connected = False
        self._layer.start()
        self._obey()
        with selectors.DefaultSelector() as selector:
            selector.register(self._bell_out, selectors.EVENT_READ)
            selector.register(connection, selectors.EVENT_READ)
            while True:
                if self._layer.ready and not connected:
                    connected = True
                    self._report(Connected())
                if not connected and time.monotonic() > deadline:
                    raise _Over(f"{self._address} did not answer as TLS servers do.")
                self._write(connection)
                self._wait(selector, connection, self._longest_wait(connected))

    def _longest_wait(self, connected: bool) -> float | None:
        if self._closed_at is not None:
            left = self._closed_at + _LINGER - time.monotonic()
            if left <= 0:
                raise _Over(None)
            return left
        return None if connected else _LINGER

    def _wait(
        self, selector: selectors.BaseSelector, connection: socket.socket, longest: float | None
    ) -> None:
        """Wait for something to do, and do it; raise at the end of the stream."""
        full = self._reports.qsize() >= _MOST_REPORTS
        interest = 0 if full else selectors.EVENT_READ
        if self._unsent:
            interest |= selectors.EVENT_WRITE
        _watch(selector, connection, interest)
        for key, mask in selector.select(_LOOK_AGAIN if full else longest):
            if key.fileobj is self._bell_out:
                self._obey()
            elif mask & selectors.EVENT_READ:
                self._read(connection)

    def _obey(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._bell_out.recv(4096)
        with contextlib.suppress(queue.Empty):
            while True:
                command = self._commands.get_nowait()
                if isinstance(command, bytes):
                    self._layer.write(command)
                    continue
                if command is _Command.CLOSE:
                    self._closed_at = time.monotonic()
                self._finishing = True
                self._layer.finish()

    def _read(self, connection: socket.socket) -> None:
        try:
            data = connection.recv(_CHUNK)
        except BlockingIOError:
            return
        if self._closed_at is not None:
            if not data:
                raise _Over(None)
            return
        if not data and not self._layer.ready:
            raise _Over(f"{self._address} closed the connection instead of answering in TLS.")
        octets = self._layer.from_wire(data) if data else b""
        if octets:
            self._report(Received(octets))
        if not data or self._layer.ended:
            raise _Over(None)

    def _write(self, connection: socket.socket) -> None:
        self._unsent += self._layer.to_wire()
        if len(self._unsent) > _MOST_UNSENT:
            raise _Over(f"{self._address} reads nothing of what it is sent.")
        if self._unsent:
            with contextlib.suppress(BlockingIOError):
                del self._unsent[: connection.send(self._unsent)]
        if self._finishing and not self._unsent and self._layer.ready:
            self._finishing = False
            connection.shutdown(socket.SHUT_WR)

    def _report(self, report: Report) -> None:
        self._reports.put(report)
        self._wake()


class _Over(Exception):  # noqa: N818 - not an error: how the thread's loops end
    def __init__(self, why: str | None) -> None:
        self.why = why


def _watch(selector: selectors.BaseSelector, connection: socket.socket, interest: int) -> None:
    watched = selector.get_map().get(connection)
    if not interest:
        if watched:
            selector.unregister(connection)
    elif not watched:
        selector.register(connection, interest)
    elif watched.events != interest:
        selector.modify(connection, interest)


def _why_not_connected(address: Address, error: OSError | UnicodeError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return f"Nobody is listening at {address}; is the server running?"
    if isinstance(error, (socket.gaierror, UnicodeError)):
        return f"There is no host called {address.host}."
    if isinstance(error, TimeoutError):
        return f"{address} did not answer within {CONNECT_TIMEOUT:.0f} seconds."
    return f"It is not possible to connect to {address}: {error.strerror}."


def _why_no_tls(address: Address, error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        why = error.verify_message.rstrip(".")
        return f"The certificate of {address} is not trusted: {why}."
    if error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL"):
        return f"{address} does not speak TLS; try without --tls."
    reason = (error.reason or "no reason given").replace("_", " ").lower()
    return f"TLS with {address} failed: {reason}."
