"""Every bound is an option, and what happens at it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from tests.server.harness import Running

Start = Callable[..., Running]


def test_clients(start: Start) -> None:
    server = start(max_clients=2)
    a, b = server.join("a", "b")
    refused = server.connect()
    refused.send({"username": "c"})
    assert refused.refusal() == 2
    b.send({"disconnect": True})
    a.hears_leave_of("b")
    server.connect().join("c")
    a.hears_of("c")


def test_clients_per_address(start: Start) -> None:
    server = start(max_clients_per_address=2)
    a, _ = server.join("a", "b")
    assert server.connect().refusal() == 2
    a.say("fence", dm="a")
    a.hears("a", "fence")


def test_frame_size(start: Start) -> None:
    a, b = start(max_frame_octets=5000).join("a", "b")
    frame = json.dumps({"message": "x" * 4900, "dm": None})
    exact = json.dumps({"message": "x" * (4900 + 5000 - len(frame)), "dm": None})
    assert len(exact) == 5000
    a.send_bytes(exact.encode())
    assert b.frame()["length"] > 4900
    a.send_bytes(exact.replace("x", "xx", 1).encode())
    assert a.frame()["sender"] == ""
    assert a.frame() == {"disconnect": True}
    b.hears_leave_of("a")


def test_depth(start: Start) -> None:
    a, b = start(max_depth=16).join("a", "b")
    a.send({"message": "deep", "dm": None, "x": json.loads("[" * 15 + "]" * 15)})
    b.hears("a", "deep")
    a.send({"message": "deep", "dm": None, "x": json.loads("[" * 16 + "]" * 16)})
    b.hears_leave_of("a")


def test_time_to_join(start: Start) -> None:
    server = start(join_timeout=0.1)
    (a,) = server.join("a")
    assert server.connect().refusal() == 5
    a.say("no such limit for who has joined", dm="a")
    a.frame()


def test_silence(start: Start) -> None:
    server = start(max_silence=0.2)
    (a,) = server.join("a")
    server.connect().join("b")
    a.hears_of("b")
    begun = time.monotonic()
    while time.monotonic() < begun + 0.4:
        a.say("ping", dm="a")
        if a.frame()["sender"] == "b":
            break
    else:
        raise AssertionError("the silent client is still there")
    left = server.records.wait_for("left")
    assert (left["username"], left["reason"]) == ("b", "was silent too long")
    assert time.monotonic() - begun >= 0.1


def test_messages_per_second(start: Start) -> None:
    a, b = start(max_messages_per_second=100, message_burst=5).join("a", "b")
    begun = time.monotonic()
    for number in range(40):
        a.send({"message": str(number), "dm": None})
    texts = [frame["message"] for frame in (b.frame() for _ in range(40))]
    assert texts == [str(number) for number in range(40)]
    a.send({"message": "last", "dm": None})
    b.hears("a", "last")
    # What one read brought is handled; what is owed for it then has to be waited for.
    assert time.monotonic() - begun >= 0.9 * (41 - 5) / 100


def test_lingering(start: Start) -> None:
    server = start(linger_timeout=0.2)
    a, b = server.join("a", "b")
    a.send({"disconnect": True})
    b.hears_leave_of("a")
    assert a.frame() == {"disconnect": True}
    a.expect_end()
    # This end stays open: the server has to close its own by itself.
    b.say("fence", dm="b")
    b.hears("b", "fence")
    server.wait_for_connections(1)
