"""Leaves, by whatever way, and what others hear of them."""

from __future__ import annotations

from ..matches import Match, about, disconnect, left, message, response
from ..registry import Risk, case
from ..vocabulary import Client, Room
from .common import JOIN, JUNK, TALK, VIOLATED


def gone(observer: Client, person: Client, req: str) -> None:
    """Claim that the observer hears that this person left, in whatever form."""
    observer.expect(
        about(person.username),
        req=req,
        permitted=f"{observer.label} is told that {person.label} left",
    )


@case("leaving.answered", "LEAVE-1", needs=JOIN)
def answered(room: Room) -> None:
    """A server MUST answer `"disconnect": true` of a joined client with a disconnect frame."""
    alice = room.join("alice")
    alice.leave()
    answer = alice.expect(disconnect())
    room.claim(answer["disconnect"] is True, '{"disconnect": true}', answer)


@case("leaving.closed", "LEAVE-2", needs=JOIN)
def closed(room: Room) -> None:
    """A server MUST close the connection of a client that has left."""
    alice = room.join("alice")
    alice.leave()
    alice.expect_end()


@case("leaving.announced", "LEAVE-5", needs=TALK)
def announced(room: Room) -> None:
    """A server MUST announce the leave of a client that sent a disconnect frame."""
    bob, alice = room.join("bob"), room.join("alice")
    room.settle()
    bob.forget()
    alice.leave()
    gone(bob, alice, "LEAVE-5")


@case("leaving.announcement", "LEAVE-11", needs=(*TALK, "leaving.announced"))
def announcement(room: Room) -> None:
    """A server MUST announce a leave to every client that is still joined, as a message frame.

    Its `sender` is the username that left, its `dm` null, its text the username followed by
    ` is offline` and an LF.
    """
    bob, carol, alice = room.join("bob"), room.join("carol"), room.join("alice")
    alice.leave()
    for observer in (bob, carol):
        observer.expect(left(alice.username).also(dm=None))


@case("leaving.announced-once", "LEAVE-10", needs=TALK, control="leaving.announced")
def announced_once(room: Room) -> None:
    """A server MUST NOT announce a leave more than once to a client."""
    bob, alice = room.join("bob"), room.join("alice")
    room.settle()
    bob.forget()
    alice.leave()
    bob.must_get(about(alice.username))
    alice.wait_end()
    alice.close()
    room.settle()
    carol = room.join("carol")
    bob.never(about(alice.username), until=carol.sentinel_to(bob))


@case("leaving.name-free", "LEAVE-13", needs=(*TALK, "leaving.announced"))
def name_free(room: Room) -> None:
    """A server MUST free the username of a client that leaves before it announces the leave and
    before it sends the client a disconnect."""
    bob = room.join("bob")
    for _ in range(3):
        alice = room.join("alice")
        room.settle()
        bob.forget()
        again = room.connect("again")
        alice.leave()
        bob.must_get(about(alice.username))
        again.ask_to_join(alice.username)
        answer = again.must_get(response())
        again.joined = answer["isConnected"] is True
        room.claim(again.joined, "the name is free once the leave was announced", answer)


@case("leaving.name-free-for-oneself", "LEAVE-13", needs=(*TALK, "leaving.answered"))
def name_free_for_oneself(room: Room) -> None:
    """A server MUST free the username of a client that leaves before it announces the leave and
    before it sends the client a disconnect."""
    room.bystanders()
    for _ in range(3):
        alice, again = room.join("alice"), room.connect("again")
        room.settle()
        alice.leave()
        alice.must_get(disconnect())
        again.ask_to_join(alice.username)
        answer = again.must_get(response())
        again.joined = answer["isConnected"] is True
        room.claim(again.joined, "the name is free once the disconnect has come", answer)
        again.part()


@case("leaving.only-true", "LEAVE-3", needs=TALK, risk=Risk.DEADLY)
def only_true(room: Room) -> None:
    """A server MUST keep a client joined that sends a disconnect frame with any value other than
    `true`."""
    bob = room.join("bob")
    values: tuple[object, ...] = (False, None, 0, 1, "true", "", [], {}, [True])
    for value in values:
        alice = room.join("alice")
        room.settle()
        alice.frame({"disconnect": value, "sender": alice.username})
        room.settle()
        text = room.text()
        alice.tell(bob, text)
        bob.expect(message(text), permitted=f"alice stays joined after disconnect {value!r}")
        room.settle()
        room.claim(not alice.ended, f"alice stays connected after disconnect {value!r}", "closed")


@case("leaving.sender-ignored", "LEAVE-4", needs=(*TALK, "leaving.announced", "leaving.closed"))
def sender_ignored(room: Room) -> None:
    """A server MUST ignore the member `sender` of a disconnect frame."""
    alice, bob, carol = room.join("alice"), room.join("bob"), room.join("carol")
    room.settle()
    carol.forget()
    alice.frame({"disconnect": True, "sender": bob.username})
    room.claim(alice.wait_end(), "alice, who sent it, is disconnected", "she isn't")
    room.settle()
    text = room.text("still here")
    bob.tell(carol, text)
    carol.expect(message(text), permitted="bob, whom it named, stays")
    room.claim(
        not carol.has(about(bob.username).but_not("still here")),
        "nothing is said of bob",
        "carol was told that bob left",
    )


