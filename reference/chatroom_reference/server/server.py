"""Listens, starts a reader thread for each connection, and stops."""

from __future__ import annotations

import _thread
import errno
import logging
import resource
import socket
import ssl
import threading
from datetime import datetime, timezone
from functools import partial

from attrs import Factory, frozen

from chatroom_protocol.limits import DEFAULT_PORT, ServerLimits
from chatroom_protocol.room import Room
from chatroom_reference.server.hub import Hub
from chatroom_reference.server.log import EventLog
from chatroom_reference.server.peer import Peer, Peers, configure
from chatroom_reference.server.tls import TlsPeer, TlsPeers

# Address space only, for a thousand threads; the deepest call of a reader uses a tenth.
THREAD_STACK_OCTETS = 512 * 1024
# Not for want of anything of ours: the connection was gone before it was accepted.
_GONE = {errno.ECONNABORTED, errno.EPROTO, errno.EPERM}
# How long to leave connections waiting when the whole system, not just we, ran out of something.
_RETRY_SECONDS = 1.0


@frozen(kw_only=True)
class Settings:
    """What the server is started with.

    Attributes:
        host: address or name to listen on, IPv4 or IPv6.
        port: TCP port; 0 takes a free one.
        limits: what the room accepts.
        backlog: connections that the kernel may hold until they are accepted.
        keep_alive: seconds of silence after which TCP asks whether the peer is still there.
        tls: certificate and key; None is plain TCP.
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    limits: ServerLimits = Factory(ServerLimits)
    backlog: int = 1024
    keep_alive: int = 120
    tls: ssl.SSLContext | None = None


class Server:
    """One listening socket and one room.

    ``start`` raises OSError if it can't listen. ``stop`` tells everyone and returns when all
    connections are closed, or the time that the room gives them is over.
    """

    def __init__(self, settings: Settings, log: EventLog) -> None:
        self._settings = settings
        self._log = log
        self.room: Room[int] = Room(partial(datetime.now, timezone.utc), settings.limits)
        self._peers = TlsPeers() if settings.tls else Peers()
        self._hub = Hub(self.room, self._peers, log, self._give_back)
        self._listener: socket.socket | None = None
        self._changed = threading.Condition()  # guards _peers and _stopping; told of each end
        self._stopping = False

    @property
    def connection_count(self) -> int:
        """Connections whose descriptor is open."""
        return len(self._peers)

    def start(self) -> tuple[str, int]:
        """Listen, and return the address; who connects from now on is served."""
        threading.stack_size(THREAD_STACK_OCTETS)
        self._listener = _listen(self._settings)
        self._hub.start()
        threading.Thread(target=self._accept, name="accept", daemon=True).start()
        host, port = self._listener.getsockname()[:2]
        return host, port

    def stop(self) -> None:
        """Accept nobody, tell everyone who has joined, and wait until they are gone."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        assert self._listener is not None
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._hub.report(self.room.shut_down)
        # The room ends the last ones itself by then; a second is left for that to happen.
        patience = self._settings.limits.linger_timeout + 1.0
        with self._changed:
            self._changed.wait_for(lambda: not self._peers, timeout=patience)

    def _accept(self) -> None:
        assert self._listener is not None
        exhausted = False
        while not self._stopping:
            try:
                sock, address = self._listener.accept()
                self._admit(sock, _text(address))
                exhausted = False
            except (OSError, RuntimeError) as error:
                if self._stopping or (isinstance(error, OSError) and error.errno in _GONE):
                    continue
                if not exhausted:
                    self._log.event(logging.ERROR, "accept-failed", reason=str(error))
                exhausted = True
                self._wait_for_an_end()

    def _wait_for_an_end(self) -> None:
        """Out of descriptors or threads: who waits is accepted when somebody leaves."""
        with self._changed:
            if not self._stopping:
                self._changed.wait(_RETRY_SECONDS)

    def _admit(self, sock: socket.socket, address: str) -> None:
        """Start to serve a connection. Raises RuntimeError if no thread can be started."""
        try:
            configure(sock, self._settings.keep_alive)
        except OSError:
            sock.close()
            return
        if self._settings.tls is None:
            peer = Peer(sock, address)
        else:
            tls = self._settings.tls
            peer = TlsPeer(sock, address, tls, self._tls_failed, self._tls_waits)
        with self._changed:
            self._peers[peer.descriptor] = peer
        try:
            # A Thread object would have us wait until the new thread runs, and take 2 kB.
            _thread.start_new_thread(self._read, (peer,))
        except RuntimeError:
            self._give_back(peer.descriptor)
            raise

    def _read(self, peer: Peer) -> None:
        """Tell the room all that one connection does; runs in that connection's thread."""
        hub, room, key = self._hub, self.room, peer.descriptor
        host = peer.address.rpartition(":")[0]
        hub.report(lambda now: room.connection_made(key, now, host), about=key)
        try:
            while data := peer.receive():
                hub.report(partial(room.receive_data, key, data), len(data), key)
            hub.report(partial(room.receive_eof, key), about=key)
            peer.wait_until_shut()
        except OSError as error:
            # A reset, which is a leave like any other.
            self._log.event(
                logging.DEBUG, "reset", address=peer.address, reason=error.strerror or "unknown"
            )
        hub.report_lost(key)

    def _give_back(self, descriptor: int) -> None:
        """Let the system give a descriptor to somebody else."""
        with self._changed:
            self._peers.pop(descriptor).release()
            self._changed.notify_all()

    def _tls_failed(self, peer: Peer, reason: str) -> None:
        self._log.event(logging.WARNING, "tls-failed", address=peer.address, reason=reason)

    def _tls_waits(self, peer: Peer, octets: int) -> None:
        key = peer.descriptor
        self._hub.report(partial(self.room.report_backlog, key, octets), about=key)


def raise_open_files(wanted: int | None) -> None:
    """Allow ``wanted`` open files, or as many as the system lets us.

    Raises ValueError with a sentence if that is more than the system allows.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if wanted is not None and most != resource.RLIM_INFINITY and wanted > most:
        raise ValueError(f"{wanted} open files are wanted, but the system allows only {most}")
    limit = most if wanted is None else wanted
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, most))


def _listen(settings: Settings) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(
        settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    dual = family == socket.AF_INET6 and socket.has_dualstack_ipv6()
    return socket.create_server(
        address, family=family, backlog=settings.backlog, dualstack_ipv6=dual
    )


def _text(address: tuple[object, ...]) -> str:
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"
