"""TLS without input or output: octets in, octets out, over two memory buffers.

``ssl`` sockets may not be read in one thread and written in another, and block in odd places;
an ``SSLObject`` has neither trouble. To the link it looks like :class:`Plain`.
"""

from __future__ import annotations

import ssl
from typing import Protocol


class Layer(Protocol):
    """What lies between the socket's octets and the protocol's."""

    def start(self) -> None:
        """Say the first words, if there are any; they come out of ``to_wire``."""

    @property
    def ready(self) -> bool:
        """Whether the protocol's octets can flow."""

    def from_wire(self, data: bytes) -> bytes:
        """Take what the socket received; give what the protocol receives. Raises SSLError."""

    def write(self, data: bytes) -> None:
        """Take what the protocol sends."""

    def finish(self) -> None:
        """Say that nothing more will be written."""

    def to_wire(self) -> bytes:
        """Give what the socket has to send."""

    @property
    def ended(self) -> bool:
        """Whether the peer has said that it will write nothing more."""


class Plain:
    """No layer at all."""

    ready = True
    ended = False

    def __init__(self) -> None:
        self._out = bytearray()

    def start(self) -> None:
        """Nothing comes first."""

    def from_wire(self, data: bytes) -> bytes:
        """Pass ``data`` on."""
        return data

    def write(self, data: bytes) -> None:
        """Pass ``data`` on."""
        self._out += data

    def finish(self) -> None:
        """The end of the TCP stream says it."""

    def to_wire(self) -> bytes:
        """Give what was written."""
        data = bytes(self._out)
        self._out.clear()
        return data


class Tls:
    """The client's side of TLS."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname=host)
        self._waiting = bytearray()
        self._finishing = False
        self.ready = False
        self.ended = False

    def start(self) -> None:
        """Say hello."""
        self._shake_hands()

    def from_wire(self, data: bytes) -> bytes:
        """Decrypt ``data``.

        Raises:
            ssl.SSLError: the peer does not speak TLS, is not trusted, or broke a rule of TLS.
        """
        self._in.write(data)
        if not self.ready:
            self._shake_hands()
        return self._read() if self.ready else b""

    def write(self, data: bytes) -> None:
        """Encrypt ``data``, as soon as hands are shaken."""
        self._waiting += data
        if self.ready:
            self._flush()

    def finish(self) -> None:
        """Send close_notify, after what was written."""
        self._finishing = True
        if self.ready:
            self._flush()

    def to_wire(self) -> bytes:
        """Give the octets to be sent."""
        return self._out.read()

    def _shake_hands(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return
        self.ready = True
        self._flush()

    def _flush(self) -> None:
        if self._waiting:
            # A memory buffer takes everything at once.
            self._tls.write(bytes(self._waiting))
            self._waiting.clear()
        if self._finishing:
            self._finishing = False
            try:
                self._tls.unwrap()
            except ssl.SSLWantReadError:
                pass  # the peer's own close_notify comes later, or never
            except ssl.SSLError:
                self.ended = True  # the peer has gone without it

    def _read(self) -> bytes:
        octets = bytearray()
        while not self.ended:
            try:
                data = self._tls.read(65536)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLZeroReturnError:
                self.ended = True
                break
            if not data:
                self.ended = True
            octets += data
        return bytes(octets)


def client_context(ca_file: str | None) -> ssl.SSLContext:
    """Make a context that checks certificate and name, for TLS 1.2 or later.

    Args:
        ca_file: a PEM file of the certificates to trust; None trusts the system's.

    Raises:
        ValueError: the file cannot be used; the text is one sentence.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except FileNotFoundError:
        raise ValueError(f"There is no file {ca_file} to read trusted certificates from.") from None
    except ssl.SSLError:
        raise ValueError(f"There is no certificate in PEM form in {ca_file}.") from None
    except OSError as error:
        raise ValueError(f"{ca_file} cannot be read: {error.strerror}.") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
