"""Private messages."""

from __future__ import annotations

from ..matches import message
from ..registry import case
from ..vocabulary import Room
from .common import JOIN, TALK


@case("private.addressee", "DM-4", needs=JOIN)
def addressee(room: Room) -> None:
    """A server MUST relay a message whose `dm` is the username of a joined client to that
    client."""
    alice, bob = room.join("alice"), room.join("bob")
    text = room.text()
    alice.tell(bob, text)
    bob.expect(message(text))


@case("private.nobody-else", "DM-5", needs=TALK, control="private.addressee")
def nobody_else(room: Room) -> None:
    """A server MUST NOT relay a message whose `dm` is a non-empty string to any client but the
    one with that username."""
    alice, bob, carol = room.join("alice"), room.join("bob"), room.join("carol")
    text = room.text()
    alice.tell(bob, text)
    bob.must_get(message(text))
    carol.never(message(text), until=alice.sentinel_to(carol))
    alice.never(message(text), until=bob.sentinel_to(alice))


@case("private.dm-kept", "MSG-10", needs=TALK)
def dm_kept(room: Room) -> None:
    """A server MUST send the addressee's username as `dm` of a private message."""
    alice, bob = room.join("alice"), room.join("bob")
    text = room.text()
    alice.tell(bob, text)
    relayed = bob.must_get(message(text))
    room.claim(relayed.get("dm") == bob.username, f"dm {bob.username!r}", relayed)


@case("private.oneself", "DM-6", "DM-5", needs=TALK)
def oneself(room: Room) -> None:
    """A server MUST relay a message whose `dm` is the sender's own username to the sender,
    once."""
    alice, bob = room.join("alice"), room.join("bob")
    text = room.text()
    alice.tell(alice, text)
    room.settle()
    alice.expect(message(text))
    alice.never(message(text), until=bob.sentinel_to(alice))
    bob.never(message(text), until=alice.sentinel_to(bob), req="DM-5")


@case("private.name-exact", "NAME-10", needs=TALK, control="private.addressee")
def name_exact(room: Room) -> None:
    """A server MUST compare usernames code point by code point, without normalizing them or
    folding case."""
    alice, bob = room.join("alice"), room.join_if_may("bob", "b\u00f6b")
    right = room.text()
    alice.tell(bob, right)
    bob.must_get(message(right))
    for nearly in {bob.username.upper(), bob.username.replace("\u00f6", "o\u0308")} - {
        bob.username
    }:
        text = room.text()
        alice.tell(nearly, text)
        room.settle()
        bob.never(message(text), until=alice.sentinel_to(bob))
