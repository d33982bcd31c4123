"""One room, one order.

Everything that happens (a connection, octets, an end, a deadline) is a *report* to the room, and
all reports go through one queue. Whoever finds the room free works: takes what waits as one
batch, asks the room, and writes once to each receiver. Whoever finds it taken leaves the report
and goes back to its socket. So all receivers see one order, notices are exact however many join
at once, and ten busy senders cost fewer system calls than one.

Invariants:

- The room, and what peers mark so, is only touched by the thread that set ``_busy``.
- A connection's key in the room is its descriptor. It is given back between two batches, when the
  room has forgotten it, so whatever a batch writes goes to who it is meant for.
- ``_busy`` is only given up while nothing waits and no deadline is due.
- No thread waits for a socket while it works: sends don't block, what is left is the peer's.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from functools import partial
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
from chatroom_reference.server.peer import Peer, Peers

# Past this many reports a reader waits for the room: the kernel then slows its client down.
MAX_WAITING = 256
# One batch reads no more than this, so that one write stays far below any queue's bound.
MAX_BATCH_OCTETS = 65536
# A reader that works for others leaves its own client unread; after so many batches in a row the
# clock's thread, which has no client, takes over.
MAX_TURNS = 8

Report = Callable[[float], "list[Action[int]]"]
Waiting = tuple[Report, int, "int | None"]
Write = tuple[tuple[int, ...], bytes]


class Hub:
    """The queue in front of ``room``; ``report`` and ``report_lost`` may be called by any thread.

    ``give_back`` is called with the descriptors that nobody will use any more.
    """

    def __init__(
        self, room: Room[int], peers: Peers, log: EventLog, give_back: Callable[[int], None]
    ) -> None:
        self._room = room
        self._peers = peers
        self._log = log
        self._give_back = give_back
        self._lost: list[int] = []
        self._lock = threading.Lock()
        self._space = threading.Condition(self._lock)
        self._clock = threading.Condition(self._lock)
        self._waiting: deque[Waiting] = deque()
        self._busy = False
        self._held_up = 0  # readers that wait for space
        self._relief_wanted = False
        self._clock_sleeps_until = inf

    def start(self) -> None:
        """Start the clock: one thread for every deadline, asleep while there is none."""
        threading.Thread(target=self._watch_clock, name="clock", daemon=True).start()

    def report(self, report: Report, octets: int = 0, about: int | None = None) -> None:
        """Tell the room.

        ``report`` is called with the monotonic time, in its turn; ``octets`` is how much it
        carries, ``about`` the descriptor of the connection that pays if the room fails on it.
        """
        with self._lock:
            while self._busy and len(self._waiting) >= MAX_WAITING:
                self._held_up += 1
                self._space.wait()
                self._held_up -= 1
            if self._busy:
                self._waiting.append((report, octets, about))
                return
            self._busy = True
        self._work([(report, octets, about)], MAX_TURNS)

    def report_lost(self, descriptor: int) -> None:
        """Tell that a connection is over and its reader has ended."""
        self.report(partial(self._lose, descriptor), about=descriptor)

    def _lose(self, descriptor: int, now: float) -> list[Action[int]]:
        self._lost.append(descriptor)
        return self._room.connection_lost(descriptor, now)

    def _work(self, batch: list[Waiting], turns: float) -> None:
        while batch:
            actions: list[Action[int]] = []
            for report, _, about in batch:
                try:
                    actions += report(monotonic())
                except Exception:
                    actions += self._failed(about)
            while actions:
                actions = self._carry_out(actions)
            while self._lost:
                self._give_back(self._lost.pop())
            turns -= 1
            if not turns:
                self._call_for_relief()
                return
            batch = self._take_batch()

    def _call_for_relief(self) -> None:
        with self._lock:
            self._relief_wanted = True
            self._clock.notify()

    def _take_batch(self) -> list[Waiting]:
        """Take what is due and what waits, or nothing: then the room is free again."""
        with self._lock:
            batch: list[Waiting] = []
            deadline = self._room.next_deadline
            if deadline is not None and deadline <= monotonic():
                batch.append((self._room.deadline_passed, 0, None))
            octets = 0
            while self._waiting and octets < MAX_BATCH_OCTETS:
                batch.append(self._waiting.popleft())
                octets += batch[-1][1]
            if not batch:
                self._busy = False
                if deadline is not None and deadline < self._clock_sleeps_until:
                    self._clock.notify()
            elif self._held_up:
                self._space.notify(len(batch))
            return batch

    def _failed(self, about: int | None) -> list[Action[int]]:
        """Tell of a bug in full; it costs the connection that met it, and nobody else."""
        peer = None if about is None else self._peers.get(about)
        self._log.failure("failed", peer)
        return self._cut_off(peer) if peer else []

    def _cut_off(self, peer: Peer) -> list[Action[int]]:
        peer.abort()
        return self._room.connection_lost(peer.descriptor, monotonic())

    def _carry_out(self, actions: list[Action[int]]) -> list[Action[int]]:
        """Write, then do the rest; return what the room has to say to the queues that grew.

        The room sends nothing to a connection after it ended it, so ends may wait for the writes.
        """
        writes: list[Write] = []
        others: list[Action[int]] = []
        for action in actions:
            if isinstance(action, Send):
                writes.append((action.connections, action.data))
            else:
                others.append(action)
        answers = self._write(writes)
        for action in others:
            try:
                self._apply(action)
            except Exception:
                assert not isinstance(action, Send)
                answers += self._failed(action.connection)
        return answers

    def _write(self, writes: list[Write]) -> list[Action[int]]:
        answers: list[Action[int]] = []
        for receivers, data in _one_write_each(writes):
            try:
                left = self._peers.write(receivers, data)
            except Exception:
                # Who has heard it is not known, and a stream with a hole is worse than none.
                answers += self._failed(None)
                for descriptor in receivers:
                    answers += self._cut_off(self._peers[descriptor])
                continue
            for descriptor, rest in left:
                try:
                    octets = self._peers[descriptor].send(rest)
                except Exception:
                    answers += self._failed(descriptor)
                    continue
                if octets:
                    answers += self._room.report_backlog(descriptor, octets, monotonic())
        return answers

    def _apply(self, action: Action[int]) -> None:
        assert not isinstance(action, Send)
        peer = self._peers[action.connection]
        if isinstance(action, SendEOF):
            peer.send_eof()
        elif isinstance(action, Close):
            peer.close()
        elif isinstance(action, Abort):
            peer.abort()
        elif isinstance(action, PauseReading):
            peer.pause()
        elif isinstance(action, ResumeReading):
            peer.resume()
        else:
            self._log.action(action, peer.address)

    def _watch_clock(self) -> None:
        while True:
            with self._lock:
                while not (self._relief_wanted or self._deadline_is_due()):
                    left = self._clock_sleeps_until - monotonic()
                    self._clock.wait(min(left, threading.TIMEOUT_MAX) if left < inf else None)
                self._relief_wanted = False
                self._busy = True
            self._work(self._take_batch(), inf)

    def _deadline_is_due(self) -> bool:
        """Whether the clock has to work; if not, settle until when it sleeps."""
        deadline = None if self._busy else self._room.next_deadline
        self._clock_sleeps_until = inf if deadline is None else deadline
        return self._clock_sleeps_until <= monotonic()


def _one_write_each(writes: list[Write]) -> Iterable[Write]:
    """Join what goes to the same receiver, in order; who hears the same is written to together."""
    if len(writes) < 2:
        return writes
    heard: defaultdict[int, list[int]] = defaultdict(list)
    for number, (receivers, _) in enumerate(writes):
        for descriptor in receivers:
            heard[descriptor].append(number)
    alike: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
    for descriptor, numbers in heard.items():
        alike[tuple(numbers)].append(descriptor)
    # Who hears least first: somebody who has just joined waits for an answer, and is not to wait
    # until hundreds of others have been told of it.
    in_turn = sorted(alike.items(), key=lambda item: len(item[0]))
    return [
        (tuple(receivers), b"".join([writes[number][1] for number in numbers]))
        for numbers, receivers in in_turn
    ]