@case("leaving.sender-of-any-type", "LEAVE-4", needs=(*TALK, "leaving.closed"), risk=Risk.DEADLY)
def sender_of_any_type(room: Room) -> None:
    """A server MUST ignore the member `sender` of a disconnect frame."""
    senders: tuple[object, ...] = (None, 5, [], {})
    for sender in senders:
        alice = room.join("alice")
        alice.frame({"disconnect": True, "sender": sender})
        alice.expect_end(permitted=f"alice, with sender {sender!r}, is disconnected")
    alice = room.join("alice")
    alice.frame({"disconnect": True})
    alice.expect_end(permitted="alice, without sender, is disconnected")


def _watch(room: Room) -> tuple[Client, Client]:
    bob, alice = room.join("bob"), room.join("alice")
    room.settle()
    bob.forget()
    return alice, bob


@case("leaving.end-of-stream", "LEAVE-6", needs=(*TALK, "leaving.announcement"), risk=Risk.DEADLY)
def end_of_stream(room: Room) -> None:
    """A server MUST announce the leave of a client whose stream ended."""
    alice, bob = _watch(room)
    alice.half_close()
    gone(bob, alice, "LEAVE-6")
    alice, bob = _watch(room)
    alice.close()
    gone(bob, alice, "LEAVE-6")


@case("leaving.end-of-stream-closed", "LEAVE-2", needs=TALK, risk=Risk.DEADLY)
def end_of_stream_closed(room: Room) -> None:
    """A server MUST close the connection of a client that has left."""
    alice, _ = _watch(room)
    alice.half_close()
    alice.expect_end(permitted="a half-closed connection is closed from the other side too")


@case("leaving.reset", "LEAVE-7", needs=TALK, risk=Risk.DEADLY)
def reset(room: Room) -> None:
    """A server MUST announce the leave of a client whose connection was reset."""
    alice, bob = _watch(room)
    alice.reset()
    gone(bob, alice, "LEAVE-7")


@case("leaving.violation", "LEAVE-8", needs=VIOLATED, risk=Risk.DEADLY)
def violation(room: Room) -> None:
    """A server MUST announce the leave of a client whose connection it ended for a violation."""
    alice, bob = _watch(room)
    alice.spoilt = True
    alice.send(JUNK)
    gone(bob, alice, "LEAVE-8")


@case(
    "leaving.once-for-each-way",
    "LEAVE-10",
    needs=VIOLATED,
    control="leaving.announced",
    risk=Risk.DEADLY,
)
def once_for_each_way(room: Room) -> None:
    """A server MUST NOT announce a leave more than once to a client."""
    carol = room.join("carol")
    for way in ("half-close", "close", "reset", "violation", "disconnect and reset"):
        alice, bob = _watch(room)
        if way == "half-close":
            alice.half_close()
        elif way == "violation":
            alice.spoilt = True
            alice.send(JUNK)
        elif way == "disconnect and reset":
            alice.leave()
            alice.wait_for(disconnect())
        room.stop_unless(way in ("close", "reset") or alice.wait_end(), f"no end after {way}")
        alice.close(reset="reset" in way)
        bob.must_get(about(alice.username))
        room.settle()
        bob.never(
            about(alice.username),
            until=carol.sentinel_to(bob),
            permitted=f"one announcement only after {way}",
        )


@case("leaving.name-free-after-reset", "LEAVE-13", needs=(*TALK, "leaving.reset"), risk=Risk.DEADLY)
def name_free_after_reset(room: Room) -> None:
    """A server MUST free the username of a client that leaves before it announces the leave and
    before it sends the client a disconnect."""
    alice, bob = _watch(room)
    alice.reset()
    bob.must_get(about(alice.username))
    again = room.connect("again")
    again.ask_to_join(alice.username)
    answer = again.must_get(response())
    again.joined = answer["isConnected"] is True
    room.claim(again.joined, "the name is free once the leave was announced", answer)


@case("leaving.unjoined", "LEAVE-12", needs=TALK, control="leaving.announced", risk=Risk.DEADLY)
def unjoined(room: Room) -> None:
    """A server MUST NOT announce a leave of a connection that had not joined."""
    bob, carol = room.join("bob"), room.join("carol")
    for no_name in ("None", "null", "undefined", "nil"):
        room.own(no_name)
    room.settle()
    bob.forget()
    for reset_it in (False, True):
        raw = room.connect()
        room.settle()
        raw.close(reset=reset_it)
    raw = room.connect()
    raw.half_close()
    raw.wait_end()
    room.settle()
    bob.never(
        Match("a leave notice", {}, lambda value: "offline" in str(value.get("message"))),
        until=carol.sentinel_to(bob),
        permitted="no leave is announced of somebody who hadn't joined",
    )
