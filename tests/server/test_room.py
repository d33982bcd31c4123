"""People meet: the protocol over real sockets, as far as the adapter could spoil it."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.server.harness import Client, Running

Start = Callable[..., Running]
CAPTURES = Path(__file__).parents[1] / "data" / "captures"


def test_everyone_but_the_sender_hears_a_message(start: Start) -> None:
    a, b, c = start().join("a", "b", "c")
    b.say("hello")
    assert a.hears("b", "hello")["length"] == 5
    c.hears("b", "hello")
    a.say("fence")
    b.hears("a", "fence")  # and not its own message before it


def test_a_private_message_reaches_one(start: Start) -> None:
    a, b, c = start().join("a", "b", "c")
    a.say("for b", dm="b")
    a.say("fence")
    assert b.hears("a", "for b")["dm"] == "b"
    c.hears("a", "fence")


def test_frames_cut_and_glued(start: Start) -> None:
    server = start()
    (a,) = server.join("a")
    b = server.connect()
    for octet in b'{"username":"b"}{"message":"one","dm":null}':
        b.send_bytes(bytes([octet]))
    b.send_bytes(b'{"message":"two","dm":null}\r\n\n{"message":"three","dm":null}')
    a.hears_of("b")
    for text in ("one", "two", "three"):
        a.hears("b", text)


def test_a_disconnect_is_answered_and_announced_once(start: Start) -> None:
    server = start()
    a, b = server.join("a", "b")
    b.send({"message": "last", "dm": None}, {"disconnect": True}, {"message": "late", "dm": None})
    assert b.frame() == {"disconnect": True}
    b.expect_end()
    a.hears("b", "last")
    a.hears_leave_of("b")
    server.connect().join("b")
    a.hears_of("b")


def test_half_close_counts_what_was_sent_before(start: Start) -> None:
    a, b = start().join("a", "b")
    b.send({"message": "last", "dm": None})
    b.sock.shutdown(socket.SHUT_WR)
    a.hears("b", "last")
    a.hears_leave_of("b")
    b.expect_end()


def test_a_violation_harms_nobody_else(start: Start) -> None:
    a, b, c = start().join("a", "b", "c")
    b.send_bytes(b'{"message":"good","dm":null}nonsense')
    notice = b.frame()
    assert (notice["sender"], notice["dm"]) == ("", "b")
    assert b.frame() == {"disconnect": True}
    b.expect_end()
    for other in (a, c):
        other.hears("b", "good")
        other.hears_leave_of("b")


def test_who_joins_at_the_same_moment_is_told_once_of_each_other(start: Start) -> None:
    server = start()
    names = [f"user{number}" for number in range(30)]
    clients = [server.connect() for _ in names]
    for client, name in zip(clients, names, strict=True):
        client.send({"username": name, "extensions": ["roster"]})
    for client in clients:
        assert client.frame()["isConnected"] is True
        known = client.frame()["roster"]
        heard = [client.frame()["sender"] for _ in range(len(names) - len(known))]
        assert sorted(known + heard) == sorted(names)


def test_all_hear_many_senders_in_one_order(start: Start) -> None:
    server = start()
    *senders, x, y = server.join(*(f"s{number}" for number in range(6)), "x", "y")
    each = 200
    for number in range(each):
        for sender in senders:
            sender.say(str(number))
    heard = [
        [(frame["sender"], frame["message"]) for frame in (c.frame() for _ in range(each * 6))]
        for c in (x, y)
    ]
    assert heard[0] == heard[1]
    for name in (f"s{number}" for number in range(6)):
        texts = [text for sender, text in heard[0] if sender == name]
        assert texts == [str(number) for number in range(each)]


class _Legacy(Client):
    """Reads frames as they come, and forgets ``date``, which differs."""

    def recorded(self) -> dict[str, Any]:
        frame = self.frame()
        frame.pop("date", None)
        return frame


def _events(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (CAPTURES / name).read_text().splitlines()]


def _replay(server: Running, events: list[dict[str, str]], clients: dict[str, _Legacy]) -> None:
    """Do what the original's clients did; hear what they heard, whatever the line ends."""
    for event in events:
        who, what = event["client"], event["event"]
        if what == "connected":
            clients[who] = _Legacy(socket.create_connection(server.address))
            server.adopt(clients[who])
        elif what == "sent":
            clients[who].send_bytes(event["bytes"].encode())
        elif what == "received":
            expected = json.loads(event["bytes"])
            expected.pop("date", None)
            assert clients[who].recorded() == expected
        else:
            assert what == "server closed"
            clients[who].expect_end()


def test_the_original_session_goes_as_it_went(start: Start) -> None:
    events = _events("original-session.jsonl")
    # The original said nothing about a message to somebody who isn't there; [NOTICE] has it told.
    place = next(n for n, event in enumerate(events) if "anyone there?" in event.get("bytes", ""))
    server = start()
    clients: dict[str, _Legacy] = {}
    _replay(server, events[: place + 1], clients)
    notice = clients["alice"].recorded()
    assert (notice["sender"], notice["dm"]) == ("", "alice")
    _replay(server, events[place + 1 :], clients)


def test_the_original_refusal_goes_as_it_went_but_ends(start: Start) -> None:
    *events, leak = _events("original-name-taken.jsonl")
    assert (leak["client"], leak["event"]) == ("second", "received")
    # The original left the refused connection open and listening; [JOIN] has it closed.
    clients: dict[str, _Legacy] = {}
    _replay(start(), events, clients)
    clients["second"].expect_end()


def test_ipv6(start: Start) -> None:
    server = start(host="::1")
    (a,) = server.join("a")
    server.connect().join("b")
    a.hears_of("b")
