"""Joins: what is granted, what is answered, what others hear of it."""

from __future__ import annotations

import json

from ..matches import anything_but, joined, kind_of, message, response, short
from ..registry import Risk, case
from ..vocabulary import Room
from .common import GLUE, JOIN, REFUSED, SAY, TALK, refused


@case("joining.granted", "JOIN-3")
def granted(room: Room) -> None:
    """A server MUST grant a join with an acceptable, free username while it is neither full nor
    shutting down, unless JSON-11 to JSON-13 or REFUSE-8 to REFUSE-11 let it refuse or close the
    connection."""
    alice = room.connect("alice")
    alice.ask_to_join(room.name("alice"))
    answer = alice.expect(response(), permitted="a join response that grants the join")
    alice.joined = room.claim(
        answer["isConnected"] is True, "the join is granted", f"the answer is {short(answer)}"
    )


@case("joining.response", "JOIN-10", needs=JOIN)
def response_members(room: Room) -> None:
    """A server MUST answer a join that it grants with a join response with `"isConnected": true`
    and `"errorCode": -1`."""
    alice = room.connect("alice")
    alice.ask_to_join(room.name("alice"))
    alice.joined = True
    alice.expect(response(isConnected=True, errorCode=-1))


@case("joining.response-first", "JOIN-11", needs=JOIN)
def response_first(room: Room) -> None:
    """A server MUST send the join response before any other frame on the connection."""
    room.join("bob")
    alice = room.connect("alice")
    alice.ask_to_join(room.name("alice"))
    first = alice.first_frame().value or {}
    alice.joined = True
    room.claim(kind_of(first) == "response", "a join response first", f"first came {short(first)}")


@case("joining.one-response", "JOIN-13", needs=TALK, control="joining.granted")
def one_response(room: Room) -> None:
    """A server MUST NOT send more than one join response on a connection."""
    alice, bob = room.join("alice"), room.join("bob")
    alice.never(response(), until=bob.sentinel_to(alice))


@case("joining.deaf-before", "JOIN-12", needs=REFUSED, control="messages.everyone")
def deaf_before(room: Room) -> None:
    """A server MUST NOT send any frame to a client that has not joined and is not being
    refused."""
    alice, bob = room.join("alice"), room.join("bob")
    raw = room.connect()
    text = room.text()
    alice.say(text)
    bob.must_get(message(text))
    room.join("carol")
    raw.never(anything_but("response", "disconnect"), until=raw.refusal())


@case("joining.announced", "JOIN-15", needs=TALK)
def announced(room: Room) -> None:
    """A server MUST announce a join to every other joined client, as a message frame.

    Its `sender` is the new username, its `dm` null, its text `User has connected`.
    """
    alice, bob = room.join("alice"), room.join("bob")
    carol = room.join("carol")
    for observer in (alice, bob):
        observer.expect(joined(carol.username).also(dm=None))


@case("joining.not-announced-to-oneself", "JOIN-16", needs=TALK, control="joining.announced")
def not_announced_to_oneself(room: Room) -> None:
    """A server MUST NOT announce a join to the client that joined."""
    alice, bob = room.join("alice"), room.join("bob")
    bob.never(message(sender=bob.username), until=alice.sentinel_to(bob))


@case("joining.announced-once", "JOIN-17", needs=TALK, control="joining.announced")
def announced_once(room: Room) -> None:
    """A server MUST NOT announce a join more than once to a client."""
    alice = room.join("alice")
    bob = room.join("bob")
    alice.must_get(joined(bob.username))
    alice.never(joined(bob.username), until=bob.sentinel_to(alice))


@case("joining.hears-at-once", "JOIN-14", needs=SAY)
def hears_at_once(room: Room) -> None:
    """A server MUST relay to a client everything that is said to everyone from the moment its
    join response is sent."""
    alice = room.join("alice")
    for _ in range(3):
        newcomer = room.join("newcomer")
        text = room.text()
        alice.say(text)
        newcomer.expect(message(text))


