"""The queue in front of the room, driven by hand."""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timezone
from functools import partial
from typing import cast

import pytest

from chatroom_protocol.limits import ServerLimits
from chatroom_protocol.room import Action, Room
from chatroom_reference.server.hub import MAX_BATCH_OCTETS, MAX_WAITING, Hub
from chatroom_reference.server.log import EventLog
from chatroom_reference.server.peer import Peer, Peers
from tests.server.harness import PATIENCE, eventually


class FakePeer:
    """Notes what is done to it; ``order`` is shared with the other peers."""

    address = "127.0.0.1:1"

    def __init__(self, name: str, descriptor: int, order: list[tuple[str, bytes]]) -> None:
        self.name = name
        self.descriptor = descriptor
        self.order = order
        self.done: list[str] = []
        self.waiting = 0

    def send(self, data: bytes) -> int:
        self.order.append((self.name, data))
        return self.waiting

    def send_eof(self) -> None:
        self.done.append("eof")

    def close(self) -> None:
        self.done.append("close")

    def abort(self) -> None:
        self.done.append("abort")


class FakePeers(Peers):
    """Writes nothing by itself."""

    def write(self, receivers: tuple[int, ...], data: bytes) -> list[tuple[int, bytes]]:
        return [(descriptor, data) for descriptor in receivers]


class Setting:
    """A hub, and peers in its room."""

    def __init__(self, limits: ServerLimits) -> None:
        self.room: Room[int] = Room(lambda: datetime.now(timezone.utc), limits)
        self.peers = FakePeers()
        self.given_back: list[int] = []
        log = EventLog(logging.getLogger("hub under test"))
        self.hub = Hub(self.room, self.peers, log, self.given_back.append)
        self.hub.start()
        self.sent: list[tuple[str, bytes]] = []

    def connect(self, name: str) -> FakePeer:
        fake = FakePeer(name, len(self.peers), self.sent)
        self.peers[fake.descriptor] = cast(Peer, fake)
        connection_made = partial(self.room.connection_made, fake.descriptor)
        self.hub.report(connection_made, about=fake.descriptor)
        return fake

    def join(self, name: str) -> FakePeer:
        peer = self.connect(name)
        self.receive(peer, b'{"username":"%s"}' % name.encode())
        return peer

    def receive(self, peer: FakePeer, data: bytes) -> None:
        key = peer.descriptor
        self.hub.report(partial(self.room.receive_data, key, data), len(data), key)


@pytest.fixture
def setting() -> Setting:
    return Setting(ServerLimits(max_outbound_octets=1000, join_timeout=0.05))


class Blocker:
    """A report during which the room is taken, until it is let go."""

    def __init__(self, hub: Hub) -> None:
        self._entered, self._go_on = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=hub.report, args=(self._block,), daemon=True)
        self._thread.start()
        assert self._entered.wait(PATIENCE)

    def _block(self, _now: float) -> list[Action[int]]:
        self._entered.set()
        assert self._go_on.wait(PATIENCE)
        return []

    def let_go(self) -> None:
        self._go_on.set()
        self._thread.join(PATIENCE)


def test_what_waits_is_written_once_to_each(setting: Setting) -> None:
    a, b, _ = setting.join("a"), setting.join("b"), setting.join("c")
    setting.sent.clear()
    blocker = Blocker(setting.hub)
    setting.receive(a, b'{"message":"one","dm":null}')
    setting.receive(b, b'{"message":"two","dm":null}')
    setting.receive(a, b'{"message":"three","dm":null}')
    assert setting.sent == []
    blocker.let_go()
    assert sorted(name for name, _ in setting.sent) == ["a", "b", "c"]
    heard = dict(setting.sent)["c"]
    assert [heard.index(text) for text in (b"one", b"two", b"three")] == sorted(
        heard.index(text) for text in (b"one", b"two", b"three")
    )


def test_who_joined_is_answered_before_others_are_told(setting: Setting) -> None:
    for name in ("a", "b", "c"):
        setting.join(name)
    setting.sent.clear()
    blocker = Blocker(setting.hub)
    setting.join("x")
    setting.join("y")
    blocker.let_go()
    assert [name for name, _ in setting.sent] == ["y", "x", "a", "b", "c"]


def test_a_batch_is_bounded(setting: Setting) -> None:
    a, _ = setting.join("a"), setting.join("b")
    setting.sent.clear()
    message = b'{"message":"%s","dm":null}' % (b"x" * (MAX_BATCH_OCTETS // 4))
    blocker = Blocker(setting.hub)
    for _ in range(8):
        setting.receive(a, message)
    blocker.let_go()
    assert [data.count(b"\n") for _, data in setting.sent] == [4, 4]


def test_past_the_bound_a_reader_waits(setting: Setting) -> None:
    blocker = Blocker(setting.hub)
    for _ in range(MAX_WAITING):
        setting.hub.report(lambda _now: [])
    late = threading.Thread(target=setting.hub.report, args=(lambda _now: [],), daemon=True)
    late.start()
    late.join(0.1)  # it would take microseconds
    assert late.is_alive()
    blocker.let_go()
    late.join(PATIENCE)
    assert not late.is_alive()


def test_who_works_for_others_is_relieved_and_deadlines_are_kept(setting: Setting) -> None:
    stop = threading.Event()

    def again(_now: float) -> list[Action[int]]:
        if not stop.is_set():
            setting.hub.report(again)
        return []

    slow = setting.connect("slow")
    # The work never ends by itself.
    reader = threading.Thread(target=setting.hub.report, args=(again,), daemon=True)
    reader.start()
    reader.join(PATIENCE)
    relieved = not reader.is_alive()
    if not relieved:
        stop.set()
    assert relieved
    eventually(lambda: slow.done == ["eof"], "too slow to join, beside work without end")
    assert b'"errorCode":5' in setting.sent[0][1]
    stop.set()


def test_a_deadline_wakes_an_idle_hub(setting: Setting) -> None:
    slow = setting.connect("slow")
    eventually(lambda: slow.done == ["eof"], "too slow to join")


def test_a_queue_over_its_bound_is_a_leave(setting: Setting) -> None:
    a, deaf, _ = setting.join("a"), setting.join("deaf"), setting.join("c")
    deaf.waiting = 1000
    setting.receive(a, b'{"message":"at the bound","dm":null}')
    assert deaf.done == []
    deaf.waiting = 1001
    setting.sent.clear()
    setting.receive(a, b'{"message":"over it","dm":null}')
    assert deaf.done == ["abort"]
    assert [name for name, data in setting.sent if b"deaf is offline" in data] == ["a", "c"]


def test_a_descriptor_is_given_back_behind_what_was_meant_for_it(setting: Setting) -> None:
    a, gone = setting.join("a"), setting.join("gone")
    setting.sent.clear()
    blocker = Blocker(setting.hub)
    setting.receive(a, b'{"message":"before","dm":null}')
    setting.hub.report_lost(gone.descriptor)
    setting.receive(a, b'{"message":"after","dm":null}')
    sent_when_given_back: list[bytes] = []
    give_back = setting.given_back.append

    def note(descriptor: int) -> None:
        sent_when_given_back.extend(data for name, data in setting.sent if name == "gone")
        give_back(descriptor)

    setting.hub._give_back = note
    blocker.let_go()
    assert setting.given_back == [gone.descriptor]
    assert len(sent_when_given_back) == 1
    assert b"before" in sent_when_given_back[0]
    assert b"after" not in sent_when_given_back[0]
    assert "gone" not in setting.room.usernames
