"""Refusals: what is no join that can be granted."""

from __future__ import annotations

import json

from ..matches import anything_but, joined, message, response
from ..registry import Risk, case
from ..vocabulary import Client, Room
from .common import JOIN, REFUSED, TALK, claim_code, refused


@case("refusals.answered", "REFUSE-3", needs=JOIN)
def answered(room: Room) -> None:
    """A server MUST refuse a connection by a join response with `"isConnected": false` and the
    code as `errorCode`."""
    alice = room.join("alice")
    raw = room.connect("second")
    raw.ask_to_join(alice.username)
    answer = raw.expect(response(), permitted="a join response to a name that is taken")
    raw.joined = answer["isConnected"] is True
    if raw.joined:  # another rule's business: something else has to be refused
        raw = room.connect("no join")
        raw.frame({})
        answer = raw.expect(response(), permitted="a join response to what is no join")
    code = answer.get("errorCode")
    room.claim(
        answer["isConnected"] is False and isinstance(code, int) and not isinstance(code, bool),
        "isConnected false and an integer errorCode",
        answer,
    )


@case("refusals.closed", "REFUSE-4", needs=REFUSED)
def closed(room: Room) -> None:
    """A server MUST close a connection that it has refused."""
    refused(room, room.join("alice")).expect_end()


@case("refusals.deaf", "REFUSE-7", needs=REFUSED, control="messages.everyone")
def deaf(room: Room) -> None:
    """A server MUST NOT relay anything to a connection that it has refused."""
    alice, bob = room.join("alice"), room.join("bob")
    raw = refused(room, alice)
    texts = [room.text(), room.text()]
    for text in texts:
        alice.say(text)
        bob.must_get(message(text))
        bob.say(text)
        room.settle()
    raw.never(message(), until=raw.the_end())


@case("refusals.last-frame", "CLOSE-1", needs=TALK, control="refusals.answered")
def last_frame(room: Room) -> None:
    """A server MUST NOT send any frame on a connection after a disconnect or a refusal."""
    alice = room.join("alice")
    raw = room.connect("second")
    raw.ask_to_join(alice.username)
    answer = raw.must_get(response())
    room.stop_unless(answer["isConnected"] is not True, "the same name was granted twice")
    raw.never(anything_but("message"), until=raw.the_end())


@case("refusals.no-second-try", "REFUSE-6", needs=REFUSED, risk=Risk.FRAMING)
def no_second_try(room: Room) -> None:
    """A server MUST NOT grant a join on a connection that it has refused."""
    alice, bob = room.join("alice"), room.join("bob")
    for together in (True, False):
        name = room.name("second")
        first = json.dumps({"username": alice.username}).encode() + b"\n"
        second = json.dumps({"username": name}).encode() + b"\n"
        raw = room.connect("second")
        raw.send(first + second if together else first)
        answer = raw.must_get(response())
        room.stop_unless(answer["isConnected"] is not True, "the same name was granted twice")
        if not together:
            raw.send(second)
        room.settle()
        raw.joined = raw.has(response(isConnected=True))
        room.claim(not raw.joined, "no second try on the same connection", "it was granted")
        room.claim(not bob.has(joined(name)), "nobody hears of a second try", "it was announced")


@case("refusals.not-a-join", "REFUSE-1", needs=REFUSED, risk=Risk.DEADLY)
def not_a_join(room: Room) -> None:
    """A server MUST refuse a connection whose first frame has no member `username`, with
    code 4."""
    for value in (
        {},
        {"message": room.text(), "sender": room.name(), "dm": None},
        {"disconnect": True, "sender": room.name()},
        {"Username": room.name()},
        {"isConnected": True},
    ):
        raw = room.connect()
        raw.frame(value)
        claim_code(room, raw.wait_for(response()), 4, f"{json.dumps(value)}")


@case("refusals.violation", "REFUSE-2", needs=REFUSED, risk=Risk.DEADLY)
def violation(room: Room) -> None:
    """A server MUST refuse a connection that commits a violation before it has joined, with
    code 4."""
    name = room.name("raw").encode()
    for data in (
        b"nonsense\n",
        b'"%s"\n' % name,
        b'["username", "%s"]\n' % name,
        b'{"username": %s}\n' % name,
        b'{"username": "%s\xff"}\n' % name,
        b"\xef\xbb\xbf" + b'{"username": "%s"}\n' % name,
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x00\xa5\x01\x00\x00",
    ):
        raw = room.connect()
        raw.send(data)
        claim_code(room, raw.wait_for(response()), 4, repr(data[:40]))


@case("refusals.username-no-string", "JOIN-7", needs=REFUSED, risk=Risk.DEADLY)
def username_no_string(room: Room) -> None:
    """A server MUST refuse a join whose username is not a string, with code 4."""
    for value in (None, 5, True, [], {}, ["a"], {"name": "a"}):
        raw = room.connect()
        raw.frame({"username": value})
        claim_code(room, raw.wait_for(response()), 4, f"the username {json.dumps(value)}")


def _say_behind(room: Room, talker: Client, raw: Client, name: str) -> str:
    text = room.text("discarded")
    talker.room.own(name)
    raw.frame({"message": text, "dm": None, "sender": name})
    return text


@case(
    "refusals.rest-discarded",
    "CLOSE-3",
    needs=(*REFUSED, *TALK),
    control="messages.everyone",
    risk=Risk.FRAMING,
)
def rest_discarded(room: Room) -> None:
    """A server MUST discard everything that a client sends after its disconnect, after a refusal,
    or after a violation."""
    alice, bob, carol = room.join("alice"), room.join("bob"), room.join("carol")
    raw = refused(room, alice)
    text = _say_behind(room, alice, raw, alice.username)
    room.settle()
    bob.never(message(text), until=carol.sentinel_to(bob))
