"""A connection over TLS: the same peer, with an ``SSLObject`` between it and its octets.

``ssl`` sockets may not be read in one thread and written in another. An ``SSLObject`` over two
memory buffers does no I/O, so a lock around each step is enough, and the blocking ``recv``
stays outside of it.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable

from chatroom_reference.server.peer import RECEIVE_OCTETS, Peer, Peers


def server_context(certificate: str, key: str | None) -> ssl.SSLContext:
    """Return the settings for a server that shows ``certificate``: TLS 1.2 or later.

    Raises OSError (``ssl.SSLError`` is one) if the files can't be read or don't match.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A write would have to wait for a read in the midst of a renegotiation.
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.load_cert_chain(certificate, key)
    return context


class TlsPeer(Peer):
    """A peer that speaks TLS.

    ``on_failure`` is told why the peer's TLS was no TLS, ``on_backlog`` how many octets wait,
    where TLS itself had to answer and the peer doesn't read.
    """

    __slots__ = (
        "_ended",
        "_incoming",
        "_on_backlog",
        "_on_failure",
        "_outgoing",
        "_ready",
        "_tls",
        "_tls_lock",
    )

    def __init__(
        self,
        sock: socket.socket,
        address: str,
        context: ssl.SSLContext,
        on_failure: Callable[[Peer, str], None],
        on_backlog: Callable[[Peer, int], None],
    ) -> None:
        super().__init__(sock, address)
        self._on_failure = on_failure
        self._on_backlog = on_backlog
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._tls_lock = threading.Lock()  # guards all of these
        self._ready = False  # the handshake is done
        self._ended = False  # our close_notify is sent, and nothing is read any more

    def receive(self) -> bytes:
        """Wait for plain octets; ``b""`` is the end, announced by TLS or not."""
        while data := super().receive():
            with self._tls_lock:
                if self._ended:
                    continue
                self._incoming.write(data)
                plain, at_end = self._read()
                octets = self._flush()
            if octets:
                self._on_backlog(self, octets)
            if plain or at_end:
                return plain
        return b""

    def send(self, data: bytes) -> int:
        """Encrypt and send. Before the handshake is done there is nobody to send to."""
        with self._tls_lock:
            if not self._ready or self._ended:
                return 0
            view = memoryview(data)
            try:
                while view:
                    view = view[self._tls.write(view) :]
            except ssl.SSLError:
                return 0  # the peer broke TLS: the reader meets that too, and reports it
            return self._flush()

    def _read(self) -> tuple[bytes, bool]:
        """Return the plain octets that are complete, and whether the stream ends after them."""
        plain = bytearray()
        try:
            if not self._ready:
                self._tls.do_handshake()
                self._ready = True
            while chunk := self._tls.read(RECEIVE_OCTETS):
                plain += chunk
        except ssl.SSLWantReadError:
            return bytes(plain), False
        except ssl.SSLError as error:
            self._on_failure(self, error.reason or "unknown")
        return bytes(plain), True

    def _flush(self) -> int:
        data = self._outgoing.read()
        return super().send(data) if data else 0

    def _end(self, how: int) -> None:
        with self._tls_lock:
            if self._ready and not self._ended:
                # It sends close_notify, and wants to wait for the other one: the reader does that.
                with contextlib.suppress(ssl.SSLError):
                    self._tls.unwrap()
                self._flush()
            self._ended = True
        super()._end(how)


class TlsPeers(Peers):
    """The same over TLS, where no two connections are sent the same octets."""

    def write(self, receivers: tuple[int, ...], data: bytes) -> list[tuple[int, bytes]]:
        """Leave everything to :meth:`TlsPeer.send`."""
        return [(descriptor, data) for descriptor in receivers]
