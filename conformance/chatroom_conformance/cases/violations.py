"""Violations: octets that are no frame, from somebody who has joined."""

from __future__ import annotations

from ..matches import disconnect, message, told
from ..registry import Risk, case
from ..vocabulary import Client, Room
from .common import JUNK, VIOLATED
from .framing import frame_of, struck


def violator(room: Room) -> Client:
    """Somebody who has just committed a violation."""
    room.bystanders()
    alice = room.join("alice")
    room.settle()
    alice.forget()
    alice.spoilt = True
    alice.send(JUNK)
    return alice


@case("violations.disconnect", "VIOLATION-1", needs=VIOLATED, risk=Risk.DEADLY)
def disconnected(room: Room) -> None:
    """A server MUST send a disconnect frame to a joined client that commits a violation."""
    violator(room).expect(disconnect())


@case("violations.closed", "VIOLATION-2", needs=VIOLATED, risk=Risk.DEADLY)
def closed(room: Room) -> None:
    """A server MUST close the connection of a joined client that commits a violation."""
    violator(room).expect_end()


@case("violations.notice", "VIOLATION-4", needs=VIOLATED, risk=Risk.DEADLY)
def notice(room: Room) -> None:
    """A server SHOULD send a notice that says what was wrong before the disconnect frame for a
    violation."""
    alice = violator(room)
    alice.wait_end()
    alice.expect(told(alice.username), within=0.0)
    words, end = alice.place_of(told(alice.username)), alice.place_of(disconnect())
    room.claim(
        words is not None and (end is None or words < end),
        "the notice comes before the disconnect frame",
        "it came after it",
    )


@case(
    "violations.nothing-relayed",
    "VIOLATION-3",
    needs=VIOLATED,
    control="messages.everyone",
    risk=Risk.DEADLY,
)
def nothing_relayed(room: Room) -> None:
    """A server MUST NOT relay anything of the octets in which a violation lies."""
    bob, carol = room.join("bob"), room.join("carol")
    for end in (b'", "dm": null, nonsense}\n', b'\xff", "dm": null}\n'):
        alice = room.join("alice")
        alice.spoilt = True
        text = room.text("violation")
        alice.send(b'{"message": "' + text.encode() + end)
        struck(alice)  # or not, which is another rule: there was time for it
        bob.never(
            message().with_words(text),
            until=carol.sentinel_to(bob),
            permitted="nothing of a frame with a fault is relayed",
        )


@case(
    "violations.rest-discarded",
    "CLOSE-3",
    needs=VIOLATED,
    control="messages.everyone",
    risk=Risk.DEADLY,
)
def rest_discarded(room: Room) -> None:
    """A server MUST discard everything that a client sends after its disconnect, after a refusal,
    or after a violation."""
    bob, carol = room.join("bob"), room.join("carol")
    for together in (True, False):
        alice = room.join("alice")
        alice.spoilt = True
        text = room.text("discarded")
        rest = frame_of(text) + b"\n"
        alice.send(JUNK + rest if together else JUNK)
        room.stop_unless(struck(alice), "the violation wasn't noticed")
        if not together:
            alice.send(rest)
            room.settle()
        bob.never(message(text), until=carol.sentinel_to(bob))
