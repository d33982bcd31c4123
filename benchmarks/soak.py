"""A minute of joins and leaves, as many as it takes: nothing may grow, nobody may be mistold.

``python benchmarks/run.py --soak [SECONDS]``. Clients join and leave by all three ways (a
disconnect frame, an end of stream, a reset) while some say things; two observers have to be told
of each join and each leave exactly once, and a thousand connections that never join hang about
for the whole time. Threads, open files and memory of the server are sampled while it goes on and
once all have left.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from attrs import define, field, frozen

from benchmarks.contenders import OURS, running

CHURNERS = 8
NEVER_JOIN = 1000
_RESET = struct.pack("ii", 1, 0)


@frozen
class Sample:
    """What the server process uses: a count, a count, and kB."""

    threads: int
    files: int
    memory: int

    @classmethod
    def of(cls, pid: int) -> Sample:
        status = dict(
            line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        )
        files = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
        return cls(int(status["Threads"]), files, int(status["VmRSS"].split()[0]))


@define
class Tally:
    """What the churners did, and what each observer was told."""

    lock: threading.Lock = field(factory=threading.Lock)
    joined: Counter[str] = field(factory=Counter)
    problems: list[str] = field(factory=list)

    def add(self, username: str) -> None:
        with self.lock:
            self.joined[username] += 1

    def problem(self, text: str) -> None:
        with self.lock:
            self.problems.append(text)


def _connect(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), 10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _join(port: int, username: str) -> socket.socket:
    sock = _connect(port)
    sock.sendall(json.dumps({"username": username}).encode() + b"\n")
    answer = sock.recv(4096)
    if not answer.startswith(b'{"isConnected":true'):
        raise ConnectionError(f"{username} is answered {answer!r}")
    return sock


def _leave(sock: socket.socket, how: int) -> None:
    """Leave by a disconnect frame, an end of stream, or a reset."""
    if how == 0:
        sock.sendall(b'{"message":"bye","dm":null}\n{"disconnect":true}\n')
        while sock.recv(65536):
            pass
    elif how == 1:
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass
    else:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    sock.close()


def _churn(port: int, number: int, until: float, tally: Tally) -> None:
    turn = 0
    while time.monotonic() < until:
        turn += 1
        username = f"c{number}-{turn}"
        try:
            sock = _join(port, username)
            tally.add(username)
            _leave(sock, turn % 3)
        except OSError as error:
            tally.problem(f"{username}: {error}")
            return


def _observe(sock: socket.socket, told: Counter[tuple[str, str]]) -> None:
    """Count joins and leaves until the observer's own ``fence`` comes back."""
    with sock.makefile("rb") as lines:
        for line in lines:
            frame = json.loads(line)
            if frame["message"] == "fence":
                return
            if frame["message"] == "User has connected":
                told[frame["sender"], "join"] += 1
            elif frame["message"] == f"{frame['sender']} is offline\n":
                told[frame["sender"], "leave"] += 1


def _mistold(tally: Tally, told: Counter[tuple[str, str]]) -> int:
    expected = Counter({(name, what): 1 for name in tally.joined for what in ("join", "leave")})
    return sum(((told - expected) + (expected - told)).values())


def _settle(pid: int, threads: int) -> Sample:
    """Sample once the threads of those who left have ended, or after ten seconds."""
    deadline = time.monotonic() + 10
    while (sample := Sample.of(pid)).threads > threads and time.monotonic() < deadline:
        time.sleep(0.1)
    return sample


def soak(seconds: float) -> int:
    """Soak, and say how it went; return the exit status, 0 if nothing went wrong."""
    problems = _soak(seconds)
    for problem in problems:
        print(f"WRONG: {problem}")
    return 1 if problems else 0


def _soak(seconds: float) -> list[str]:
    options = ("--join-timeout", f"{seconds + 60}")
    with running(OURS, Path(), *options) as (port, pid):
        idle = [_connect(port) for _ in range(NEVER_JOIN)]
        tally = Tally()
        counts: list[Counter[tuple[str, str]]] = [Counter(), Counter()]
        observers = [_join(port, f"observer{number}") for number in range(len(counts))]
        counts[0]["observer1", "join"] -= 1
        watching = [
            threading.Thread(target=_observe, args=pair)
            for pair in zip(observers, counts, strict=True)
        ]
        before = _settle(pid, 0)
        until = time.monotonic() + seconds
        churning = [
            threading.Thread(target=_churn, args=(port, number, until, tally))
            for number in range(CHURNERS)
        ]
        for thread in watching + churning:
            thread.start()
        samples = []
        while time.monotonic() < until:
            time.sleep(max(0.1, seconds / 12))
            samples.append(Sample.of(pid))
            print(f"  {len(tally.joined):8,} joins  {samples[-1]}", file=sys.stderr, flush=True)
        for thread in churning:
            thread.join(20)
        after = _settle(pid, before.threads)
        for number, sock in enumerate(observers):
            sock.sendall(b'{"message":"fence","dm":"observer%d"}\n' % number)
        for thread in watching:
            thread.join(20)
        for sock in idle + observers:
            sock.close()
    return _judge(tally, counts, before, after, samples, seconds)


def _judge(
    tally: Tally,
    counts: list[Counter[tuple[str, str]]],
    before: Sample,
    after: Sample,
    samples: list[Sample],
    seconds: float,
) -> list[str]:
    joins = len(tally.joined)
    half = samples[len(samples) // 2 - 1]
    print(f"{joins:,} joins and leaves in {seconds:g} s ({joins / seconds:,.0f}/s)")
    print(f"before {before}\nhalf   {half}\nafter  {after}")
    problems = list(tally.problems)
    if joins < 10 * seconds:
        problems.append("hardly anybody could join")
    problems += [
        f"observer{number} was mistold of {wrong} joins or leaves"
        for number, told in enumerate(counts)
        if (wrong := _mistold(tally, +told))
    ]
    if (after.threads, after.files) != (before.threads, before.files):
        problems.append("threads or files were left behind")
    # An allocator keeps some; growth shows between the middle and the end.
    if after.memory > half.memory + 2000:
        problems.append(f"memory grew by {after.memory - half.memory} kB in the second half")
    return problems