@case("joining.hears-without-gap", "JOIN-14", needs=GLUE, risk=Risk.FRAMING)
def hears_without_gap(room: Room) -> None:
    """A server MUST relay to a client everything that is said to everyone from the moment its
    join response is sent."""
    alice, bob = room.join("alice"), room.join("bob")
    newcomer = room.connect("newcomer")
    texts = [room.text(f"number {number}") for number in range(20)]
    for text in texts[:5]:
        alice.say(text)
    bob.must_get(message(texts[4]))
    newcomer.ask_to_join(room.name("newcomer"))
    for text in texts[5:15]:
        alice.say(text)
    newcomer.must_get(response(isConnected=True))
    newcomer.joined = True
    for text in texts[15:]:
        alice.say(text)
    bob.must_get(message(texts[-1]))
    newcomer.reach(bob.sentinel_to(newcomer))
    last = room.text("last")
    alice.say(last)
    newcomer.expect(message(last))
    heard = [text for text in texts if newcomer.has(message(text))]
    room.claim(
        len(heard) >= 5 and heard == texts[len(texts) - len(heard) :],
        "of a row of messages every one from the first that came, and all since the response",
        f"{len(heard)} of {len(texts)}, with a gap",
    )


@case("joining.taken", "JOIN-4", needs=TALK)
def taken(room: Room) -> None:
    """A server MUST refuse a join whose username a joined client has, with code 1."""
    alice = room.join("alice")
    raw = room.connect("second")
    raw.ask_to_join(alice.username)
    answer = raw.must_get(response())
    raw.joined = answer["isConnected"] is True
    right = answer["isConnected"] is not True and answer.get("errorCode") == 1
    room.claim(right, "a refusal with code 1", answer)


@case("joining.name-not-acceptable", "JOIN-6", needs=REFUSED, risk=Risk.DEADLY)
def name_not_acceptable(room: Room) -> None:
    """A server MUST refuse a join whose username is a string that is not acceptable, with
    code 3."""
    base = room.name("bad")
    for username in ("", f" {base}", f"{base}\n", "x" * 65, f"{base}\u202e", f"e\u0301{base}"):
        raw = room.connect()
        raw.ask_to_join(username)
        answer = raw.wait_for(response())
        if answer is not None and answer["isConnected"] is True:
            raw.joined = True  # the rule that this breaks is one about names
            continue
        right = answer is not None and answer.get("errorCode") == 3
        room.claim(right, f"code 3 for the username {short(username)}", answer)


@case("joining.frames-behind", "JOIN-9", needs=GLUE, risk=Risk.FRAMING)
def frames_behind(room: Room) -> None:
    """A server MUST process the frames that a client sent behind its join before it had the
    response, when the join is granted."""
    bob = room.join("bob")
    name, text = room.name("alice"), room.text()
    alice = room.connect("alice")
    alice.username = name
    frames = ({"username": name}, {"message": text, "sender": name, "dm": None})
    alice.send(b"".join(json.dumps(frame).encode() + b"\n" for frame in frames))
    alice.must_get(response(isConnected=True))
    alice.joined = True
    bob.expect(message(text))


@case("joining.case-matters", "NAME-10", needs=JOIN)
def case_matters(room: Room) -> None:
    """A server MUST compare usernames code point by code point, without normalizing them or
    folding case."""
    name = room.name("strasse")
    room.join("lower", name)
    for other in (name.upper(), name.replace("strasse", "straße"), name.title()):
        raw = room.connect("other")
        raw.ask_to_join(other)
        answer = raw.must_get(response())
        raw.joined = answer["isConnected"] is True
        room.claim(
            answer.get("errorCode") != 1, f"{other!r} is free while {name!r} is taken", answer
        )


@case("joining.kind", "KIND-1", needs=JOIN, risk=Risk.FRAMING)
def kind(room: Room) -> None:
    """A server MUST take a client's first frame as a join when it has a member `username`,
    whatever other members it has."""
    extra: dict[str, object] = {
        "message": room.text(),
        "dm": None,
        "disconnect": True,
        "ping": "1",
        "isConnected": True,
    }
    alice = room.connect("alice")
    alice.ask_to_join(room.name("alice"), **extra)
    answer = alice.wait_for(response())
    alice.joined = answer is not None and answer["isConnected"] is True
    room.claim(alice.joined, "the join is granted", f"{short(answer)}{alice.how_it_ended()}")


@case("joining.no-announcement-of-refused", "REFUSE-5", needs=REFUSED, control="joining.announced")
def no_announcement_of_refused(room: Room) -> None:
    """A server MUST NOT announce anything about a connection that it refuses."""
    alice, bob = room.join("alice"), room.join("bob")
    alice.must_get(joined(bob.username))
    bob.forget()
    raw = refused(room, alice)
    raw.wait_end()
    raw.part()
    bob.never(message(sender=alice.username).but_not("sentinel"), until=alice.sentinel_to(bob))
