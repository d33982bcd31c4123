"""One connection: who writes to it, what waits for it, and when its descriptor is closed.

The room's worker sends directly and never waits. What the kernel doesn't take goes to a backlog,
and a writer thread lives for as long as there is one: a thread woken for every delivery would
cost ten times as much. The reader thread only reads.

A connection is known by its descriptor, a number that the system gives again to somebody else. So
the descriptor is closed when the reader has ended and the room has forgotten it, by the worker
between two batches, or by the writer if that is still at it: never while another thread may be
about to use its number.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from collections import deque
from collections.abc import Iterable
from itertools import repeat
from operator import length_hint

# Read at once, and so the most that one report to the room can carry.
RECEIVE_OCTETS = 16384
# Without a bound the kernel hides megabytes for a client that doesn't read.
SEND_BUFFER_OCTETS = 65536
# With any timeout the descriptor doesn't block, and waiting is left to poll: so the worker may
# write to it as to any file. This one is as long as poll can take, and starts anew when it passes.
_FOREVER_SECONDS = 2_000_000.0
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def configure(sock: socket.socket, keep_alive: int) -> None:
    """Set the options of a new connection.

    A peer that vanished without a word is noticed after about twice ``keep_alive`` seconds, also
    while octets for it wait unacknowledged. Raises OSError if the connection is gone already.
    """
    sock.settimeout(_FOREVER_SECONDS)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_OCTETS)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", keep_alive),
        ("TCP_KEEPINTVL", max(1, keep_alive // 4)),
        ("TCP_KEEPCNT", 4),
        ("TCP_USER_TIMEOUT", 2000 * keep_alive),
    ):
        if hasattr(socket, name):  # not every system has all four
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def write_to_all(descriptors: tuple[int, ...], data: bytes) -> list[tuple[int, bytes]]:
    """Write what the kernel takes at once; return what it left of ``data``, by descriptor.

    This is where a busy server spends its time: what Python does between two writes costs more
    than it seems, since each write drives it out of the processor's caches. A connection that was
    reset is passed over: its reader meets that too, and reports it.
    """
    left: list[tuple[int, bytes]] = []
    ahead = iter(descriptors)
    octets = len(data)
    while True:
        try:
            for written in map(os.write, ahead, repeat(data)):
                if written != octets:
                    left.append((_passed(descriptors, ahead), data[written:]))
        except BlockingIOError:
            left.append((_passed(descriptors, ahead), data))
        except OSError:
            continue
        else:
            return left


def _passed(descriptors: tuple[int, ...], ahead: Iterable[int]) -> int:
    return descriptors[-1 - length_hint(ahead)]


class Peer:
    """A connected socket, and the octets that wait for it.

    ``receive`` and ``wait_until_shut`` belong to the reader thread, all else to the room's worker.
    """

    __slots__ = (
        "_backlog",
        "_backlog_octets",
        "_gate",
        "_lock",
        "_paused",
        "_released",
        "_shut",
        "_shut_wanted",
        "_sock",
        "_writing",
        "address",
        "descriptor",
    )

    def __init__(self, sock: socket.socket, address: str) -> None:
        self.address = address
        self.descriptor = sock.fileno()
        self._sock = sock
        self._lock = threading.Lock()  # guards all below
        self._backlog: deque[bytes] = deque()
        self._backlog_octets = 0
        self._writing = False  # a writer thread lives; nobody else may send
        self._shut_wanted: int | None = None  # what to shut once the backlog is written
        self._released = False  # the reader has ended
        self._paused = False
        self._gate = threading.Lock()  # held while reading is paused
        self._shut = threading.Lock()  # held until the socket is shut both ways
        self._shut.acquire()

    # The reader's

    def receive(self) -> bytes:
        """Wait for octets; ``b""`` is the end of the stream. Raises OSError after a reset."""
        while True:
            with self._gate:
                pass
            try:
                return self._sock.recv(RECEIVE_OCTETS)
            except TimeoutError as error:
                if error.errno is not None:
                    raise  # TCP found that nobody is there
                # silent for weeks, as anybody may be

    def wait_until_shut(self) -> None:
        """Wait until the socket is shut both ways; to be called once."""
        self._shut.acquire()

    # The worker's

    @property
    def is_behind(self) -> bool:
        """Whether octets wait, so that what comes next has to wait behind them."""
        return self._writing

    def send(self, data: bytes) -> int:
        """Send what the kernel takes at once, keep the rest; return how many octets wait."""
        if self._writing:
            return self._put_aside(data)
        left = write_to_all((self.descriptor,), data)
        return self._put_aside(left[0][1]) if left else 0

    def send_eof(self) -> None:
        """End our stream once the backlog is written; reading goes on."""
        self._end(socket.SHUT_WR)

    def close(self) -> None:
        """Shut the socket both ways once the backlog is written; that ends the reader."""
        self._end(socket.SHUT_RDWR)

    def abort(self) -> None:
        """Drop the backlog and close at once; that ends the reader and the writer."""
        with self._lock:
            self._backlog.clear()
            self._backlog_octets = 0
            self._shut_wanted = socket.SHUT_RDWR
            if self._writing:  # the kernel is not to go on trying, either
                with contextlib.suppress(OSError):
                    self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self._shut_down()

    def release(self) -> None:
        """Close the descriptor: the reader has ended."""
        with self._lock:
            self._released = True
            self._backlog.clear()
            self._shut_wanted = socket.SHUT_RDWR
            self._shut_down()
            if not self._writing:
                self._sock.close()

    def pause(self) -> None:
        """Make the reader wait before it reads again."""
        with self._lock:
            if not self._paused and self._shut_wanted != socket.SHUT_RDWR:
                self._paused = True
                self._gate.acquire()

    def resume(self) -> None:
        """Let the reader go on."""
        with self._lock:
            self._open_gate()

    # Parts

    def _put_aside(self, data: bytes) -> int:
        with self._lock:
            if self._shut_wanted == socket.SHUT_RDWR:
                return 0
            self._backlog.append(data)
            self._backlog_octets += len(data)
            octets = self._backlog_octets
            if self._writing:
                return octets
            self._writing = True
        try:
            threading.Thread(target=self._write_backlog, name="writer", daemon=True).start()
        except RuntimeError:  # the system has no more threads
            self._writing = False
            self.abort()
        return octets

    def _write_backlog(self) -> None:
        chunk = self._next_chunk(0)
        while chunk:
            try:
                self._sock.sendall(chunk)
            except OSError:  # as in send
                self._backlog.clear()
            chunk = self._next_chunk(len(chunk))

    def _next_chunk(self, written: int) -> bytes:
        with self._lock:
            self._backlog_octets -= written
            if self._backlog:
                return self._backlog.popleft()
            self._backlog_octets = 0
            self._writing = False
            if self._shut_wanted is not None:
                self._shut_down()
            if self._released:
                self._sock.close()
            return b""

    def _end(self, how: int) -> None:
        with self._lock:
            if self._shut_wanted != socket.SHUT_RDWR:
                self._shut_wanted = how
            if not self._writing:
                self._shut_down()

    def _shut_down(self) -> None:
        assert self._shut_wanted is not None
        with contextlib.suppress(OSError):  # reset or closed already
            self._sock.shutdown(self._shut_wanted)
        if self._shut_wanted == socket.SHUT_RDWR:
            self._open_gate()
            if self._shut.locked() and not self._released:
                self._shut.release()

    def _open_gate(self) -> None:
        if self._paused:
            self._paused = False
            self._gate.release()


class Peers(dict[int, Peer]):
    """The connections by descriptor. ``write`` belongs to the room's worker."""

    def __init__(self) -> None:
        super().__init__()
        self._behind: set[int] = set()

    def write(self, receivers: tuple[int, ...], data: bytes) -> list[tuple[int, bytes]]:
        """Write to all at once; return what is still to be given to whose :meth:`Peer.send`."""
        if self._behind:
            self._behind = {d for d in self._behind if d in self and self[d].is_behind}
        if self._behind.isdisjoint(receivers):
            left = write_to_all(receivers, data)
        else:
            left = [(d, data) for d in receivers if d in self._behind]
            left += write_to_all(tuple(d for d in receivers if d not in self._behind), data)
        self._behind.update(descriptor for descriptor, _ in left)
        return left
