"""Which frame it is, when it has members of several kinds or of none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..matches import anything_but, disconnect, message, response
from ..registry import Risk, case
from ..vocabulary import Room
from .common import TALK


def _without_effect(room: Room, frame: Mapping[str, object], what: str) -> Mapping[str, Any]:
    """Send a frame that has to be ignored, and claim that nobody gets anything for it.

    Gives what its sender says afterwards, as it is relayed.
    """
    alice, bob = room.join("alice"), room.join("bob")
    room.settle()
    alice.forget()
    bob.forget()
    alice.frame(frame)
    room.settle()
    text = room.text("sentinel")
    alice.tell(bob, text)
    relayed = bob.expect(message(text), permitted=f"{what}, and who sent it stays joined")
    bob.never(anything_but().but_not("sentinel"), until=alice.sentinel_to(bob), permitted=what)
    alice.never(anything_but().but_not("sentinel"), until=bob.sentinel_to(alice), permitted=what)
    return relayed


@case("kinds.disconnect-first", "KIND-2", needs=TALK, control="messages.everyone")
def disconnect_first(room: Room) -> None:
    """A server MUST take a frame of a joined client that has a member `disconnect`, whatever its
    value, as a disconnect and as nothing else."""
    alice, bob, carol = room.join("alice"), room.join("bob"), room.join("carol")
    text = room.text()
    alice.frame({"message": text, "disconnect": True, "dm": None, "sender": alice.username})
    room.claim(
        alice.wait_for(disconnect()) is not None or alice.ended is not None,
        "a frame with disconnect true and a message is a disconnect",
        "the client stays",
    )
    bob.never(message(text), until=carol.sentinel_to(bob))


@case(
    "kinds.disconnect-of-any-value",
    "KIND-2",
    needs=TALK,
    control="messages.everyone",
    risk=Risk.DEADLY,
)
def disconnect_of_any_value(room: Room) -> None:
    """A server MUST take a frame of a joined client that has a member `disconnect`, whatever its
    value, as a disconnect and as nothing else."""
    bob, carol = room.join("bob"), room.join("carol")
    for value in (False, None, "x", 0):
        alice = room.join("alice")
        text = room.text()
        alice.frame({"disconnect": value, "message": text, "dm": None})
        room.settle()
        bob.never(
            message(text),
            until=carol.sentinel_to(bob),
            permitted=f"no message is relayed from a frame with disconnect {value!r}",
        )


@case("kinds.message-second", "KIND-3", needs=TALK, risk=Risk.DEADLY)
def message_second(room: Room) -> None:
    """A server MUST take a frame of a joined client that has a member `message` and no
    `disconnect` as a message and as nothing else."""
    alice, bob = room.join("alice", extensions=["ping"]), room.join("bob")
    text = room.text()
    extra: dict[str, object] = {
        "username": room.name("other"),
        "isConnected": True,
        "errorCode": 1,
        "roster": [],
        "ping": "token",
        "pong": "token",
    }
    alice.say(text, **extra)
    bob.expect(message(text))
    room.settle()
    alice.never(anything_but("message", "ping"), until=bob.sentinel_to(alice))


@case("kinds.second-join", "KIND-4", needs=TALK, control="joining.announced")
def second_join(room: Room) -> None:
    """A server MUST ignore the member `username` in frames of a joined client."""
    other = room.name("other")
    relayed = _without_effect(room, {"username": other}, "a second join is ignored")
    room.claim(
        relayed.get("sender") != other,
        "the name of the first join stays",
        f"it was relayed as from {other!r}",
    )


@case("kinds.unknown", "KIND-5", needs=TALK, risk=Risk.DEADLY)
def unknown(room: Room) -> None:
    """A server MUST ignore a frame of a joined client that is of no known kind."""
    frames: tuple[Mapping[str, object], ...] = (
        {},
        {"x-something": 1},
        {"isConnected": True, "errorCode": -1},
        {"sender": "x", "dm": None, "length": 3},
        {"Message": "not a message", "dm": None},
    )
    for frame in frames:
        _without_effect(room, frame, f"{frame!r} is ignored")


@case("kinds.unknown-members", "KIND-6", needs=(*TALK, "leaving.closed"))
def unknown_members(room: Room) -> None:
    """An endpoint MUST ignore members that it does not know, in frames of every kind."""
    bob = room.join("bob")
    extra: dict[str, object] = {"x-colour": "red", "version": 2, "nested": {"a": [None]}}
    alice = room.connect("alice")
    alice.ask_to_join(room.name("alice"), **extra)
    alice.expect(response(isConnected=True), permitted="a join with unknown members is granted")
    alice.joined = True
    text = room.text()
    alice.say(text, **{"x-colour": {"red": 1}, "to": "nobody", "priority": None})
    bob.expect(message(text))
    text = room.text()
    alice.tell(bob, text, DM="nobody", id=5)
    bob.expect(message(text))
    alice.frame({"disconnect": True, "sender": alice.username, "reason": "enough", "x-now": True})
    alice.expect_end(permitted="a disconnect frame with unknown members disconnects")


@case("kinds.stays-connected", "CONN-2", needs=TALK)
def stays_connected(room: Room) -> None:
    """A server MUST keep the connection of a client that has joined open until the client leaves
    or the server ends the connection as Section 7.7 or 8.1 describes."""
    alice, bob = room.join("alice"), room.join("bob")
    for number in range(5):
        carol = room.join("carol")
        alice.say(room.text("alice"))
        bob.tell(alice, room.text("bob"))
        carol.leave()
        carol.wait_end()
        text = room.text(f"round {number}")
        bob.say(text)
        alice.wait_for(message(text))
    room.claim(
        not alice.ended and not bob.ended, "the connections stay open", "one of them was closed"
    )
    text = room.text()
    alice.tell(bob, text)
    bob.expect(message(text), permitted="who stays connected stays joined")
