"""Whether work stays linear in the octets received, for shapes that are meant to hurt.

Each shape is octets of about a given size, and the size of the pieces they arrive in. The table
gives nanoseconds per octet from 1 kB to 4 MB; flat lines are the goal. The slowest shapes are
those that arrive octet by octet, where each call costs what it costs. What makes millions of
small Python objects of one frame gets slower when they no longer fit the processor's caches:

    python benchmarks/protocol_linear.py
"""

from __future__ import annotations

import argparse
import time

from attrs import frozen

from chatroom_protocol import Decoder

SIZES = (1_000, 32_000, 1_000_000, 4_000_000)
# What no frame of a shape is larger than: the linear bound has to hold for any limit.
ROOMY = 8_000_000


@frozen
class Shape:
    """A way to hurt: ``head``, then ``part`` again and again, then ``tail``, in ``piece``s.

    ``limit`` is the decoder's for a frame, in octets.
    """

    name: str
    part: bytes
    piece: int
    head: bytes = b""
    tail: bytes = b""
    limit: int = ROOMY

    def octets(self, size: int) -> bytes:
        """Give about ``size`` octets; a ``%06d`` in the part becomes the part's number."""
        numbered = b"%06d" in self.part
        each = len(self.part % 0) if numbered else len(self.part)
        count = (size - len(self.head) - len(self.tail)) // each
        middle = self.part * count
        return self.head + (middle % tuple(range(count)) if numbered else middle) + self.tail


WHOLE = 10**9
SEGMENT = 1460
STRING = (b'{"a":"', b'"}')
ARRAY = (b'{"a":[', b"0]}")

SHAPES = (
    Shape("one octet at a time", b"x", 1, *STRING),
    Shape("a string that never ends", b"x", SEGMENT, STRING[0]),
    Shape("backslashes, octet by octet", b"\\\\", 1, *STRING),
    Shape("escapes cut in two", b'\\"', 3, *STRING),
    Shape("quotes", b'"",', SEGMENT, *ARRAY),
    Shape("white space between frames", b" ", 1),
    Shape("white space inside a frame", b" ", 1, b'{"a":', b"1}"),
    Shape("newlines inside a frame", b"\n", SEGMENT, b'{"a":', b"1}"),
    Shape("many tiny frames at once", b"{}", WHOLE),
    Shape("many tiny frames, always cut", b"{}", 3),
    Shape("as deep as allowed, again and again", b"[" * 31 + b"0" + b"]" * 31 + b",", 7, *ARRAY),
    Shape("deeper than allowed", b"[", SEGMENT, b'{"a":'),
    Shape("brackets in strings", b'{"a":"' + b"[" * 40 + b'"}', WHOLE),
    Shape("surrogate pairs", b'{"a":"' + b"\\ud83d\\ude00" * 5 + b'"}', WHOLE),
    Shape("frames over a small limit in all", b'{"a":"' + b"\xc3\xa9" * 25 + b'"}', 97, limit=64),
    Shape("a fault behind many good frames", b'{"a":"x"}', WHOLE, tail=b"x"),
    Shape("many members", b'"%06d":1,', SEGMENT, b"{", b'"z":1}'),
    Shape("digits", b"1", SEGMENT, b'{"a":0.', b"}"),
    Shape("characters cut in two", b"\xf0\x9f\x98\x80", 5, *STRING),
)


def pieces(shape: Shape, size: int) -> list[bytes]:
    """Give the octets of a shape, as they arrive."""
    octets = shape.octets(size)
    return [octets[i : i + shape.piece] for i in range(0, len(octets), shape.piece)]


def measure(shape: Shape, size: int, rounds: int) -> float:
    """Give the least nanoseconds per octet of some rounds."""
    parts = pieces(shape, size)
    best = float("inf")
    for _ in range(rounds):
        decoder = Decoder(shape.limit, 34)
        start = time.process_time()
        for part in parts:
            decoder.receive_data(part)
        best = min(best, time.process_time() - start)
    return best * 1e9 / sum(map(len, parts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    print(f"{'ns per octet':38}" + "".join(f"{size:>12,}" for size in SIZES) + "   last/first")
    for shape in SHAPES:
        figures = [measure(shape, size, rounds) for size in SIZES]
        row = "".join(f"{figure:12.1f}" for figure in figures)
        print(f"{shape.name:38}{row}{figures[-1] / figures[0]:12.2f}", flush=True)


if __name__ == "__main__":
    main()
