"""What is written to many at once, what waits, and how long a reader waits."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
from collections.abc import Callable, Iterator
from typing import cast

import pytest

from chatroom_reference.server.peer import Peer, Peers, configure, write_to_all
from tests.server.harness import PATIENCE, eventually


class Line:
    """Two ends of a connection: a peer of the server, and its client."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.client = socket.create_connection(listener.getsockname(), PATIENCE)
            self.sock, _ = listener.accept()
        configure(self.sock, 60)
        self.peer = Peer(self.sock, "127.0.0.1:1")
        self.descriptor = self.peer.descriptor

    def fill(self) -> int:
        """Write until the kernel takes no more; return how much that was."""
        written = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                written += os.write(self.descriptor, b"." * 4096)
        return written

    def hears(self, octets: int) -> bytes:
        heard = b""
        while len(heard) < octets:
            data = self.client.recv(octets - len(heard))
            assert data, "the stream ended"
            heard += data
        return heard

    def close(self) -> None:
        self.client.close()
        self.peer.abort()
        self.peer.release()


Lines = Callable[[int], list[Line]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    with contextlib.ExitStack() as stack:

        def connect(count: int) -> list[Line]:
            made = [Line() for _ in range(count)]
            for line in made:
                stack.callback(line.close)
            return made

        yield connect


def _all(*lines: Line) -> tuple[int, ...]:
    return tuple(line.descriptor for line in lines)


def test_everyone_is_written_to(lines: Lines) -> None:
    a, b, c = lines(3)
    assert write_to_all(_all(a, b, c), b"hello") == []
    assert [line.hears(5) for line in (a, b, c)] == [b"hello"] * 3


@pytest.mark.parametrize("place", [0, 1, 2])
def test_what_the_kernel_does_not_take_is_left(lines: Lines, place: int) -> None:
    three = lines(3)
    full = three[place]
    before = full.fill()
    assert write_to_all(_all(*three), b"hello") == [(full.descriptor, b"hello")]
    assert [line.hears(5) for line in three if line is not full] == [b"hello"] * 2
    full.client.settimeout(PATIENCE)
    assert full.hears(before) == b"." * before


def test_the_rest_of_what_is_taken_in_part_is_left(lines: Lines) -> None:
    a, b = lines(2)
    data = os.urandom(8_000_000)
    left = dict(write_to_all(_all(a, b), data))
    for line in (a, b):
        rest = left[line.descriptor]
        assert 0 < len(rest) < len(data)
        assert line.hears(len(data) - len(rest)) + rest == data


def test_who_is_gone_is_passed_over(lines: Lines) -> None:
    a, gone, b = lines(3)
    gone.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    gone.client.close()
    eventually(
        lambda: gone.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) == b"\x07",
        "the kernel knows that it is closed",
    )
    assert write_to_all(_all(a, gone, b), b"one") == []
    assert write_to_all(_all(gone, a, b, gone), b"two") == []
    assert [line.hears(6) for line in (a, b)] == [b"onetwo"] * 2


def test_what_comes_behind_a_backlog_waits_its_turn(lines: Lines) -> None:
    late, b = lines(2)
    peers = Peers()
    peers.update({line.descriptor: line.peer for line in (late, b)})
    dots = late.fill()
    for number, text in enumerate((b"one ", b"two ", b"six "), 1):
        assert peers.write(_all(late, b), text) == [(late.descriptor, text)]
        assert late.peer.send(text) == 4 * number
    assert late.hears(dots + 12) == b"." * dots + b"one two six "
    assert b.hears(12) == b"one two six "
    eventually(lambda: not late.peer.is_behind, "all is written")
    assert peers.write(_all(late, b), b"then") == []
    assert late.hears(4) == b.hears(4) == b"then"


class Silent:
    """A socket that has nothing to read for a while."""

    def __init__(self, *outcomes: bytes | OSError) -> None:
        self._outcomes = list(outcomes)

    def fileno(self) -> int:
        return 7

    def recv(self, _octets: int) -> bytes:
        outcome = self._outcomes.pop(0)
        if isinstance(outcome, OSError):
            raise outcome
        return outcome


def _receive(*outcomes: bytes | OSError) -> bytes:
    return Peer(cast(socket.socket, Silent(*outcomes)), "127.0.0.1:1").receive()


def test_silence_is_no_end() -> None:
    assert _receive(TimeoutError("timed out"), TimeoutError("timed out"), b"at last") == b"at last"


def test_a_peer_that_tcp_gave_up_on_is_an_end() -> None:
    with pytest.raises(TimeoutError):
        _receive(OSError(errno.ETIMEDOUT, "Connection timed out"), b"never read")
