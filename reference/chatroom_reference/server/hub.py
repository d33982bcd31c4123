"""One room, one order.

Everything that happens (a connection, octets, an end, a deadline) is a *report* to the room, and
all reports go through one queue. Whoever finds the room free works: takes what waits as one
batch, asks the room, and writes once to each receiver. Whoever finds it taken leaves the report
and goes back to its socket. So all receivers see one order, notices are exact however many join
at once, and ten busy senders cost fewer system calls than one.

Invariants:

- The room, and every ``Peer`` method marked so, is only touched by the thread that set ``_busy``.
- ``_busy`` is only given up while nothing waits and no deadline is due.
- No thread waits for a socket while it works: sends don't block, what is left is the peer's.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from itertools import count
from math import inf
from time import monotonic

from chatroom_protocol.room import (
    Abort,
    Action,
    Close,
    PauseReading,
    ResumeReading,
    Room,
    Send,
    SendEOF,
)
from chatroom_reference.server.log import EventLog
from chatroom_reference.server.peer import Peer

# Past this many reports a reader waits for the room: the kernel then slows its client down.
MAX_WAITING = 256
# One batch reads no more than this, so that one write stays far below any queue's bound.
MAX_BATCH_OCTETS = 65536
# A reader that works for others leaves its own client unread; after so many batches in a row the
# clock's thread, which has no client, takes over.
MAX_TURNS = 8

Report = Callable[[float], "list[Action[Peer]]"]
Waiting = tuple[Report, int, "Peer | None"]
Write = tuple[tuple[Peer, ...], list[bytes]]


class Hub:
    """The queue in front of ``room``; ``report`` may be called by any thread."""

    def __init__(self, room: Room[Peer], log: EventLog) -> None:
        self._room = room
        self._log = log
        self._lock = threading.Lock()
        self._space = threading.Condition(self._lock)
        self._clock = threading.Condition(self._lock)
        self._waiting: deque[Waiting] = deque()
        self._busy = False
        self._relief_wanted = False
        self._clock_sleeps_until = inf

    def start(self) -> None:
        """Start the clock: one thread for every deadline, asleep while there is none."""
        threading.Thread(target=self._watch_clock, name="clock", daemon=True).start()

    def report(self, report: Report, octets: int = 0, about: Peer | None = None) -> None:
        """Tell the room.

        ``report`` is called with the monotonic time, in its turn; ``octets`` is how much it
        carries, ``about`` the connection that pays if the room fails on it.
        """
        with self._lock:
            while self._busy and len(self._waiting) >= MAX_WAITING:
                self._space.wait()
            self._waiting.append((report, octets, about))
            if self._busy:
                return
            self._busy = True
        self._work(range(MAX_TURNS))

    def _work(self, turns: Iterable[int]) -> None:
        for turn in turns:
            batch = self._take_batch(look_at_clock=turn > 0)
            if not batch:
                return
            actions: list[Action[Peer]] = []
            for report, _, about in batch:
                actions += self._ask(report, about)
            while actions:
                actions = self._carry_out(actions)
        with self._lock:
            self._relief_wanted = True
            self._clock.notify()

    def _take_batch(self, *, look_at_clock: bool) -> list[Waiting]:
        """Take what waits, or nothing: then the room is free again.

        The first batch in a row doesn't look at the clock: who has waited longest is served first.
        """
        with self._lock:
            batch: list[Waiting] = []
            deadline = self._room.next_deadline if look_at_clock else None
            if deadline is not None and deadline <= monotonic():
                batch.append((self._room.deadline_passed, 0, None))
            octets = 0
            while self._waiting and octets < MAX_BATCH_OCTETS:
                batch.append(self._waiting.popleft())
                octets += batch[-1][1]
            if batch:
                self._space.notify(len(batch))
            else:
                self._busy = False
                if deadline is not None and deadline < self._clock_sleeps_until:
                    self._clock.notify()
            return batch

    def _ask(self, report: Report, about: Peer | None) -> list[Action[Peer]]:
        try:
            return report(monotonic())
        except Exception:
            return self._failed(about)

    def _failed(self, about: Peer | None) -> list[Action[Peer]]:
        """Tell of a bug in full; it costs the connection that met it, and nobody else."""
        self._log.failure("failed", about)
        if about is None:
            return []
        about.abort()
        return self._room.connection_lost(about, monotonic())

    def _carry_out(self, actions: list[Action[Peer]]) -> list[Action[Peer]]:
        """Write, then do the rest; return what the room has to say to the queues that grew.

        The room sends nothing to a connection after it ended it, so ends may wait for the writes.
        """
        writes: list[Write] = []
        others: list[Action[Peer]] = []
        for action in actions:
            if not isinstance(action, Send):
                others.append(action)
            elif writes and writes[-1][0] == action.connections:
                writes[-1][1].append(action.data)
            else:
                writes.append((action.connections, [action.data]))
        answers = self._write(writes)
        for action in others:
            try:
                self._apply(action)
            except Exception:
                assert not isinstance(action, Send)
                answers += self._failed(action.connection)
        return answers

    def _write(self, writes: list[Write]) -> list[Action[Peer]]:
        answers: list[Action[Peer]] = []
        for receivers, data in _one_write_each(writes):
            for peer in receivers:
                try:
                    octets = peer.send(data)
                except Exception:
                    answers += self._failed(peer)
                    continue
                if octets:
                    answers += self._room.report_backlog(peer, octets, monotonic())
        return answers

    def _apply(self, action: Action[Peer]) -> None:
        if isinstance(action, SendEOF):
            action.connection.send_eof()
        elif isinstance(action, Close):
            action.connection.close()
        elif isinstance(action, Abort):
            action.connection.abort()
        elif isinstance(action, PauseReading):
            action.connection.pause()
        elif isinstance(action, ResumeReading):
            action.connection.resume()
        else:
            self._log.action(action)

    def _watch_clock(self) -> None:
        while True:
            with self._lock:
                while not (self._relief_wanted or self._deadline_is_due()):
                    left = self._clock_sleeps_until - monotonic()
                    self._clock.wait(min(left, threading.TIMEOUT_MAX) if left < inf else None)
                self._relief_wanted = False
                self._busy = True
            self._work(count(1))

    def _deadline_is_due(self) -> bool:
        """Whether the clock has to work; if not, settle until when it sleeps."""
        deadline = None if self._busy else self._room.next_deadline
        self._clock_sleeps_until = inf if deadline is None else deadline
        return self._clock_sleeps_until <= monotonic()


def _one_write_each(writes: list[Write]) -> Iterable[tuple[tuple[Peer, ...], bytes]]:
    """Join what goes to the same receiver, in order."""
    joined = [(receivers, b"".join(chunks)) for receivers, chunks in writes]
    if len(joined) < 2:
        return joined
    waiting: defaultdict[Peer, list[bytes]] = defaultdict(list)
    for receivers, data in joined:
        for peer in receivers:
            waiting[peer].append(data)
    # Who hears least first: somebody who has just joined waits for an answer, and is not to wait
    # until hundreds of others have been told of it.
    in_turn = sorted(waiting.items(), key=lambda item: len(item[1]))
    return (((peer,), b"".join(parts)) for peer, parts in in_turn)
