"""Rejections: frames of a known kind with a wrong member, or to nobody.

What is seen tells which rule is broken. Cut off: REJECT-2. Relayed although the sender was told
that it was rejected: REJECT-1. Relayed without that: the rule that makes it a rejection. Neither
relayed nor told: the rule about that notice.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..matches import Match, kind_of, short, told
from ..registry import Risk, case
from ..vocabulary import Client, FailureError, Room
from .common import TALK

#: How long a notice may lag behind frames that were caused later, in parts of an answer's time.
_LAG = 0.125


def _other_than_sentinels(name: str) -> Match:
    def from_her(value: Mapping[str, object]) -> bool:
        text = str(value.get("message"))
        return (
            kind_of(value) == "message" and value.get("sender") == name and "sentinel" not in text
        )

    return Match("something relayed", {}, from_her)


def _rejected(
    room: Room, frame: Mapping[str, object], what: str, grade: str, notice: str = ""
) -> Client:
    """Send a frame that has to be rejected, see what comes of it, and blame accordingly."""
    alice, bob = room.join("alice"), room.join("bob")
    room.settle()
    alice.forget()
    bob.forget()
    alice.frame({"sender": alice.username, **frame})
    room.settle()
    relayed = _relayed(alice, bob)
    kept = alice.ended is None and _still_joined(alice, bob)
    was_told = alice.wait_for(told(alice.username), room.session.patience.answer * _LAG)
    if not kept:
        room.fail(f"who sends {what} stays joined", "she was cut off", req="REJECT-2")
        raise FailureError
    relayed = relayed or _relayed(alice, bob)
    if relayed:
        room.fail(
            f"{what} is relayed to nobody",
            f"bob got {relayed}",
            req="REJECT-1" if was_told else grade,
        )
        raise FailureError
    if notice:
        room.claim(
            was_told is not None, f"a notice to who sends {what}", "there was none", req=notice
        )
    bob.part()  # a room may hold 16 people and no more
    return alice


def _relayed(alice: Client, bob: Client) -> str:
    found = bob.take(_other_than_sentinels(alice.username))
    return "" if found is None else short(found)


def _still_joined(alice: Client, bob: Client) -> bool:
    fence = alice.sentinel_to(bob)
    fence.cause()
    alice.room.wait(lambda: fence.arrived() or alice.ended is not None)
    return fence.arrived()


@case(
    "rejections.nobody", "DM-7", "REJECT-1", "REJECT-2", "REJECT-5", needs=TALK,
    control="private.addressee",
)  # fmt: skip
def nobody(room: Room) -> None:
    """A server MUST treat a message whose `dm` is a non-empty string that is not the username of
    a joined client as a rejection."""
    frame = {"message": room.text(), "dm": room.name("nobody")}
    _rejected(room, frame, "a message to nobody", "DM-7", "REJECT-5")


@case(
    "rejections.who-left", "DM-7", "REJECT-1", "REJECT-2", "REJECT-5",
    needs=(*TALK, "leaving.announced"), control="private.addressee",
)  # fmt: skip
def who_left(room: Room) -> None:
    """A server MUST treat a message whose `dm` is a non-empty string that is not the username of
    a joined client as a rejection."""
    carol = room.join("carol")
    carol.leave()
    carol.wait_end()
    room.settle()
    frame = {"message": room.text(), "dm": carol.username}
    _rejected(room, frame, "a message to who left", "DM-7", "REJECT-5")


@case(
    "rejections.not-a-name", "DM-7", "REJECT-1", "REJECT-2", "REJECT-5", needs=TALK,
    control="private.addressee", risk=Risk.DEADLY,
)  # fmt: skip
def not_a_name(room: Room) -> None:
    """A server MUST treat a message whose `dm` is a non-empty string that is not the username of
    a joined client as a rejection."""
    for name in (" ", "\n", "x" * 300, "\u0000", "null"):
        frame = {"message": room.text(), "dm": name}
        _rejected(room, frame, f"a message with dm {short(name)}", "DM-7", "REJECT-5")


@case(
    "rejections.message-no-string", "MSG-6", "REJECT-1", "REJECT-2", "REJECT-3", needs=TALK,
    control="messages.everyone", risk=Risk.DEADLY,
)  # fmt: skip
def message_no_string(room: Room) -> None:
    """A server MUST treat a message frame whose `message` is not a string as a rejection."""
    values: tuple[object, ...] = (None, 5, 1.5, True, [], {}, ["text"], {"text": 1})
    for value in values:
        frame = {"message": value, "dm": None}
        _rejected(room, frame, f"the message {value!r}", "MSG-6", "REJECT-3")


@case(
    "rejections.dm-no-string", "DM-8", "REJECT-1", "REJECT-2", "REJECT-4", needs=TALK,
    control="messages.everyone", risk=Risk.DEADLY,
)  # fmt: skip
def dm_no_string(room: Room) -> None:
    """A server MUST treat a message whose `dm` is neither null nor a string as a rejection."""
    values: tuple[object, ...] = (5, 0, True, False, [], {}, ["bob"])
    for value in values:
        frame = {"message": room.text(), "dm": value}
        _rejected(room, frame, f"a message with dm {value!r}", "DM-8", "REJECT-4")


@case(
    "rejections.both-wrong", "MSG-6", "REJECT-1", "REJECT-2", needs=TALK,
    control="messages.everyone", risk=Risk.DEADLY,
)  # fmt: skip
def both_wrong(room: Room) -> None:
    """A server MUST treat a message frame whose `message` is not a string as a rejection."""
    for frame in ({"message": 5, "dm": 5}, {"message": [], "dm": room.name("nobody")}):
        _rejected(room, frame, f"{frame!r}", "MSG-6")


def _notice(room: Room) -> tuple[Client, Client, Mapping[str, object]]:
    alice, bob = room.join("alice"), room.join("bob")
    room.settle()
    alice.forget()
    bob.forget()
    alice.tell(room.name("nobody"), room.text())
    room.settle()
    found = alice.wait_for(told(alice.username), room.session.patience.answer * _LAG)
    if found is None:
        room.not_applicable("the server sends no notices")
    assert found is not None
    return alice, bob, found


@case("rejections.notice-members", "NOTICE-1", needs=TALK)
def notice_members(room: Room) -> None:
    """A server MUST send a notice as a message frame with `"sender": ""` and the username of the
    client that it is for as `dm`."""
    alice, _, found = _notice(room)
    right = found.get("sender") == "" and found.get("dm") == alice.username
    room.claim(right, f'sender "" and dm {alice.username!r}', found)


@case("rejections.notice-private", "NOTICE-2", needs=TALK, control="rejections.notice-members")
def notice_private(room: Room) -> None:
    """A server MUST NOT send a notice to a client other than the one that it is for."""
    alice, bob, _ = _notice(room)
    name = bob.username
    bob.never(
        Match("a notice for alice", {"sender": ""}, lambda value: value.get("dm") != name),
        until=alice.sentinel_to(bob),
    )


@case("rejections.notice-says-what", "NOTICE-3", needs=TALK)
def notice_says_what(room: Room) -> None:
    """A server SHOULD send a text that says what was wrong in a notice about an error."""
    _, _, found = _notice(room)
    text = found.get("message")
    room.claim(isinstance(text, str) and bool(text.strip()), "a text for a person", found)
