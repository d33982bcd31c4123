"""What receiving costs: the whole path of a server's connection, beside ``json.loads`` alone.

The same lines go through both in turn, in one process, so the ratio means something on a busy
machine. Then one octet at a time, per octet, for a frame of 1 kB and one of 1 MB:

    python benchmarks/protocol_receive.py
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from datetime import datetime, timezone
from statistics import median

from chatroom_protocol import Decoder, ServerConnection, ServerLimits

FRAMES = 20_000


def line(size: int) -> bytes:
    """Give a message frame of ``size`` octets, with its line feed behind."""
    members = {"message": "", "dm": None, "sender": "alice"}
    members["message"] = "x" * (size - len(json.dumps(members)))
    return json.dumps(members).encode() + b"\n"


def joined() -> ServerConnection:
    connection = ServerConnection(lambda: datetime.now(timezone.utc))
    connection.receive_data(b'{"username":"alice"}\n')
    connection.accept()
    return connection


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def receive(lines: list[bytes]) -> int:
    connection = joined()
    return sum(len(connection.receive_data(each)) for each in lines)


def compare(size: int, rounds: int) -> None:
    """Print microseconds per frame of both, and their ratio, as medians of the rounds."""
    lines = [line(size)] * FRAMES
    chunks = [line(size) * 20] * (FRAMES // 20)
    assert receive(lines) == receive(chunks) == FRAMES
    ours, glued, theirs = [], [], []
    for _ in range(rounds):
        theirs.append(seconds(lambda: [json.loads(each) for each in lines]))
        ours.append(seconds(lambda: receive(lines)))
        glued.append(seconds(lambda: receive(chunks)))
    base = median(theirs)
    for name, times in (("json.loads", theirs), ("a frame a read", ours), ("20 a read", glued)):
        ratio = median(one / other for one, other in zip(times, theirs, strict=True))
        each = median(times) / FRAMES * 1e6
        print(f"{size:>7,} octets  {name:16}{each:8.2f} us a frame{ratio:8.2f} x json.loads")
    assert base > 0


def octet_by_octet(size: int, rounds: int) -> float:
    """Give nanoseconds per octet for a frame that arrives octet by octet."""
    octets = line(size)
    parts = [octets[i : i + 1] for i in range(len(octets))]
    limit = ServerLimits().max_frame_octets if size < 65536 else 2 * size

    def work() -> None:
        decoder = Decoder(limit, 32)
        found = sum(len(decoder.receive_data(part)) for part in parts)
        assert found == 1

    return min(seconds(work) for _ in range(rounds)) * 1e9 / len(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    for size in (100, 1000):
        compare(size, rounds)
    small, large = octet_by_octet(1_000, 50), octet_by_octet(1_000_000, 3)
    print(f"octet by octet: {small:.0f} ns an octet at 1 kB, {large:.0f} ns at 1 MB", end="")
    print(f", {large / small:.2f} times that")


if __name__ == "__main__":
    main()
