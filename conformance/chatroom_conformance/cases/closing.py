"""The end of a connection, as the server makes it."""

from __future__ import annotations

from ..matches import disconnect, message
from ..registry import Risk, case
from ..results import What
from ..vocabulary import Room
from .common import TALK
from .framing import frame_of
from .limits import QUEUE, fill

LINGER_SECONDS = 1.0


@case("closing.last-frame", "CLOSE-1", needs=(*TALK, "leaving.answered"))
def last_frame(room: Room) -> None:
    """A server MUST NOT send any frame on a connection after a disconnect or a refusal."""
    alice, bob, carol = room.join("alice"), room.join("bob"), room.join("carol")
    room.settle()
    alice.forget()
    alice.leave()
    alice.must_get(disconnect())
    text = room.text()
    bob.say(text)
    carol.must_get(message(text))
    room.settle()
    room.stop_unless(alice.wait_end(), "the connection isn't closed")
    place = alice.place_of(disconnect())
    assert place is not None
    behind = [frame.value for frame in alice.log[place + 1 :]]
    room.claim(not behind, "nothing behind the disconnect frame", f"then came {behind}")


@case("closing.rest-discarded", "CLOSE-3", needs=TALK, control="messages.everyone",
      risk=Risk.FRAMING)  # fmt: skip
def rest_discarded(room: Room) -> None:
    """A server MUST discard everything that a client sends after its disconnect, after a refusal,
    or after a violation."""
    bob, carol = room.join("bob"), room.join("carol")
    for together in (True, False):
        alice = room.join("alice")
        text = room.text("discarded")
        rest = frame_of(text) + b"\n"
        end = b'{"disconnect": true, "sender": "%s"}\n' % alice.username.encode()
        alice.send(end + rest if together else end)
        if not together:
            alice.send(rest)
        alice.wait_for(disconnect())
        room.settle()
        bob.never(message(text), until=carol.sentinel_to(bob))


@case(
    "closing.queue-written", "CLOSE-2", needs=("limits.queue", "leaving.answered"), risk=Risk.DEADLY
)
def queue_written(room: Room) -> None:
    """A server MUST write the frames that are queued for a client, its last one included, before
    it closes the connection for a disconnect, a refusal, a violation or end of stream."""
    slow, bob, carol = room.join("slow", narrow=True), room.join("bob"), room.join("carol")
    room.settle()
    texts = fill(room, bob, slow, QUEUE)
    carol.reach(bob.sentinel_to(carol), carol.bulk)
    slow.leave()
    room.settle()
    slow.resume()
    slow.wait_end(slow.bulk)
    heard = [text for text in texts if slow.place_of(message(text)) is not None]
    if slow.ended is What.PEER_RESET and len(heard) < len(texts):
        room.fail("an orderly end of the stream", "a reset that destroyed the rest", req="CLOSE-4")
        room.not_applicable("what the server wrote last can't be known behind a reset")
    room.claim(
        len(heard) == len(texts),
        "all that was queued is written before the connection is closed",
        f"{len(heard)} of {len(texts)} messages came",
    )
    room.claim(slow.has(disconnect()), "the last frame too", "no disconnect frame came")


@case("closing.reads-on", "CLOSE-4", needs=(*TALK, "leaving.answered", "leaving.closed"),
      risk=Risk.DEADLY)  # fmt: skip
def reads_on(room: Room) -> None:
    """A server SHOULD, after its last frame, end its own direction of the connection and then
    read and discard until end of stream or until `linger-timeout` has passed."""
    alice = room.join("alice")
    room.bystanders()
    alice.leave()
    alice.must_get(disconnect())
    room.stop_unless(alice.wait_end(), "the connection isn't closed")
    room.claim(alice.ended is What.END_OF_STREAM, "an orderly end of the stream", "a reset")
    for _ in range(3):
        alice.send(b" ")
        room.settle()
    room.claim(not alice.refused, "the server reads what still comes", "it resets the connection")


@case("closing.reads-on-for-a-second", "CLOSE-4", needs=(*TALK, "closing.reads-on"),
      timed=True, risk=Risk.DEADLY)  # fmt: skip
def reads_on_for_a_second(room: Room) -> None:
    """A server SHOULD, after its last frame, end its own direction of the connection and then
    read and discard until end of stream or until `linger-timeout` has passed."""
    alice = room.join("alice")
    room.bystanders()
    alice.leave()
    room.stop_unless(alice.wait_end(), "the connection isn't closed")
    for _ in range(9):
        room.wait(lambda: False, LINGER_SECONDS / 10)
        alice.send(b" ")
    room.settle()
    alice.send(b" ")
    room.claim(not alice.refused, "the server reads on for 1 second", "it stops before")
