"""Connections to the server under test, and what went over them.

All connections of a case live in one `Network`. Whoever waits for anything reads them all, so that
no connection of the suite's is ever the one that doesn't read, unless a case wants just that.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import struct
import time
from collections.abc import Callable

from attrs import evolve, frozen

from .reader import Frame, Junk, Reader
from .results import TRANSCRIPT_ENTRIES, TRANSCRIPT_OCTETS, Entry, What

#: Longest uninterrupted sleep in `select`, in seconds: how late a stop from another thread is seen.
_SLICE = 0.25
_RECEIVE_OCTETS = 65536
#: Remarks in a transcript that a repro script acts on.
STOPS_READING = "stops reading"
READS_AGAIN = "reads again"
_NARROW_OCTETS = 2048
_NARROW_SEGMENT = 536


class ServerGoneError(Exception):
    """No connection can be made; the sentence says why."""


class StoppedError(Exception):
    """The run is being interrupted."""


@frozen
class Address:
    """Where the server is, and how to talk to it."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None

    def __str__(self) -> str:
        """`HOST:PORT`, with brackets around an IPv6 address."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Transcript:
    """What happened in a case, in order; the middle of a long one is left out."""

    def __init__(self, *, whole: bool = False) -> None:
        self._whole = whole
        self._began = time.monotonic()
        self._first: list[Entry] = []
        self._last: list[Entry] = []
        self.left_out = 0

    @property
    def seconds(self) -> float:
        """Since the case began."""
        return time.monotonic() - self._began

    def add(self, connection: str, what: What, data: bytes = b"") -> None:
        """Note one entry; of long data the beginning is kept."""
        kept = data if self._whole else data[:TRANSCRIPT_OCTETS]
        entry = Entry(self.seconds, connection, what, kept, len(data))
        half = TRANSCRIPT_ENTRIES // 2
        if self._whole or len(self._first) < half:
            self._first.append(entry)
            return
        self._last.append(entry)
        if len(self._last) >= 2 * half:
            self.left_out += half
            del self._last[:half]

    @property
    def entries(self) -> tuple[Entry, ...]:
        """What is kept, oldest first."""
        return (*self._first, *self._last)


class Link:
    """One TCP connection, with TLS in it or without; never blocks once it is open."""

    def __init__(
        self,
        address: Address,
        within: float,
        *,
        narrow: bool = False,
        source: str = "",
        sock: socket.socket | None = None,
    ) -> None:
        """Connect, unless there's a connected socket, and shake hands.

        A narrow connection holds few octets on their way. `source` is the address it comes from.

        Raises:
            ServerGoneError: nobody listens there, or it speaks no TLS.
        """
        deadline = time.monotonic() + within
        try:
            self.socket = sock or _connect(address, within, narrow=narrow, source=source)
        except OSError as error:
            raise ServerGoneError(f"cannot connect to {address}: {_reason(error)}") from error
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._tls: ssl.SSLObject | None = None
        if address.tls:
            self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            self._tls = address.tls.wrap_bio(
                self._incoming, self._outgoing, server_hostname=address.host
            )
            try:
                self._shake_hands(deadline)
            except (ssl.SSLError, ssl.CertificateError, OSError) as error:
                self.socket.close()
                reason = getattr(error, "verify_message", "") or _reason(error)
                raise ServerGoneError(f"no TLS with {address}: {reason}") from error
        self.socket.setblocking(False)

    def _shake_hands(self, deadline: float) -> None:
        assert self._tls
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self.socket.sendall(self._outgoing.read())
                self.socket.settimeout(max(0.001, deadline - time.monotonic()))
                data = self.socket.recv(_RECEIVE_OCTETS)
                if not data:
                    raise ConnectionError("the server closed during the handshake") from None
                self._incoming.write(data)
            else:
                self.socket.sendall(self._outgoing.read())
                return

    def receive(self) -> bytes | None:
        """What is there: octets, b"" at end of stream, None when there is nothing yet.

        Raises:
            ConnectionError: the server reset the connection.
        """
        try:
            data = self.socket.recv(_RECEIVE_OCTETS)
        except (BlockingIOError, InterruptedError):
            return None
        if self._tls is None:
            return data
        if not data:
            return b""
        self._incoming.write(data)
        return self._decrypted(self._tls)

    def _decrypted(self, tls: ssl.SSLObject) -> bytes | None:
        plain = bytearray()
        try:
            while True:
                part = tls.read(_RECEIVE_OCTETS)
                if not part:
                    break
                plain += part
        except ssl.SSLWantReadError:
            return bytes(plain) or None
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            pass
        except ssl.SSLError as error:
            raise ConnectionResetError(f"TLS failed: {_reason(error)}") from error
        # The end of the stream is told by the socket too; what came before it comes first.
        return bytes(plain)

    def wrap(self, data: bytes) -> bytes:
        """The octets for the socket that carry these octets."""
        if self._tls is None:
            return data
        with contextlib.suppress(ssl.SSLError):  # the peer ended TLS: nothing can be sent
            self._tls.write(data)
        return self._outgoing.read()

    def failed(self) -> bool:
        """Whether the server reset the connection after its end of stream."""
        return bool(self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    def half_close(self, *, notify: bool) -> None:
        """End the stream to the server and keep on reading."""
        with contextlib.suppress(OSError):
            if self._tls and notify:
                with contextlib.suppress(ssl.SSLError):
                    self._tls.unwrap()
                self.socket.send(self._outgoing.read())
            self.socket.shutdown(socket.SHUT_WR)

    def close(self, *, reset: bool = False) -> None:
        """Close; with a reset in place of the orderly end if asked."""
        with contextlib.suppress(OSError):
            if reset:
                no_linger = struct.pack("ii", 1, 0)
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
            self.socket.close()


def _connect(address: Address, within: float, *, narrow: bool, source: str) -> socket.socket:
    if not narrow:
        where = (source, 0) if source else None
        return socket.create_connection((address.host, address.port), within, where)
    last: OSError = ConnectionError("the name has no address")
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    for family, kind, protocol, _, there in found:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(within)
            # A small window and small segments keep the buffers at the server's end small too.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _NARROW_OCTETS)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _NARROW_SEGMENT)
            sock.connect(there)
        except OSError as error:
            sock.close()
            last = error
        else:
            return sock
    raise last


class Connection:
    """A labelled connection: its unread frames, its end, its part of the transcript."""

    def __init__(
        self,
        network: Network,
        label: str,
        *,
        narrow: bool = False,
        tls: bool = True,
        source: str = "",
        sock: socket.socket | None = None,
    ) -> None:
        self.network = network
        self.label = label
        self.unread: list[Frame] = []
        self.spoken = False  #: the suite sent something
        self.received = 0  #: frames that came, read or not, strangers' too
        self.junk = False
        self.ended: What | None = None  #: how the server ended it, if it did
        self.closed = False  #: by the suite
        self.half_closed = False  #: by the suite
        self.refused = False  #: something was sent, and the server's end is gone
        self.reading = True
        self.reader = Reader()
        address = network.address if tls else evolve(network.address, tls=None)
        self._link = Link(address, network.connect_within, narrow=narrow, source=source, sock=sock)
        network.attach(self, self._link.socket)
        network.transcript.add(label, What.CONNECTED, b"narrow" if narrow else b"")

    def join_network(self, network: Network) -> None:
        """Belong to another case from now on."""
        self.network = network
        network.attach(self, self._link.socket)
        network.transcript.add(self.label, What.CONNECTED)

    def send(self, data: bytes) -> None:
        """Send octets as they are. A connection that the server ended swallows them."""
        if self.closed or self.half_closed:
            raise AssertionError(f"{self.label} was closed by the case")
        self.network.transcript.add(self.label, What.SENT, data)
        self.spoken = True
        rest = memoryview(self._link.wrap(data))
        self.refused = self.refused or self._link.failed()
        deadline = time.monotonic() + self.network.send_within
        while rest:
            try:
                rest = rest[self._link.socket.send(rest) :]
            except (BlockingIOError, InterruptedError):
                if time.monotonic() > deadline or not self.network.writable(self, deadline):
                    self.note("the server doesn't take what is sent")
                    return
            except OSError:
                self.refused = True
                return

    def half_close(self, *, notify: bool = True) -> None:
        """Send FIN and go on reading; with TLS, a close_notify first unless told otherwise."""
        self.half_closed = True
        self.network.transcript.add(self.label, What.HALF_CLOSED)
        self._link.half_close(notify=notify)

    def close(self, *, reset: bool = False) -> None:
        """Close the connection, abruptly (RST) if asked."""
        if self.closed:
            return
        self.closed = True
        if not (self.ended and not reset):
            self.network.transcript.add(self.label, What.RESET if reset else What.CLOSED)
        self.network.detach(self._link.socket)
        self._link.close(reset=reset)

    def note(self, text: str) -> None:
        """Put a remark into the transcript."""
        self.network.transcript.add(self.label, What.NOTE, text.encode())

    def pause(self) -> None:
        """Read nothing until `resume`."""
        self.reading = False
        self.note(STOPS_READING)
        self.network.detach(self._link.socket)

    def resume(self) -> None:
        """Read again."""
        self.reading = True
        self.note(READS_AGAIN)
        if not self.closed and not self.ended:
            self.network.attach(self, self._link.socket)

    def take_input(self) -> None:
        """Read once, as there is something to read."""
        try:
            data = self._link.receive()
        except OSError:
            self._end(What.PEER_RESET)
            return
        if data is None:
            return
        for item in self.reader.feed(data):
            if isinstance(item, Frame):
                self.received += 1
            else:
                self.junk = True
            self.network.received(self, item)
        if not data:
            self._end(What.END_OF_STREAM)

    def _end(self, how: What) -> None:
        self.ended = how
        self.network.transcript.add(self.label, how)
        self.network.detach(self._link.socket)
        self.network.on_end(self)


class Network:
    """All connections of one case."""

    def __init__(
        self,
        address: Address,
        on_item: Callable[[Connection, Frame | Junk], None],
        on_end: Callable[[Connection], None],
        *,
        connect_within: float = 5.0,
        send_within: float = 5.0,
        stopping: Callable[[], bool] = lambda: False,
        whole_transcript: bool = False,
    ) -> None:
        self.address = address
        self.transcript = Transcript(whole=whole_transcript)
        self.connect_within = connect_within
        self.send_within = send_within
        self.received = on_item
        self.on_end = on_end
        self._stopping = stopping
        self._selector = selectors.DefaultSelector()

    def attach(self, connection: Connection, sock: socket.socket) -> None:
        """Read this connection from now on."""
        self._selector.register(sock, selectors.EVENT_READ, connection)

    def detach(self, sock: socket.socket) -> None:
        """Leave this connection alone from now on."""
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(sock)

    def wait(self, done: Callable[[], bool], within: float, *, to_the_end: bool = False) -> bool:
        """Read all connections until `done()`; False when that took longer than `within` s.

        Raises:
            StoppedError: the run is being interrupted, unless this has to go on `to_the_end`.
        """
        deadline = time.monotonic() + within
        while not done():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            if self._stopping() and not to_the_end:
                raise StoppedError
            self._turn(min(left, _SLICE))
        return True

    def _turn(self, timeout: float) -> None:
        if not self._selector.get_map():
            time.sleep(min(timeout, 0.01))  # nothing is open: only the clock can end this wait
            return
        for key, _ in self._selector.select(timeout):
            key.data.take_input()

    def writable(self, connection: Connection, deadline: float) -> bool:
        """Read all until this connection can be written to, or has ended."""
        with selectors.DefaultSelector() as selector:
            selector.register(connection._link.socket, selectors.EVENT_WRITE)
            while not connection.ended and time.monotonic() < deadline:
                if self._stopping():
                    raise StoppedError
                self._turn(0.002) if self._selector.get_map() else None
                if selector.select(0.002):
                    return True
        return False

    def close(self) -> None:
        """Forget everything; the connections are closed by whoever opened them."""
        self._selector.close()


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)
