"""The same server with TLS around its octets."""

from __future__ import annotations

import contextlib
import ssl
from pathlib import Path

from chatroom_protocol.room import Close, SendEOF

from .host import Change, Peer, Server

#: A key and its own certificate for 127.0.0.1, for this purpose alone; it protects nothing.
CERTIFICATE = Path(__file__).with_name("certificate.pem")
_READ_OCTETS = 65536


def client_context() -> ssl.SSLContext:
    """For who connects to such a server: trusts its certificate and no other."""
    return ssl.create_default_context(cafile=str(CERTIFICATE))


class _Layer:
    """TLS on one connection."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.is_open = False
        self.notified = False

    def open(self) -> None:
        """Go on with the handshake; it raises `ssl.SSLError` when that fails."""
        if not self.is_open:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                return
            self.is_open = True

    def decrypt(self) -> bytes:
        """What the client sent so far."""
        plain = bytearray()
        try:
            while part := self.tls.read(_READ_OCTETS):
                plain += part
            self.notified = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.notified = True
        return bytes(plain)


class SecureServer(Server):
    """Speaks TLS; the end of a connection without `close_notify` is end of stream."""

    def __init__(self, change: Change) -> None:
        super().__init__(change)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(CERTIFICATE)

    def accepted(self, peer: Peer) -> None:
        """A connection was made: the handshake comes first."""
        peer.memory["tls"] = _Layer(self._context)
        super().accepted(peer)

    def received(self, peer: Peer, data: bytes) -> None:
        """Octets of TLS came."""
        layer = peer.memory["tls"]
        layer.incoming.write(data)
        try:
            layer.open()
            plain = layer.decrypt() if layer.is_open else b""
        except ssl.SSLError:
            self.lost(peer, reset=False)
            return
        self._flush_layer(peer)
        if plain:
            super().received(peer, plain)
        if layer.notified and not peer.memory.get("ended"):
            self.ended(peer)

    def ended(self, peer: Peer) -> None:
        """The stream ended, in TLS or below it."""
        if not peer.memory.get("ended"):
            peer.memory["ended"] = True
            super().ended(peer)

    def write(self, peer: Peer, data: bytes) -> None:
        """Encrypt octets and queue them."""
        layer = peer.memory["tls"]
        if layer.is_open and not peer.gone:
            layer.tls.write(data)
        self._flush_layer(peer)

    def finish(self, peer: Peer, how: SendEOF[Peer] | Close[Peer]) -> None:
        """End the stream, in TLS and below it."""
        layer = peer.memory["tls"]
        if layer.is_open and not peer.gone:
            # It raises where the client's own close_notify has not come.
            with contextlib.suppress(ssl.SSLError):
                layer.tls.unwrap()
        self._flush_layer(peer)
        super().finish(peer, how)

    def _flush_layer(self, peer: Peer) -> None:
        octets = peer.memory["tls"].outgoing.read()
        if octets:
            super().write(peer, octets)


class TruncatingServer(SecureServer):
    """Takes no notice of the end of a connection without `close_notify`."""

    def ended(self, peer: Peer) -> None:
        """The stream ended: that counts in TLS only."""
        if peer.memory["tls"].notified:
            super().ended(peer)
